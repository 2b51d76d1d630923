import assert from 'node:assert/strict';
import { join } from 'node:path';
import { checkLedger } from '../../../src/cli/simulate/check/check.ts';
import { untilIdle } from '../../../src/cli/simulate/check/command.ts';
import { sendDays } from '../../../src/cli/simulate/devices/command.ts';
import { summariesOf, uploadOf } from '../../../src/cli/simulate/devices/days.ts';
import { openLedger } from '../../../src/cli/simulate/ledger.ts';
import { raw } from '../../../src/db/sql.ts';
import { addEndpoint } from '../../../src/ingest/registry/change.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenDataDir } from '../../hub-process.ts';

const organization = 'Organization/watches';

describe('simulated watches', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let directory: { path: string; close(): Promise<void> };
  let path: string;

  before(async () => {
    [hub, directory] = await Promise.all([givenHub(), givenDataDir()]);
    path = join(directory.path, 'ledger.ndjson');
    await addEndpoint(hub.database, { name: 'watch', kind: 'device-http', organization });
    const token = await hub.token('hospital', { organization });
    const ledger = openLedger(path);
    const plan = { seed: 3, people: 3, days: 4, endpoint: 'watch', organization, url: hub.url };
    const uploads = await sendDays({ ...plan, tokens: async () => token, ledger });
    assert.ok(uploads > 12, 'some are sent twice');
    await ledger.close();
    await untilIdle(hub.database, 100);
  });
  after(() => Promise.all([hub.close(), directory.close()]));

  it('send a day’s samples; some come a day late, some are corrected, and the day adds up to another sum then', () => {
    const ids = (day: number): string[] => uploadOf(3, 0, day).map(({ header }) => (header as { id: string }).id);
    const [first, second] = [ids(0), ids(1)];
    assert.ok(first.length > 100 && first.length < 120);
    assert.ok(second.filter((id) => first.includes(id)).length > 0, 'corrected');
    assert.ok(
      second.some((id) => id.startsWith('sim-3-0-0-') && !first.includes(id)),
      'late',
    );
    assert.notDeepEqual(summariesOf(3, 0, 0, 0), summariesOf(3, 0, 0, 1));
    assert.equal(summariesOf(3, 0, 0, 1)[0]?.count, 96);
  });

  it('when all is processed, then each day stands once, and adds up', async () => {
    const report = await checkLedger(hub.database, path);
    assert.deepEqual(report.findings, []);
    assert.equal(report.days, 3 * 4 * 2);
  });

  for (const [what, statement, finding] of [
    [
      'a sum is another',
      `update resource set body = replace(body, '"count"', '"counted"') where body like '%41950-7%'`,
      /do not add up/,
    ],
    ['days are gone', `delete from resource where body like '%41950-7%'`, /days are missing/],
  ] as const) {
    it(`given ${what}, then the check says so`, async () => {
      const damaged = hub.database.inTransaction(async (tx) => {
        await tx.query(raw(statement));
        throw new Found((await checkLedger(tx, path)).findings.join('\n'));
      });
      await assert.rejects(damaged, (error) => error instanceof Found && finding.test(error.message));
    });
  }
});

/** Takes the damage back. */
class Found extends Error {}
