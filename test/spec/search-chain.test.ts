/** FHIR R4 4.0.1, search.html#chaining: the specification's sentences and examples, with what must not match beside them. */
import assert from 'node:assert/strict';
import { raw, sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { typeCode } from '../../src/fhir/types.ts';
import { patientsNamed } from '../../src/store/search.ts';
import { compilePage } from '../../src/store/select.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';
import { givenSearchWorld, reference, request, resource, type SearchWorld } from './world.ts';

const organization = (id: string, name: string, partOf?: string) =>
  resource(`Organization/${id}`, { name, ...(partOf && { partOf: reference(partOf) }) });
const observation = (id: string, subject: string, elements: Record<string, unknown> = {}) =>
  resource(`Observation/${id}`, { subject: reference(subject), ...elements });
const loinc = (code: string) => ({ code: { coding: [{ system: 'http://loinc.org', code }] } });

const resources = [
  organization('region', 'Region'),
  organization('acme', 'Acme Clinics', 'Organization/region'),
  organization('other', 'Other'),
  resource('Practitioner/joe', { name: [{ family: 'Joe' }], address: [{ state: 'NY' }] }),
  resource('Practitioner/ann', { name: [{ family: 'Ann' }], address: [{ state: 'MN' }] }),
  resource('Patient/peter', {
    name: [{ family: 'Peters' }],
    birthDate: '1980-05-01',
    managingOrganization: reference('Organization/acme'),
    generalPractitioner: [reference('Practitioner/joe'), reference('Practitioner/ann')],
    identifier: [{ system: 'urn:mrn', value: '1' }],
  }),
  resource('Patient/paul', {
    name: [{ family: 'Paul' }],
    birthDate: '1990-05-01',
    managingOrganization: reference('Organization/other'),
    generalPractitioner: [reference('Practitioner/joe')],
    identifier: [{ system: 'urn:mrn', value: '2' }],
  }),
  resource('Location/peter-ward', { name: 'Peterward' }),
  resource('Encounter/in', { subject: reference('Patient/peter') }),
  resource('Encounter/out', {
    subject: reference('Patient/peter'),
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
  }),
  // Somebody else's visit: a reference need not stay within the compartment.
  resource('Encounter/of-paul', { subject: reference('Patient/paul') }),
  observation('o-in', 'Patient/peter', { encounter: reference('Encounter/in') }),
  observation('o-out', 'Patient/peter', { encounter: reference('Encounter/out'), ...loinc('2339-0') }),
  observation('o-far', 'Patient/peter', { encounter: reference('Encounter/of-paul') }),
  observation('o-paul', 'Patient/paul', { hasMember: [reference('Observation/o-in'), reference('Observation/o-out')] }),
  observation('o-ward', 'Location/peter-ward'),
  observation('o-versioned', 'Patient/paul', { encounter: reference('Encounter/in/_history/1') }),
  observation('o-elsewhere', 'Patient/paul', { encounter: reference('http://other.example/fhir/Encounter/in') }),
  resource('Group/g', { code: { text: 'cohort' } }),
  observation('o-group', 'Group/g'),
];

describe('chained parameters (FHIR R4 search.html#chaining)', () => {
  let world: SearchWorld;
  before(async () => {
    world = await givenSearchWorld(resources);
  });
  after(() => world.close());

  // Query, ids in any order; what must not match is not listed.
  const table: [title: string, type: string, query: string, ids: string[]][] = [
    ['subject.name over all target types', 'Observation', 'subject.name=peter', ['o-far', 'o-in', 'o-out', 'o-ward']],
    ['subject:Patient.name of one type', 'Observation', 'subject:Patient.name=peter', ['o-far', 'o-in', 'o-out']],
    ['subject:Location.name of another', 'Observation', 'subject:Location.name=peter', ['o-ward']],
    ['patient.name', 'Observation', 'patient.name=paul', ['o-elsewhere', 'o-paul', 'o-versioned']],
    ['patient.identifier', 'Observation', 'patient.identifier=urn:mrn|2', ['o-elsewhere', 'o-paul', 'o-versioned']],
    ['no such target', 'Observation', 'patient.name=nobody', []],
    ['two steps', 'Observation', 'patient.organization.name=acme', ['o-far', 'o-in', 'o-out']],
    ['three steps', 'Observation', 'patient.organization.partof.name=region', ['o-far', 'o-in', 'o-out']],
    ['three steps, none at the end', 'Observation', 'patient.organization.partof.name=acme', []],
    ['modifiers on the last', 'Observation', 'patient.name:exact=Paul', ['o-elsewhere', 'o-paul', 'o-versioned']],
    ['modifiers on the last', 'Observation', 'patient.name:exact=paul', []],
    ['prefixes on the last', 'Observation', 'patient.birthdate=lt1985', ['o-far', 'o-in', 'o-out']],
    ['alternatives', 'Observation', 'subject.name=ward,nobody,paul', ['o-elsewhere', 'o-paul', 'o-versioned']],
    ['encounter.class', 'Observation', 'encounter.class=IMP', ['o-far', 'o-in', 'o-versioned']],
    ['encounter.class, another', 'Observation', 'encounter.class=AMB', ['o-out']],
    [':not at the end is of the target', 'Observation', 'encounter.class:not=IMP', ['o-out']],
    ['through several targets, once', 'Observation', 'has-member.status=final', ['o-paul']],
    ['within a patient', 'Observation', 'patient=peter&encounter.class=IMP', ['o-far', 'o-in']],
    ['within a patient, target elsewhere', 'Observation', 'patient=peter&encounter.patient=paul', ['o-far']],
    ['within two patients', 'Observation', 'patient=peter,paul&encounter.class=IMP', ['o-far', 'o-in', 'o-versioned']],
    ['within a patient, two steps', 'Observation', 'patient=paul&has-member.encounter.class=AMB', ['o-paul']],
    ['beside an index', 'Observation', 'code=718-7&encounter.class=IMP', ['o-far', 'o-in', 'o-versioned']],
    ['beside an index', 'Observation', 'code=2339-0&encounter.class=IMP', []],
    ['beside an id', 'Observation', '_id=o-in,o-out&encounter.class=IMP', ['o-in']],
    ['to what is in no compartment', 'Observation', 'subject:Group._id=g', ['o-group']],
    ['a plain reference to it', 'Observation', 'subject=Group/g', ['o-group']],
    [
      'each is evaluated separately',
      'Patient',
      'general-practitioner.name=Joe&general-practitioner.address-state=MN',
      ['peter'],
    ],
    ['one alone', 'Patient', 'general-practitioner.name=Joe', ['paul', 'peter']],
    ['typed', 'Patient', 'general-practitioner:Practitioner.name=ann', ['peter']],
    ['typed otherwise', 'Patient', 'general-practitioner:Organization.name=ann', []],
    ['_lastUpdated of the target', 'Observation', 'encounter._lastUpdated=gt2026-03-02', []],
  ];
  for (const [title, type, query, ids] of table) {
    it(`${title}: ${type}?${query} -> ${ids.join(' ') || 'nothing'}`, async () => {
      assert.deepEqual(await world.ids(type, query), ids);
      assert.equal((await world.find(type, `${query}&_total=accurate`)).total, ids.length);
      assert.equal((await world.find(type, `${query}&_count=0`)).total, ids.length);
    });
  }

  it('a patient named at the end of a chain stands for all records of the person', async () => {
    const query = 'encounter.patient=paul';
    assert.deepEqual(patientsNamed(request('Observation', query)), ['paul']);
    assert.deepEqual(await world.ids('Observation', query), ['o-far']);
    const aliases = new Map([['paul', ['paul', 'peter']]]);
    assert.deepEqual(await world.ids('Observation', query, { aliases }), ['o-far', 'o-in', 'o-out', 'o-versioned']);
  });

  it('asked of each row alone, every search says the same: followed from the row, or gathered from the far end', async () => {
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

  it('within a patient the plan walks the record; across patients it begins at the identifier', async () => {
    const planOf = async (query: string): Promise<string> => {
      const parsed = request('Observation', query);
      const { statement } = compilePage(everything('plan'), parsed, { seal: { key: new Uint8Array(32), boundTo: '' } });
      const rows = await world.database.query<{ 'QUERY PLAN': string }>(sql`explain (costs off) ${statement}`);
      return rows.map((row) => row['QUERY PLAN']).join('\n');
    };
    assert.match(
      await planOf('patient=peter&encounter.class=IMP'),
      /Index Scan Backward using resource_patient on resource r\n +Index Cond: \(\(bucket = \d+\) AND \(patient = 'peter'::text\) AND \(type = /,
    );
    const gathered = await planOf('patient.identifier=urn:mrn|2&code=718-7');
    assert.match(gathered, /identifier_index_pkey/);
    assert.match(gathered, /resource_patient on resource r/);
  });

  it('pages one by one give every match once, in order', async () => {
    const query = 'subject.name=peter&_sort=_id';
    const seen: string[] = [];
    let cursor = '';
    do {
      const { rows, next = '' } = await world.find('Observation', `${query}&_count=1${cursor && `&_cursor=${cursor}`}`);
      seen.push(...rows.map(({ id }) => id));
      cursor = next;
    } while (cursor !== '');
    assert.deepEqual(seen, ['o-far', 'o-in', 'o-out', 'o-ward']);
  });

  describe('visibility (LEAKS 2)', () => {
    const hiding = (...hidden: string[]): Visibility =>
      new Visibility(
        (alias) => sql`${raw(alias)}.id <> all(${hidden}::text[])`,
        () => raw(`'source'::text`),
      );
    const all = everything('test');

    const hidden: [query: string, hide: string, ids: string[]][] = [
      ['patient.name=peter', 'peter', []],
      ['patient=peter&encounter.class=IMP', 'in', ['o-far']],
      ['encounter.class=IMP', 'in', ['o-far']],
      ['code=718-7&encounter.class=IMP', 'of-paul', ['o-in', 'o-versioned']],
      ['patient.organization.name=acme', 'acme', []],
      ['patient=peter&patient.organization.partof.name=region', 'region', []],
      ['patient.organization.partof.name=region', 'acme', []],
    ];
    for (const [query, hide, ids] of hidden) {
      it(`${query} does not lead through ${hide} when it is hidden`, async () => {
        const options = { visibilityOf: () => hiding(hide) };
        assert.deepEqual(await world.ids('Observation', query, options, all), ids);
        assert.equal((await world.find('Observation', `${query}&_count=0`, options, all)).total, ids.length);
      });
    }
  });

  const refused: [query: string, code: string][] = [
    ['status.name=x', 'invalid'],
    ['patient:Group.name=x', 'invalid'],
    ['patient:exact.name=x', 'invalid'],
    ['patient.nonsense=x', 'not-supported'],
    ['patient.=x', 'not-supported'],
    ['nonsense.name=x', 'not-supported'],
    ['patient.birthdate=x', 'value'],
    ['patient.name:exact:exact=x', 'invalid'],
    ['focus._id=x', 'too-costly'],
    ['part-of.part-of.nonsense=x', 'not-supported'],
    ['has-member.has-member.has-member.has-member.has-member.has-member.status=final', 'too-costly'],
  ];
  for (const [query, code] of refused) {
    it(`${query} is refused: ${code}`, () => {
      assert.throws(
        () => request('Observation', query),
        (error) => error instanceof Problem && error.code === code,
      );
    });
  }
});
