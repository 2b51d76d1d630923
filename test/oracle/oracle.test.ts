/** A small share of `npm run oracle`; the seed is fixed, so that a commit is judged by what it changes. */
import assert from 'node:assert/strict';
import { runSets } from './run.ts';

describe('what the hub shows is what the decision model says (docs/consent.md)', function () {
  this.timeout(300_000);

  it('random consents, tokens and records: read, vread, search, count, $everything, $export', async () => {
    const { failures, answers, shown } = await runSets({ sets: 8, seed: 5, isShrinking: false });
    assert.deepEqual(failures, []);
    // Worlds where nothing is ever seen, or all of it is, would agree with anything.
    assert.ok(shown > answers / 20 && shown < (answers * 19) / 20, `${shown} of ${answers} answers showed something`);
  });
});
