/** FHIR R4 4.0.1, search.html#has and search.html#list: resources by what refers to them. */
import assert from 'node:assert/strict';
import { raw, sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { typeCode } from '../../src/fhir/types.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';
import { givenSearchWorld, reference, request, resource, type SearchWorld } from './world.ts';

const loinc = (code: string) => ({ code: { coding: [{ system: 'http://loinc.org', code }] } });

const resources = [
  resource('Organization/acme', { name: 'Acme' }),
  resource('Practitioner/joe', { name: [{ family: 'Joe' }] }),
  resource('Practitioner/ann', { name: [{ family: 'Ann' }] }),
  resource('Patient/a', { name: [{ family: 'A' }], managingOrganization: reference('Organization/acme') }),
  resource('Patient/b', { name: [{ family: 'B' }] }),
  resource('Patient/c', { name: [{ family: 'C' }] }),
  resource('Encounter/ea', { subject: reference('Patient/a') }),
  resource('Encounter/eb', { subject: reference('Patient/b') }),
  resource('Observation/o1', {
    subject: reference('Patient/a'),
    encounter: reference('Encounter/ea'),
    ...loinc('1234-5'),
  }),
  resource('Observation/o2', {
    subject: reference('Patient/a'),
    encounter: reference('Encounter/ea'),
    ...loinc('1234-5'),
  }),
  resource('Observation/o3', {
    subject: reference('Patient/b'),
    encounter: reference('Encounter/eb'),
    performer: [reference('Practitioner/joe')],
    ...loinc('9-9'),
  }),
  // About somebody else: c performed it, which is no reference by `patient`.
  resource('Observation/o4', {
    subject: reference('Patient/b'),
    performer: [reference('Patient/c')],
    ...loinc('1234-5'),
  }),
  resource('Provenance/v1', {
    target: [reference('Observation/o1')],
    recorded: '2026-01-01T00:00:00Z',
    agent: [{ who: reference('Practitioner/joe') }],
  }),
  resource('Group/102', { member: [{ entity: reference('Patient/a') }, { entity: reference('Patient/c') }] }),
  resource('List/42', { entry: [{ item: reference('Observation/o1') }, { item: reference('Patient/b') }] }),
  resource('List/43', { entry: [{ item: reference('Observation/o3') }] }),
];

describe('reverse chaining (FHIR R4 search.html#has)', () => {
  let world: SearchWorld;
  before(async () => {
    world = await givenSearchWorld(resources);
  });
  after(() => world.close());

  const table: [title: string, type: string, query: string, ids: string[]][] = [
    ['the first example; two observations, one patient', 'Patient', '_has:Observation:patient:code=1234-5', ['a', 'b']],
    ['with a system', 'Patient', '_has:Observation:patient:code=http://loinc.org|9-9', ['b']],
    ['no such code', 'Patient', '_has:Observation:patient:code=0-0', []],
    ['alternatives', 'Patient', '_has:Observation:patient:code=0-0,9-9', ['b']],
    ['or as an OR list', 'Patient', '_has:Observation:patient:code=1234-5,9-9', ['a', 'b']],
    ['and as two', 'Patient', '_has:Observation:patient:code=1234-5&_has:Observation:patient:code=9-9', ['b']],
    ['another reference of it', 'Patient', '_has:Observation:performer:code=1234-5', ['c']],
    ['of one patient', 'Patient', '_id=a&_has:Observation:patient:code=1234-5', ['a']],
    ['of another', 'Patient', '_id=c&_has:Observation:patient:code=1234-5', []],
    ['beside an index', 'Patient', 'family=b&_has:Observation:patient:code=9-9', ['b']],
    ['a modifier at the end', 'Patient', '_has:Observation:patient:code:not=1234-5', ['b']],
    [':missing at the end', 'Patient', '_has:Observation:patient:encounter:missing=true', ['b']],
    ['nested', 'Patient', '_has:Observation:patient:_has:Provenance:target:agent=Practitioner/joe', ['a']],
    ['nested, another', 'Patient', '_has:Observation:patient:_has:Provenance:target:agent=Practitioner/ann', []],
    ['a chain inside', 'Patient', '_has:Observation:patient:performer:Practitioner.name=joe', ['b']],
    ['a chain of two inside', 'Encounter', '_has:Observation:encounter:patient.organization.name=acme', ['ea']],
    ['to no patient', 'Encounter', '_has:Observation:encounter:code=9-9', ['eb']],
    ['of a compartment', 'Encounter', 'patient=a&_has:Observation:encounter:code=1234-5', ['ea']],
    ['of a compartment, not', 'Encounter', 'patient=b&_has:Observation:encounter:code=1234-5', []],
    ['outside of compartments', 'Practitioner', '_has:Observation:performer:code=9-9', ['joe']],
    ['inside a chain', 'Encounter', 'patient._has:Group:member:_id=102', ['ea']],
    ['inside a chain, within a compartment', 'Encounter', 'patient=b&patient._has:Group:member:_id=102', []],
    ['members of a group', 'Patient', '_has:Group:member:_id=102', ['a', 'c']],
    ['_list', 'Observation', '_list=42', ['o1']],
    ['_list, several', 'Observation', '_list=42,43', ['o1', 'o3']],
    ['_list, of another type', 'Patient', '_list=42', ['b']],
    ['_list with more', 'Observation', 'patient=b&_list=43', ['o3']],
    ['_list, unknown', 'Observation', '_list=44', []],
  ];
  for (const [title, type, query, ids] of table) {
    it(`${title}: ${type}?${query} -> ${ids.join(' ') || 'nothing'}`, async () => {
      assert.deepEqual(await world.ids(type, query), ids);
      assert.equal((await world.find(type, `${query}&_total=accurate`)).total, ids.length);
      assert.equal((await world.find(type, `${query}&_count=0`)).total, ids.length);
    });
  }

  it('asked of each row alone, every search says the same: looked up from the row, or gathered from the far end', async () => {
    for (const [, type, query, ids] of table) {
      if (query.startsWith('_id=')) continue;
      const all = await world.database.query<{ id: string }>(
        sql`select id from resource where type = ${typeCode(type)} order by id`,
      );
      const found: string[] = [];
      for (const { id } of all) found.push(...(await world.ids(type, `_id=${id}&${query}`)));
      assert.deepEqual(found, ids, query);
    }
  });

  describe('visibility: a hidden resource refers to nothing (LEAKS 2, HAPI issue 6065)', () => {
    const hidden: [type: string, query: string, hide: string, ids: string[]][] = [
      ['Patient', '_has:Observation:patient:code=9-9', 'o3', []],
      ['Patient', '_id=b&_has:Observation:patient:code=9-9', 'o3', []],
      ['Encounter', '_has:Observation:encounter:code=9-9', 'o3', []],
      ['Encounter', 'patient=b&_has:Observation:encounter:code=9-9', 'o3', []],
      ['Patient', '_has:Observation:patient:_has:Provenance:target:agent=Practitioner/joe', 'v1', []],
      ['Patient', '_has:Observation:patient:_has:Provenance:target:agent=Practitioner/joe', 'o1', []],
      ['Observation', '_list=42', '42', []],
    ];
    for (const [type, query, hide, ids] of hidden) {
      it(`${type}?${query} without ${hide}`, async () => {
        const visible = new Visibility(
          (alias) => sql`${raw(alias)}.id <> ${hide}`,
          () => raw(`'source'::text`),
        );
        assert.notDeepEqual(await world.ids(type, query), ids);
        assert.deepEqual(await world.ids(type, query, { visibilityOf: () => visible }, everything('test')), ids);
      });
    }
  });

  const refused: [query: string, code: string][] = [
    ['_has:Observation:patient=x', 'invalid'],
    ['_has:Observation=x', 'invalid'],
    ['_has:Nothing:patient:code=x', 'invalid'],
    ['_has:Observation:status:code=x', 'invalid'],
    ['_has:Observation:encounter:code=x', 'invalid'],
    ['_has:Observation:nothing:code=x', 'not-supported'],
    ['_has:Observation:patient:nothing=x', 'not-supported'],
    ['_list=$current-problems', 'not-supported'],
    [`${'_has:Observation:patient:patient.'.repeat(4)}name=x`, 'too-costly'],
  ];
  for (const [query, code] of refused) {
    it(`Patient?${query} is refused: ${code}`, () => {
      assert.throws(
        () => request('Patient', query),
        (error) => error instanceof Problem && error.code === code,
      );
    });
  }
});
