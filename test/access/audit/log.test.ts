/** The patient's own log: whose it is, its pages in the order of time, and what is opened for them. */
import assert from 'node:assert/strict';
import { openAudit, type Audit } from '../../../src/access/audit/audit.ts';
import type { StoredRow } from '../../../src/access/audit/chain.ts';
import { blocksMax, openPosition, readLog, readLogRow, sealPosition } from '../../../src/access/audit/log.ts';
import { compileBlockFilters, compileLogFilter } from '../../../src/access/audit/search.ts';
import { randomOf } from '../../../src/cli/simulate/random.ts';
import type { Database, Tx } from '../../../src/db.ts';
import { raw, sql, type Sql } from '../../../src/db/sql.ts';
import { parseSearch } from '../../../src/fhir/search.ts';
import { givenPrincipal, givenSelf } from '../world.ts';
import {
  asOfBefore,
  entryOf,
  givenTrail,
  readPages,
  start,
  writeBlocks,
  type GivenAccess,
  type GivenTrail,
} from './given-trail.ts';

describe('the log of a patient', () => {
  let trail: GivenTrail;
  let database: Database;
  let audit: Audit;

  beforeEach(async () => {
    trail = await givenTrail();
    ({ database, audit } = trail);
  });
  afterEach(() => trail.close());

  const keyOf = ({ at, shard, seq }: StoredRow): string => `${at} ${shard} ${seq}`;

  it('LEAKS 20: the patient reads their own log, of linked records too; nobody else reads it', async () => {
    await audit.record(['p1', 'p2', 'p3'].map((patient) => entryOf(patient, 0)));
    await database.query(sql`
      insert into person_member (patient, bucket, person, evidence, linked_at)
      select patient, 0, '00000000-0000-4000-8000-000000000001', '{}', now() from unnest(array['p1', 'p2']) as patient`);
    const patientsOf = async (principal = givenSelf('p1'), patient?: string): Promise<string[]> => {
      const where = patient === undefined ? [] : [sql`patient = ${patient}`];
      const { rows } = await readLog(database, principal, { count: 10, where });
      return rows.map((row) => row.patient ?? '').toSorted();
    };
    assert.deepEqual(await patientsOf(), ['p1', 'p2']);
    assert.deepEqual(await patientsOf(givenSelf('p1'), 'p2'), ['p2']);
    assert.deepEqual(await patientsOf(givenSelf('p1'), 'p3'), []);
    assert.deepEqual(await patientsOf(givenSelf('p3')), ['p3']);
    assert.deepEqual(await patientsOf(givenPrincipal()), []);
    assert.deepEqual(await patientsOf(givenPrincipal({ isOperator: true })), []);
    const [event] = (await readLog(database, givenSelf('p3'), { count: 1 })).rows;
    const id = `audit-${event?.shard}-${event?.seq}`;
    assert.equal((await readLogRow(database, givenSelf('p3'), id))?.hash, event?.hash);
    assert.equal(await readLogRow(database, givenSelf('p1'), id), undefined);
    assert.equal(await readLogRow(database, givenPrincipal(), id), undefined);
  });

  it('a log is found by the index of patients, whatever else is in the trail', async () => {
    const plan = await database.inTransaction(async (tx) => {
      // Of a trail this small every page would be read.
      await tx.query(raw('set local enable_seqscan = off'));
      const explained: Tx = { query: (statement) => tx.query(sql`explain ${statement}`) };
      return readLog(explained, givenSelf('p1'), { count: 100 });
    });
    for (const index of ['audit_event_patient', 'audit_block_patients']) {
      assert.match(JSON.stringify(plan.rows), new RegExp(`Index Scan on ${index}`));
    }
  });

  for (const isOldestFirst of [false, true]) {
    it(`pages ${isOldestFirst ? 'oldest' : 'newest'} first without a gap`, async () => {
      for (let n = 0; n < 7; n++) await audit.record([entryOf('p1', Math.floor(n / 2))]);
      const pages = await readPages(database, { count: 3, isOldestFirst });
      const seqs = pages.map((page) => page.map(({ seq }) => seq));
      assert.deepEqual(seqs, isOldestFirst ? [[1, 2, 3], [4, 5, 6], [7]] : [[7, 6, 5], [4, 3, 2], [1]]);
    });
  }

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
    it('pages either way, with and without a filter, are full, give each row once and in order', async () => {
      await write();
      const all = (await trail.entries())
        .filter(({ patient }) => patient === 'p1')
        .toSorted((one, other) => one.at - other.at || one.shard - other.shard || one.seq - other.seq);
      assert.equal(all.length, 2 + 2 * minutes);
      for (const isOldestFirst of [true, false]) {
        for (const interaction of [undefined, 'vread']) {
          for (const count of [30, 100]) {
            const pages = await readPages(database, {
              count,
              isOldestFirst,
              ...(interaction && { where: [sql`interaction = ${interaction}`] }),
            });
            for (const page of pages.slice(0, -1)) assert.equal(page.length, count);
            const read = pages.flat().map(keyOf);
            const expected = all
              .filter((row) => interaction === undefined || row.interaction === interaction)
              .map(keyOf);
            assert.deepEqual(read, isOldestFirst ? expected : expected.toReversed());
          }
        }
      }
    });
  });

  describe('given more blocks of a patient than are opened for a page', () => {
    const none = { count: 50, where: [sql`interaction = 'delete'`] };

    it('a filter that lets nothing through opens so many, says where it stopped, and goes on from there', async () => {
      const more = 300;
      const blocks = Array.from({ length: blocksMax + more }, (_, n): GivenAccess[] => [
        { at: start + n * 1_000, patient: 'p1', interaction: n === 0 ? 'delete' : 'read' },
        { at: start + n * 1_000, patient: 'p2' },
      ]);
      await writeBlocks(database, blocks);
      // Whoever opens one of these fails.
      await database.query(
        sql`update audit_block set entries = 'not JSON' where first > 1 and first < ${2 * more - 1}`,
      );
      const page = await readLog(database, givenSelf('p1'), none);
      assert.deepEqual(page, { rows: [], next: { at: start + (more - 1) * 1_000 } });
      await assert.rejects(readLog(database, givenSelf('p1'), { ...none, after: page.next }), /json/);
      await database.query(sql`delete from audit_block where entries = 'not JSON'`);
      const { rows, next } = await readLog(database, givenSelf('p1'), { ...none, after: page.next });
      assert.deepEqual([rows.map(({ seq }) => seq), next], [[1], undefined]);
    });

    for (const [spread, apartMs] of [
      ['hours', 5_000],
      ['one instant', 0],
    ] as const) {
      it(`pages give what audit_entry has, whatever is asked for, of accesses within ${spread}`, async () => {
        const random = randomOf(7, apartMs);
        const blocks = Array.from({ length: blocksMax + 700 }, (_, n) =>
          Array.from({ length: random.between(1, 3) }, (): GivenAccess => {
            // Some were recorded long after they were asked for.
            const lateMs = random.chance(10) ? random.below(200) * apartMs : 0;
            return {
              at: start + n * apartMs - lateMs,
              patient: random.chance(80) ? 'p1' : 'p2',
              interaction: random.below(250) === 0 ? 'delete' : random.chance(30) ? 'vread' : 'read',
            };
          }),
        );
        await writeBlocks(database, blocks.slice(0, 300), 1);
        await asOfBefore(database);
        await writeBlocks(database, blocks.slice(300, 900), 2);
        await writeBlocks(database, blocks.slice(900), 3);
        for (const isOldestFirst of [true, false]) {
          for (const asked of ['delete', 'vread', 'create']) {
            const where = [sql`interaction = ${asked}`];
            const order = raw(isOldestFirst ? 'at, shard, seq' : 'at desc, shard desc, seq desc');
            const expected = await database.query<StoredRow>(sql`
              select round(extract(epoch from at) * 1000)::int8 as at, shard, seq from audit_entry
              where patient = 'p1' and ${where[0]} order by ${order}`);
            for (const count of [100, 1_000]) {
              const read = (await readPages(database, { where, count, isOldestFirst })).flat();
              assert.deepEqual(read.map(keyOf), expected.map(keyOf), `${asked} ${count}`);
            }
          }
        }
      });
    }
  });

  it('where a page ended is told to nobody, and leads on for the same caller and query alone', () => {
    const seal = { key: Buffer.alloc(32, 1), boundTo: 'p1' };
    for (const position of [{ at: start }, { at: start, place: { shard: 3, seq: 17 } }]) {
      const cursor = sealPosition(position, seal);
      assert.ok(!Buffer.from(cursor, 'base64url').includes(String(start)));
      assert.deepEqual(openPosition(cursor, seal), position);
      assert.throws(() => openPosition(cursor, { ...seal, boundTo: 'p2' }), { code: 'value' });
    }
    assert.throws(() => openPosition(`${start}.3.17`, seal), { code: 'value' });
    assert.equal(openPosition(undefined, seal), undefined);
  });
});
