import assert from 'node:assert/strict';
import { raw } from '../../src/db/sql.ts';
import { verifyAudit } from '../../src/access/audit/verify.ts';
import { givenDatabase } from '../given.ts';
import { givenDataDir } from '../hub-process.ts';
import { killUnderLoad, sourcesOf } from './audit-load.ts';

/** The larger share is `node test/faults/audit-kill.ts`. */
describe('faults: kill -9 under load, and the audit trail', () => {
  it('the chains hold, each answered read has its row, and a write and its row stand or fall together', async () => {
    const [given, dataDir] = await Promise.all([givenDatabase(), givenDataDir()]);
    try {
      const report = await killUnderLoad({
        database: given.database,
        databaseUrl: given.url,
        dataDir: dataDir.path,
        rounds: 1,
        readers: 32,
        writers: 4,
        roundMs: 1_000,
      });
      assert.ok(report.reads > 32 && report.writes > 4, `${report.reads} reads and ${report.writes} writes`);
      assert.deepEqual(report.missing, []);
      assert.equal(report.trail.isIntact, true, JSON.stringify(report.trail));
      for (const [statement, kind] of [
        [`update audit_block set patients[1] = 'nobody' where (shard, first) = (0, 1)`, 'edited'],
        [
          'delete from audit_block where (shard, first) = (select shard, first from audit_block where shard = 0 order by first offset 3 limit 1)',
          'deleted',
        ],
        [
          'update audit_block set shard = 1000 where (shard, first) = (select shard, max(first) from audit_block where shard = 0 group by shard)',
          'cut short',
        ],
      ] as const) {
        await given.database.query(raw(statement));
        const { shards } = await verifyAudit(given.database, await sourcesOf(dataDir.path));
        assert.ok(
          shards.some(({ findings }) => findings.some((finding) => finding.kind === kind)),
          kind,
        );
      }
    } finally {
      await Promise.all([given.close(), dataDir.close()]);
    }
  });
});
