import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import { isDatabase, type Database } from '../../src/db.ts';
import { raw, render, sql, type Sql } from '../../src/db/sql.ts';
import { deriveId } from '../../src/fhir/ids.ts';
import { commit } from '../../src/store/commit.ts';
import { readRow } from '../../src/store/read.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';

const all = everything('test');
const onlyMen = new Visibility(
  (alias) => sql`${raw(alias)}.body like '%"gender":"male"%'`,
  () => raw(`'consent:c/1'::text`),
);
const nobody = new Visibility(
  () => raw('false'),
  () => raw('null::text'),
);

describe('reads of one turn of the event loop', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  /** The same database, with the statements it was asked. */
  let observed: Database;
  let asked: string[];
  const ids = Array.from({ length: 150 }, (_, n) => deriveId(undefined, ['together', String(n)]));
  const unknown = deriveId(undefined, ['together', 'unknown']);

  before(async () => {
    world = await givenDatabase();
    const patients = ids.map((id, n) => ({ ...given.patient({ id }), gender: n % 2 ? 'male' : 'female' }));
    await world.database.inTransaction((tx) =>
      commit(
        tx,
        patients.map((resource) => ({ kind: 'draft' as const, resource, owner: 'Organization/a' })),
        { at: new Date() },
      ),
    );
    observed = {
      ...world.database,
      query: <Row extends object>(statement: Sql) => {
        asked.push(render(statement).text);
        return world.database.query<Row>(statement);
      },
    };
  });
  beforeEach(() => {
    asked = [];
  });
  after(() => world.close());

  const read = async (visibility: Visibility, id: string | undefined): Promise<string | undefined> =>
    (await readRow(observed, visibility, 'Patient', id ?? ''))?.id;

  it('are one statement, and each gets its own row, whatever the others get', async () => {
    const found = await Promise.all([ids[1], unknown, ids[0], ids[3], ids[1]].map((id) => read(onlyMen, id)));
    assert.deepEqual(found, [ids[1], undefined, undefined, ids[3], ids[1]]);
    assert.equal(asked.length, 1);
  });

  it('LEAKS 28: nobody is answered by the statement of somebody else', async () => {
    const found = await Promise.all([
      read(onlyMen, ids[0]),
      read(all, ids[0]),
      read(nobody, ids[0]),
      read(onlyMen, ids[1]),
      read(nobody, ids[1]),
    ]);
    assert.deepEqual(found, [undefined, ids[0], undefined, ids[1], undefined]);
    assert.equal(asked.length, 3);
  });

  it('of several types are a statement each', async () => {
    const rows = await Promise.all([
      readRow(observed, all, 'Patient', ids[0] ?? ''),
      readRow(observed, all, 'Group', ids[0] ?? ''),
    ]);
    assert.deepEqual(
      rows.map((row) => row?.type),
      ['Patient', undefined],
    );
    assert.equal(asked.length, 2);
  });

  it('are several statements when they are many', async () => {
    const found = await Promise.all(ids.map((id) => read(all, id)));
    assert.deepEqual(found, ids);
    assert.equal(asked.length, 3);
  });

  it('of the next turn are the next statement, so what ended in between has ended', async () => {
    let isOver = false;
    const seen = new Visibility(
      () => raw(isOver ? 'false' : 'true'),
      () => raw(`'consent:c/1'::text`),
    );
    const before = await read(seen, ids[0]);
    isOver = true;
    assert.deepEqual([before, await read(seen, ids[0])], [ids[0], undefined]);
  });

  it('all fail with the statement, and the next ones do not', async () => {
    const broken = new Visibility(
      () => raw('1 / (length(r.id) - length(r.id)) = 1'),
      () => raw(`'x'::text`),
    );
    const outcomes = await Promise.allSettled([read(broken, ids[0]), read(broken, ids[1]), read(all, ids[1])]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    );
    assert.equal(await read(all, ids[0]), ids[0]);
  });

  it('in a transaction are its own, one by one: nothing of it is asked after it has ended', async () => {
    await world.database.inTransaction(async (tx) => {
      assert.equal(isDatabase(tx), false);
      const rows = await Promise.all([0, 1].map((n) => readRow(tx, all, 'Patient', ids[n] ?? '')));
      assert.deepEqual(
        rows.map((row) => row?.id),
        ids.slice(0, 2),
      );
    });
  });
});
