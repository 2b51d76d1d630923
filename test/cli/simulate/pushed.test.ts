import assert from 'node:assert/strict';
import { join } from 'node:path';
import { loadIssuerKeys } from '../../../src/access/token/keys.ts';
import { checkLedger } from '../../../src/cli/simulate/check/check.ts';
import { untilIdle } from '../../../src/cli/simulate/check/command.ts';
import { runSimulateSources } from '../../../src/cli/simulate/sources/command.ts';
import { givenHub } from '../../given-hub.ts';
import { givenDataDir } from '../../hub-process.ts';

describe('hub simulate sources --register fhir-push', function () {
  this.timeout(300_000);

  it('the hub has all that the sources sent: what was there, what changed, what is gone', async () => {
    const directory = await givenDataDir();
    await loadIssuerKeys(directory.path);
    const hub = await givenHub({ HUB_DATA_DIR: directory.path });
    const ledger = join(directory.path, 'ledger.ndjson');
    try {
      await runSimulateSources(
        {
          sources: '4',
          serve: '0',
          seed: '6',
          patients: '2',
          hanging: '0',
          flapping: '0',
          clocksOff: '50',
          changes: '60',
          seconds: '1',
          quiet: '0',
          register: 'fhir-push',
          every: '1m',
          url: hub.url,
          ledger,
        },
        { HUB_DATA_DIR: directory.path, DATABASE_URL: hub.databaseUrl },
      );
      await untilIdle(hub.database, 100);
      const report = await checkLedger(hub.database, ledger);
      assert.deepEqual(report.findings, []);
      assert.ok(report.resources > 4 * 2 * 7, JSON.stringify(report));
    } finally {
      await hub.close();
      await directory.close();
    }
  });
});
