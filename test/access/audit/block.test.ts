/** What a commit records is one row of the table, and a log finds, orders and pages its accesses one by one, with those of before there were blocks. */
import assert from 'node:assert/strict';
import type { Database, Tx } from '../../../src/db.ts';
import { sql, type Sql } from '../../../src/db/sql.ts';
import { openAudit, type Audit, type AuditEntry } from '../../../src/access/audit/audit.ts';
import { storedColumns, type StoredRow } from '../../../src/access/audit/chain.ts';
import { exportAudit } from '../../../src/access/audit/export.ts';
import { readLog, readLogRow } from '../../../src/access/audit/log.ts';
import { readPage } from '../../../src/access/audit/pages.ts';
import { compileBlockFilters, compileLogFilter } from '../../../src/access/audit/search.ts';
import { verifyAudit } from '../../../src/access/audit/verify.ts';
import { parseSearch } from '../../../src/fhir/search.ts';
import { givenDatabase } from '../../given.ts';
import { asOfBefore } from './trail-rows.ts';
import { givenPrincipal, givenSelf } from '../world.ts';

describe('blocks of the audit trail', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  let audit: Audit;

  beforeEach(async () => {
    given = await givenDatabase();
    database = given.database;
    audit = openAudit(database);
  });
  afterEach(async () => {
    await audit.close();
    await given.close();
  });

  const start = Date.parse('2026-01-02T03:04:05.678Z');
  const entryOf = (patient: string | undefined, minute: number, more: object = {}): AuditEntry => ({
    context: {
      principal: givenPrincipal(),
      interaction: 'read',
      type: 'Observation',
      at: start + minute * 60_000,
      ...more,
    },
    ...(patient === undefined ? {} : { patient }),
    rows: 1,
    decidedBy: 'source',
    outcome: 'success',
  });
  const entries = (): Promise<StoredRow[]> =>
    database.query<StoredRow>(sql`select ${storedColumns} from audit_entry order by shard, seq`);

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
    const read = await entries();
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

  describe('a filter by date', () => {
    const filtersOf = (query: string) => {
      const { filters } = parseSearch('AuditEvent', query, {
        handling: 'strict',
        base: 'http://hub/fhir/R4',
        now: start,
      });
      return { where: filters.map(compileLogFilter), blocks: compileBlockFilters(filters) };
    };
    const minuteText = (minute: number): string => new Date(start + minute * 60_000).toISOString();

    it('opens no block that lies before or after, whatever stands in it', async () => {
      await audit.record([entryOf('p1', 0)]);
      await audit.record([entryOf('p1', 60), entryOf('p1', 62)]);
      await audit.record([entryOf('p1', 120)]);
      const self = givenSelf('p1');
      const minutesOf = async (query: string): Promise<number[]> =>
        (await readLog(database, self, { count: 10, ...filtersOf(query) })).rows.map(({ at }) => (at - start) / 60_000);
      // Whoever opens one of these fails.
      await database.query(sql`update audit_block set entries = 'not JSON' where first <> 2`);
      await assert.rejects(minutesOf(''), /json/);
      const [at60, at62] = [minuteText(60), minuteText(62)];
      const [before, after] = [minuteText(59), minuteText(63)];
      assert.deepEqual(await minutesOf(`date=ge${at60}&date=le${at62}`), [62, 60]);
      assert.deepEqual(await minutesOf(`date=gt${before}&date=lt${after}`), [62, 60]);
      assert.deepEqual(await minutesOf(`date=sa${before}&date=eb${after}`), [62, 60]);
      assert.deepEqual(await minutesOf(`date=gt${at60}&date=lt${after}`), [62]);
      assert.deepEqual(await minutesOf(`date=${at62}`), [62]);
      assert.deepEqual(await minutesOf(`date=${at60},${at62}`), [62, 60]);
      assert.deepEqual(await minutesOf(`date=${minuteText(61)}`), []);
      assert.deepEqual(await minutesOf(`_lastUpdated=${at60}`), [60]);
      // Of a value that any block may have a row for.
      await assert.rejects(minutesOf(`date=ne${at60}`), /json/);
    });

    it('gives the rows that each prefix means, at both ends of a block too', async () => {
      await audit.record([entryOf('p1', 1), entryOf('p1', 3)]);
      await audit.record([entryOf('p1', 2), entryOf('p1', 5)]);
      await audit.record([entryOf('p1', 4)]);
      const minutes = [1, 3, 2, 5, 4];
      const meanings: Record<string, (at: number, minute: number) => boolean> = {
        eq: (at, minute) => at === minute,
        ne: (at, minute) => at !== minute,
        gt: (at, minute) => at > minute,
        sa: (at, minute) => at > minute,
        lt: (at, minute) => at < minute,
        eb: (at, minute) => at < minute,
        ge: (at, minute) => at >= minute,
        le: (at, minute) => at <= minute,
      };
      for (const [prefix, isMeant] of Object.entries(meanings)) {
        for (const minute of [1, 2, 5]) {
          const { rows } = await readLog(database, givenSelf('p1'), {
            count: 10,
            isOldestFirst: true,
            ...filtersOf(`date=${prefix}${minuteText(minute)}`),
          });
          const expected = minutes.filter((at) => isMeant(at, minute)).toSorted((one, other) => one - other);
          assert.deepEqual(
            rows.map(({ at }) => (at - start) / 60_000),
            expected,
            `${prefix} ${minute}`,
          );
        }
      }
    });

    it('leads to an old day in as many statements as to the newest', async () => {
      for (let minute = 0; minute < 80; minute++) await audit.record([entryOf('p1', minute)]);
      let statements = 0;
      const counting: Tx = {
        query: (statement: Sql) => {
          statements++;
          return database.query(statement);
        },
      };
      const page = await readLog(counting, givenSelf('p1'), { count: 10, ...filtersOf(`date=lt${minuteText(3)}`) });
      assert.deepEqual([page.rows.length, statements], [3, 2]);
    });
  });

  describe('given more blocks of a patient than a page opens', () => {
    const minutes = 200;
    /** In blocks that overlap in time, of two chains, some of them of before there were blocks; every fifth minute has a row of its own kind. */
    const write = async (): Promise<void> => {
      const second = openAudit(database);
      await Promise.all([audit.record([entryOf('p1', 0)]), second.record([entryOf('p1', 0)])]);
      for (let n = 1; n <= minutes; n++) {
        if (n === 30) await asOfBefore(database);
        await (n % 2 === 0 ? audit : second).record([
          entryOf('p1', n),
          entryOf('p2', n),
          // Of a request that took long: behind what was recorded meanwhile.
          entryOf('p1', (n * 37) % minutes, { interaction: n % 5 === 0 ? 'vread' : 'read' }),
        ]);
      }
      await second.close();
    };
    const keyOf = ({ at, shard, seq }: StoredRow): string => `${at} ${shard} ${seq}`;

    it('pages either way, with and without a filter, give each row once and in order', async () => {
      await write();
      const all = (await entries())
        .filter(({ patient }) => patient === 'p1')
        .toSorted((one, other) => one.at - other.at || one.shard - other.shard || one.seq - other.seq);
      assert.equal(all.length, 2 + 2 * minutes);
      for (const isOldestFirst of [true, false]) {
        for (const interaction of [undefined, 'vread']) {
          for (const count of [30, 100]) {
            const read: string[] = [];
            let cursor: string | undefined;
            do {
              const page = await readLog(database, givenSelf('p1'), {
                count,
                isOldestFirst,
                ...(cursor && { cursor }),
                ...(interaction && { where: [sql`interaction = ${interaction}`] }),
              });
              assert.ok(page.rows.length === count || page.next === undefined);
              read.push(...page.rows.map(keyOf));
              cursor = page.next;
            } while (cursor !== undefined);
            const expected = all
              .filter((row) => interaction === undefined || row.interaction === interaction)
              .map(keyOf);
            assert.deepEqual(read, isOldestFirst ? expected : expected.toReversed());
          }
        }
      }
    });
  });
});
