import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import { sql } from '../../src/db/sql.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { Problem, type ProblemCode } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { findByIdentifier } from '../../src/store/identifier.ts';
import { readRow, readVersion } from '../../src/store/read.ts';
import type { Write, Written } from '../../src/store/row.ts';
import { everything } from '../../src/store/visibility.ts';

const at = new Date('2026-03-01T08:00:00.000Z');
const [hospital, other] = ['Organization/hosp-a', 'Organization/hosp-b'];
const all = everything('test');

describe('commit of a deletion (FHIR R4 http.html#delete)', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());

  const write = (...writes: readonly Write[]): Promise<Written[]> =>
    world.database.inTransaction((tx) => commit(tx, writes, { at }));
  const store = (resource: AnyResource, more: Partial<Write> = {}): Promise<Written[]> =>
    write({ kind: 'update', resource, owner: hospital, ...more });
  const remove = (type: string, id: string, more: Partial<Write> = {}): Promise<Written[]> =>
    write({ kind: 'delete', resource: { resourceType: type, id }, owner: hospital, ...more });
  const refuses = (code: ProblemCode, work: Promise<unknown>): Promise<void> =>
    assert.rejects(work, (error) => error instanceof Problem && error.code === code);

  it('is a version without content; the versions before it stay', async () => {
    await store(given.patient({ id: 'd-1', family: 'Li' }));
    const [written] = await remove('Patient', 'd-1');
    assert.deepEqual([written?.outcome, written?.version], ['deleted', 2]);
    const row = await readRow(world.database, all, 'Patient', 'd-1');
    assert.equal(row?.isDeleted, true);
    assert.deepEqual(Object.keys(parseJson(row?.body ?? '') as object), ['resourceType', 'id', 'meta']);
    const first = await readVersion(world.database, all, { type: 'Patient', id: 'd-1', version: 1 });
    assert.equal(first?.isDeleted, false);
    assert.match(first?.body ?? '', /"Li"/);
  });

  it('nothing finds the row any more: no token, key, string, range or identifier', async () => {
    const system = 'urn:test';
    await store({ ...given.patient({ id: 'd-2' }), identifier: [{ system, value: 'gone' }] });
    await remove('Patient', 'd-2');
    const [row] = await world.database.query(sql`
      select cardinality(tokens) as tokens, keys, strings, range_keys, date_high from resource where id = 'd-2'`);
    assert.deepEqual(row, { tokens: 0, keys: null, strings: null, range_keys: null, date_high: null });
    assert.deepEqual(await findByIdentifier(world.database, all, { type: 'Patient', system, value: 'gone' }), []);
    const [index] = await world.database.query<{ count: number }>(
      sql`select count(*)::int as count from identifier_index where id = 'd-2'`,
    );
    assert.equal(index?.count, 0);
  });

  it('is announced in the outbox with its version', async () => {
    await store(given.patient({ id: 'd-3' }));
    await remove('Patient', 'd-3');
    const rows = await world.database.query<{ versions: number[] }>(
      sql`select versions from outbox where 'd-3' = any(ids) order by sequence`,
    );
    assert.deepEqual(
      rows.map(({ versions }) => versions),
      [[1], [2]],
    );
  });

  it('deleted again: unchanged; stored again: the next version, found again', async () => {
    const resource = { ...given.patient({ id: 'd-4' }), identifier: [{ system: 'urn:test', value: 'back' }] };
    await store(resource);
    await remove('Patient', 'd-4');
    assert.equal((await remove('Patient', 'd-4'))[0]?.outcome, 'unchanged');
    const [again] = await store(resource);
    assert.deepEqual([again?.outcome, again?.version], ['created', 3]);
    const found = await findByIdentifier(world.database, all, { type: 'Patient', system: 'urn:test', value: 'back' });
    assert.deepEqual(
      found.map(({ id }) => id),
      ['d-4'],
    );
  });

  it('a merge after it starts from nothing: what was deleted does not come back', async () => {
    await store({ ...given.patient({ id: 'd-5' }), birthDate: '1990-01-01' });
    await remove('Patient', 'd-5');
    const [again] = await store(
      { resourceType: 'Patient', id: 'd-5', gender: 'female' },
      { kind: 'draft', mode: 'merge' },
    );
    assert.doesNotMatch(again?.body ?? '', /1990/);
  });

  it('ends the rank of the status: a preliminary result after it is stored', async () => {
    await store(given.patient({ id: 'd-6' }));
    const observation = given.observation({ id: 'd-6-o', patient: 'd-6' });
    await store(observation, { kind: 'draft', precedence: 3 });
    await store(observation, { kind: 'draft', mode: 'delete', precedence: 0 });
    const [again] = await store(observation, { kind: 'draft', precedence: 1 });
    assert.equal(again?.outcome, 'created');
    assert.equal((await readRow(world.database, all, 'Observation', 'd-6-o'))?.isDeleted, false);
  });

  it('refused for another’s row and for an unknown one alike (LEAKS 21, 35)', async () => {
    await store(given.patient({ id: 'd-7' }));
    await refuses('not-found', remove('Patient', 'd-7', { owner: other }));
    await refuses('not-found', remove('Patient', 'd-unknown'));
    assert.equal((await readRow(world.database, all, 'Patient', 'd-7'))?.isDeleted, false);
  });

  it('a stale ifVersion is a conflict', async () => {
    await store(given.patient({ id: 'd-8', family: 'A' }));
    await store(given.patient({ id: 'd-8', family: 'B' }));
    await refuses('conflict', remove('Patient', 'd-8', { ifVersion: 1 }));
    assert.equal((await remove('Patient', 'd-8', { ifVersion: 2 }))[0]?.outcome, 'deleted');
  });

  it('a message may take back what was never stored: nothing is written', async () => {
    const [written] = await store(given.patient({ id: 'd-9' }), { kind: 'draft', mode: 'delete' });
    assert.equal(written?.outcome, 'absent');
    assert.equal(await readRow(world.database, all, 'Patient', 'd-9'), undefined);
  });

  it('created and deleted in one commit: two versions, the last deleted', async () => {
    const resource = given.patient({ id: 'd-10' });
    const written = await write(
      { kind: 'draft', resource, owner: hospital },
      { kind: 'draft', mode: 'delete', resource, owner: hospital },
    );
    assert.deepEqual(
      written.map(({ outcome }) => outcome),
      ['created', 'deleted'],
    );
    assert.equal((await readRow(world.database, all, 'Patient', 'd-10'))?.isDeleted, true);
  });
});
