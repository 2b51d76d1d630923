import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import { raw, sql } from '../../src/db/sql.ts';
import { parseSearch } from '../../src/fhir/search.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import { isByIdentifier, selectIdentified, type Asked } from '../../src/store/identified.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';

const at = new Date('2026-03-01T08:00:00.000Z');
const all = everything('test');
const system = 'urn:test';

const asks = (query: string): Asked => {
  const [type = '', parameters = ''] = query.split('?');
  return parseSearch(type, parameters, { handling: 'strict', base: 'http://hub/fhir/R4', now: at.getTime() });
};

describe('what conditions by identifier describe, in one statement', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  const store = (...resources: readonly AnyResource[]): Promise<unknown> =>
    world.database.inTransaction((tx) =>
      commit(
        tx,
        resources.map((resource) => ({ kind: 'update', resource, owner: 'Organization/hosp-a' })),
        { at },
      ),
    );
  const identified = (resource: AnyResource, ...values: readonly string[]): AnyResource => ({
    ...resource,
    identifier: values.map((value) => ({ system, value })),
  });
  const find = async (queries: readonly string[], visible = all, limit = 5): Promise<string[][]> => {
    const found = await selectIdentified(world.database, visible, queries.map(asks), limit);
    return found.map((rows) => rows.map(({ id }) => id).toSorted());
  };

  before(async () => {
    world = await givenDatabase();
    await store(
      identified({ ...given.patient({ id: 'p-1' }), active: true }, 'A', 'B'),
      identified({ ...given.patient({ id: 'p-2' }), active: false }, 'A'),
      identified({ ...given.patient({ id: 'p-3' }), gender: 'female' }, 'gone'),
      identified(given.organization({ id: 'o-1' }), 'A'),
      identified(given.observation({ id: 'b-1', patient: 'p-1' }), 'R1', 'R2'),
      identified(given.observation({ id: 'b-2', patient: 'p-2' }), 'R1'),
    );
    await world.database.inTransaction((tx) =>
      commit(tx, [{ kind: 'delete', resource: { resourceType: 'Patient', id: 'p-3' }, owner: 'Organization/hosp-a' }], {
        at,
      }),
    );
  });
  after(() => world.close());

  const rows: readonly (readonly [title: string, query: string, ids: readonly string[]])[] = [
    ['a person by system and value', 'Patient?identifier=urn:test|B', ['p-1']],
    ['a person by value alone', 'Patient?identifier=b', ['p-1']],
    ['several persons', 'Patient?identifier=urn:test|A', ['p-1', 'p-2']],
    ['of another type with the same identifier', 'Organization?identifier=urn:test|A', ['o-1']],
    ['of another system', 'Patient?identifier=urn:other|A', []],
    ['without a system, where there is one', 'Patient?identifier=|A', []],
    ['another token beside it', 'Patient?identifier=urn:test|A&active=true', ['p-1']],
    ['another token that does not hold', 'Patient?identifier=urn:test|B&active=false', []],
    ['both of two identifiers', 'Patient?identifier=urn:test|A&identifier=urn:test|B', ['p-1']],
    ['what is deleted', 'Patient?identifier=urn:test|gone', []],
    ['a clinical row by system and value', 'Observation?identifier=urn:test|R2', ['b-1']],
    ['clinical rows by value alone', 'Observation?identifier=R1', ['b-1', 'b-2']],
    ['a clinical row of another system', 'Observation?identifier=urn:other|R1', []],
  ];

  for (const [title, query, ids] of rows) {
    it(`${title}: ${query}`, async () => assert.deepEqual(await find([query]), [ids]));
  }

  it('all of them at once, in their order, the same one twice', async () => {
    const asked = [...rows, ...rows];
    assert.deepEqual(
      await find(asked.map(([, query]) => query)),
      asked.map(([, , ids]) => ids),
    );
  });

  it('nothing asked: nothing', async () => assert.deepEqual(await find([]), []));

  it('no more than the limit of each', async () => {
    const found = await find(['Patient?identifier=A', 'Observation?identifier=R1', 'Patient?identifier=B'], all, 1);
    assert.deepEqual(
      found.map(({ length }) => length),
      [1, 1, 1],
    );
  });

  it('a hidden row is no match (LEAKS 23)', async () => {
    const visible = new Visibility(
      (alias) => sql`${raw(alias)}.id <> all(${['p-1', 'b-1']}::text[])`,
      () => raw(`'source'::text`),
    );
    const found = await find(['Patient?identifier=A', 'Patient?identifier=B', 'Observation?identifier=R1'], visible);
    assert.deepEqual(found, [['p-2'], [], ['b-2']]);
  });

  const served: readonly (readonly [query: string, isServed: boolean])[] = [
    ['Patient?identifier=urn:test|A', true],
    ['Patient?identifier=urn:test|A&active=true', true],
    ['Patient?active=true', false],
    ['Patient?identifier=A,B', false],
    ['Patient?identifier=urn:test|', false],
    ['Patient?identifier:not=A', false],
    ['Patient?identifier=A&_id=p-1', false],
    ['Patient?identifier=A&birthdate=2000', false],
    ['Observation?patient.identifier=A', false],
  ];
  for (const [query, isServed] of served) {
    it(`${query} is ${isServed ? '' : 'not '}served so`, () => assert.equal(isByIdentifier(asks(query)), isServed));
  }
});
