/** What a commit records is one row of the table, with those of before there were blocks they are one chain, and each is read like a row. */
import assert from 'node:assert/strict';
import type { Audit } from '../../../src/access/audit/audit.ts';
import { exportAudit } from '../../../src/access/audit/export.ts';
import { readLog, readLogRow } from '../../../src/access/audit/log.ts';
import { readPage } from '../../../src/access/audit/pages.ts';
import { verifyAudit } from '../../../src/access/audit/verify.ts';
import type { Database } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenSelf } from '../world.ts';
import { asOfBefore, entryOf, givenTrail, start, type GivenTrail } from './given-trail.ts';

describe('blocks of the audit trail', () => {
  let trail: GivenTrail;
  let database: Database;
  let audit: Audit;

  beforeEach(async () => {
    trail = await givenTrail();
    ({ database, audit } = trail);
  });
  afterEach(() => trail.close());

  it('what is recorded together is one row, with an index entry for each of its patients and for no others', async () => {
    await audit.record([entryOf('p1', 0), entryOf(undefined, 1), entryOf('null', 2), entryOf('p1', 3)]);
    const blocks = await database.query(sql`select first, patients, at_from, at_to from audit_block`);
    assert.deepEqual(blocks, [
      { first: 1, patients: ['p1', null, 'null', 'p1'], at_from: new Date(start), at_to: new Date(start + 180_000) },
    ]);
    const seqs = async (patient: string): Promise<number[]> =>
      (await readLog(database, givenSelf(patient), { count: 10 })).rows.map(({ seq }) => seq);
    assert.deepEqual(await seqs('p1'), [4, 1]);
    assert.deepEqual(await seqs('null'), [3]);
    assert.deepEqual(await seqs('p2'), []);
  });

  it('the database and the check of the chain read the same in a line', async () => {
    await audit.record([
      entryOf('p1', 0, {
        address: '::1',
        version: 3,
        reason: 'a "reason", with\nlines \\ and 中文',
        query: 'patient&code',
      }),
      entryOf(undefined, 1, { principal: undefined, type: undefined, id: 'x', correlationId: 'c' }),
    ]);
    await audit.record([entryOf('p2', 2)]);
    const read = await trail.entries();
    assert.equal(read.length, 3);
    assert.equal(read[0]?.reason, 'a "reason", with\nlines \\ and 中文');
    const checked = await readPage(database, 0, 0);
    assert.deepEqual(
      checked.map(({ isOdd, ...row }) => [isOdd, row]),
      read.map((row) => [false, row]),
    );
  });

  it('characters that no text of the database can hold are replaced, and neither refused nor in the way of a log', async () => {
    await audit.record([
      entryOf('p1', 0),
      entryOf('p1', 1, { reason: 'a\0b\uD800c\u0001', query: String.raw`\u0000` }),
    ]);
    const [row] = (await readLog(database, givenSelf('p1'), { count: 10 })).rows;
    assert.equal(row?.reason, 'a\uFFFDb\uFFFDc\u0001');
    assert.equal(row.query, String.raw`\u0000`);
    assert.equal((await verifyAudit(database)).isIntact, true);
  });

  it('a chain goes on from rows to blocks: read, checked and exported as one', async () => {
    await audit.record([entryOf('p1', 0), entryOf('p2', 1)]);
    await asOfBefore(database);
    await audit.record([entryOf('p1', 2), entryOf('p2', 3)]);
    const report = await verifyAudit(database);
    assert.deepEqual([report.isIntact, report.shards[0]?.rows], [true, 4]);
    const self = givenSelf('p1');
    const { rows } = await readLog(database, self, { count: 10 });
    assert.deepEqual(
      rows.map(({ seq }) => seq),
      [3, 1],
    );
    for (const { shard, seq, hash } of rows) {
      assert.equal((await readLogRow(database, self, `audit-${shard}-${seq}`))?.hash, hash);
    }
    assert.equal(
      await readLogRow(database, self, 'audit-0-4'),
      undefined,
      'a row of another patient in the same block',
    );
    const exported = async (options: object): Promise<string[]> => {
      const ids: string[] = [];
      for await (const { id } of exportAudit(database, { base: 'http://hub/fhir/R4', ...options }))
        ids.push(id as string);
      return ids;
    };
    assert.deepEqual(await exported({}), ['audit-0-1', 'audit-0-2', 'audit-0-3', 'audit-0-4']);
    const [since, until] = [new Date(start + 60_000), new Date(start + 180_000)];
    assert.deepEqual(await exported({ since, until }), ['audit-0-2', 'audit-0-3']);
  });
});
