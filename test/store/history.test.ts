/** The statements of a history: which rows they read, and that pages hold while versions are written. */
import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import type { Database } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { parseHistory } from '../../src/fhir/history-request.ts';
import { typeCode } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { compileHistory, selectHistory, type HistoryScope } from '../../src/store/history.ts';
import { everything } from '../../src/store/visibility.ts';
import { given, givenDatabase } from '../given.ts';

const all = everything('test');
const owner = 'Organization/history';
const request = (query: string): ReturnType<typeof parseHistory> => parseHistory(query, { handling: 'strict' });

describe('the statements of a history (http.html#history)', () => {
  let database: Awaited<ReturnType<typeof givenDatabase>>;
  let db: Database;
  before(async () => {
    database = await givenDatabase();
    db = database.database;
  });
  after(() => database.close());

  it('a page of a type is read from the indexes by owner, in their order', async () => {
    const type = typeCode('Observation');
    await db.query(sql`
      insert into resource (bucket, type, id, version, last_updated, owner, body)
      select n, ${type}::smallint, 'o' || n, 2, now() - n * interval '1 second', 'Organization/' || n % 20, '{}'
      from generate_series(1, 20000) n`);
    await db.query(sql`
      insert into resource_history (bucket, type, id, version, last_updated, is_deleted, body, owner)
      select n, ${type}::smallint, 'o' || n, 1, now() - (n + 100) * interval '1 second', false, '{}', 'Organization/' || n % 20
      from generate_series(1, 20000) n`);
    await db.query(sql`analyze resource`);
    await db.query(sql`analyze resource_history`);
    const scope = { owner: 'Organization/7', types: ['Observation'] };
    const statement = compileHistory(all, request('_count=10'), scope, undefined);
    const plan = await db.query<{ 'QUERY PLAN': string }>(sql`explain (analyze, costs off, timing off) ${statement}`);
    const lines = plan.map((line) => line['QUERY PLAN']).join('\n');
    assert.match(lines, /Index Scan Backward using resource_owner/);
    assert.match(lines, /Index Scan Backward using resource_history_owner/);
    const read = Array.from(lines.matchAll(/actual rows=(\d+)/g), ([, rows]) => Number(rows));
    assert.ok(Math.max(...read) <= 22, lines);
  });

  it('every version that was there throughout stands on exactly one page, while others are written', async () => {
    const write = (id: string, name: string): Promise<unknown> =>
      db.inTransaction((tx) =>
        commit(tx, [{ kind: 'update', resource: given.organization({ id, name }), owner }], { at: new Date() }),
      );
    const ids = Array.from({ length: 7 }, (_, index) => `org-${index}`);
    for (const name of ['one', 'two', 'three']) for (const id of ids) await write(id, name);
    const seal = { key: createSecretKey(randomBytes(32)), boundTo: 'test' };
    const scope: HistoryScope = { owner, types: ['Organization'] };
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const asked = { ...request('_count=4'), ...(cursor === undefined ? {} : { cursor }) };
      const page = await selectHistory(db, all, asked, scope, seal);
      seen.push(...page.rows.map(({ id, version }) => `${id}/${version}`));
      cursor = page.next;
      // A current version becomes a past one, and a new one stands before all pages.
      await write(ids[seen.length % ids.length] as string, `more ${seen.length}`);
    } while (cursor !== undefined);
    const expected = ids.flatMap((id) => [1, 2, 3].map((version) => `${id}/${version}`));
    assert.deepEqual(seen.toSorted(), expected.toSorted());
  });
});
