/** A small share of `npm run revocation`. LEAKS 6, 25, 28. */
import assert from 'node:assert/strict';
import { revokeRounds } from './run.ts';

describe('a Consent that is taken back, under load, on two processes', function () {
  this.timeout(300_000);

  it('holds for all that is asked from its answer on; granted again, it is seen again', async () => {
    const { leaked, shown, rounds } = await revokeRounds(3);
    assert.deepEqual(leaked, []);
    // Each round waits until every client could have seen the record once.
    assert.ok(shown >= rounds * 28, `${shown} answers showed the record`);
  });
});
