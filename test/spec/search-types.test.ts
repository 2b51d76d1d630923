/** FHIR R4 4.0.1, search.html#searchall and compartmentdefinition.html: several types at once, and compartments. */
import assert from 'node:assert/strict';
import { raw, sql } from '../../src/db/sql.ts';
import { compartmentDefinition, compartmentTypes } from '../../src/fhir/definitions.ts';
import { searchParam } from '../../src/fhir/params.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { parseSearch, parseSearchOfTypes, type SearchRequest } from '../../src/fhir/search.ts';
import { resourceTypes, type AnyResource } from '../../src/fhir/types.ts';
import { patientsNamed } from '../../src/store/search.ts';
import { selectPage, type Page, type SelectOptions } from '../../src/store/select.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';
import { at, base, givenSearchWorld, reference, resource, type SearchWorld } from './world.ts';

const tag = { meta: { tag: [{ system: 'urn:t', code: 'blue' }] } };
const resources = [
  resource('Organization/acme', { name: 'Acme', ...tag }),
  resource('Practitioner/joe', { name: [{ family: 'Joe' }] }),
  resource('Patient/a', { name: [{ family: 'A' }], generalPractitioner: [reference('Practitioner/joe')] }),
  resource('Patient/a2', { name: [{ family: 'A' }] }),
  resource('Patient/b', {
    name: [{ family: 'B' }],
    link: [{ other: reference('Patient/a'), type: 'seealso' }],
    ...tag,
  }),
  resource('RelatedPerson/mum', { patient: reference('Patient/b') }),
  resource('Device/scale', { patient: reference('Patient/a') }),
  resource('Encounter/same', { subject: reference('Patient/a'), period: { start: '2026-01-01', end: '2026-01-02' } }),
  resource('Encounter/eb', { subject: reference('Patient/b'), period: { start: '2026-01-03', end: '2026-01-03' } }),
  resource('Observation/same', {
    subject: reference('Patient/a'),
    encounter: reference('Encounter/same'),
    effectiveDateTime: '2026-01-02',
    ...tag,
  }),
  resource('Observation/o2', { subject: reference('Patient/a2'), effectiveDateTime: '2026-01-05' }),
  // About b, by a: in the compartments of both.
  resource('Observation/of-b', {
    subject: reference('Patient/b'),
    performer: [reference('Patient/a'), reference('RelatedPerson/mum')],
    effectiveDateTime: '2026-01-04',
  }),
  // In a's record by an extension alone, which makes nothing a member.
  resource('Observation/aside', { extension: [{ url: 'urn:x', valueReference: reference('Patient/a') }] }),
  resource('Condition/c', { subject: reference('Patient/a'), encounter: reference('Encounter/same') }),
  resource('DiagnosticReport/d', {
    subject: reference('Patient/a'),
    encounter: reference('Encounter/same'),
    result: [reference('Observation/same')],
  }),
];

const options = { handling: 'strict', base, now: at.getTime() } as const;
const unserved = new Set(['AuditEvent']);
const seal = { key: new Uint8Array(32).fill(7), boundTo: '' };
const all = everything('test');

/** `Type/id`s of a path: `?_type=...`, `Patient/a/*?...`, `Patient/a/Observation?...`. */
function read(path: string, handling: 'strict' | 'lenient' = 'strict'): SearchRequest {
  const [address = '', query = ''] = path.split('?');
  const [type, id, member] = address.split('/');
  const compartment = type && id ? { type, id } : undefined;
  return member === undefined || member === '*'
    ? parseSearchOfTypes(query, { ...options, handling, unserved }, compartment)
    : parseSearch(member, query, { ...options, handling }, compartment);
}

describe('search over several types, and in compartments', () => {
  let world: SearchWorld;
  before(async () => {
    world = await givenSearchWorld(resources);
  });
  after(() => world.close());

  const find = (path: string, more: Partial<SelectOptions> = {}, visible = all): Promise<Page> =>
    selectPage(world.database, visible, read(path), { seal, ...more });
  const found = async (...args: Parameters<typeof find>): Promise<string> =>
    (await find(...args)).rows
      .map(({ type, id }) => `${type}/${id}`)
      .toSorted()
      .join(' ');

  const table: [title: string, path: string, found: string][] = [
    ['two types', '?_type=Patient,Organization', 'Organization/acme Patient/a Patient/a2 Patient/b'],
    [
      'a parameter of every type',
      '?_type=Patient,Organization,Observation&_tag=blue',
      'Observation/same Organization/acme Patient/b',
    ],
    ['the same id in two types', '?_type=Encounter,Observation&_id=same', 'Encounter/same Observation/same'],
    ['an id needs no types', '?_id=same', 'Encounter/same Observation/same'],
    ['ids', '?_id=same,joe,nobody', 'Encounter/same Observation/same Practitioner/joe'],
    ['_lastUpdated', '?_type=Patient&_lastUpdated=gt2026-03-02', ''],
    [
      'a parameter that each of the types has',
      '?_type=Encounter,Observation&patient=a',
      'Encounter/same Observation/same',
    ],
    [
      'of two patients',
      '?_type=Encounter,Observation&patient=a,b',
      'Encounter/eb Encounter/same Observation/of-b Observation/same',
    ],
    [
      'with dates of their own',
      '?_type=Encounter,Observation&date=ge2026-01-03',
      'Encounter/eb Observation/o2 Observation/of-b',
    ],
    ['chains', '?_type=Encounter,Observation&patient.name=b', 'Encounter/eb Observation/of-b'],
    ['_has', '?_type=Device,Patient&_has:Observation:subject:status=final', 'Patient/a Patient/a2 Patient/b'],
    [
      'a chain in one, an index in the other',
      '?_type=Observation,DiagnosticReport&encounter._id=same',
      'DiagnosticReport/d Observation/same',
    ],
    ['the compartment of a patient, one type', 'Patient/a/Observation', 'Observation/of-b Observation/same'],
    ['with more parameters', 'Patient/a/Observation?_tag=blue', 'Observation/same'],
    ['with a chain', 'Patient/a/Observation?encounter.class=IMP', 'Observation/same'],
    ['another type', 'Patient/a/Condition', 'Condition/c'],
    ['the patient is of their own record, and who is linked to them', 'Patient/a/Patient', 'Patient/a Patient/b'],
    [
      'all types',
      'Patient/a/*',
      'Condition/c DiagnosticReport/d Encounter/same Observation/of-b Observation/same Patient/a Patient/b',
    ],
    ['some types', 'Patient/a/*?_type=Condition,Encounter,Organization', 'Condition/c Encounter/same'],
    ['all types, a parameter of all', 'Patient/b/*?_tag=blue', 'Patient/b'],
    ['an unknown patient', 'Patient/nobody/*', ''],
    ['an encounter', 'Encounter/same/*', 'Condition/c DiagnosticReport/d Encounter/same Observation/same'],
    ['an encounter, one type', 'Encounter/same/Condition', 'Condition/c'],
    ['a practitioner', 'Practitioner/joe/*', 'Patient/a Practitioner/joe'],
    ['a related person', 'RelatedPerson/mum/Observation', 'Observation/of-b'],
    ['a device', 'Device/scale/*', ''],
  ];
  for (const [title, path, expected] of table) {
    it(`${title}: ${path} -> ${expected || 'nothing'}`, async () => {
      assert.equal(await found(path), expected);
      const count = expected === '' ? 0 : expected.split(' ').length;
      const mark = path.includes('?') ? '&' : '?';
      assert.equal((await find(`${path}${mark}_total=accurate`)).total, count);
      assert.equal((await find(`${path}${mark}_count=0`)).total, count);
    });
  }

  for (const path of [
    '?_type=Patient,Organization,Observation,Encounter',
    '?_type=Encounter,Observation&patient=a,b',
    '?_type=Encounter,Observation&_sort=-date',
    '?_type=Encounter,Observation&_sort=date',
    '?_id=same',
    'Patient/a/*',
    'Patient/a/Observation',
  ]) {
    it(`pages one by one give the same, in the same order: ${path}`, async () => {
      const whole = (await find(path)).rows.map(({ type, id }) => `${type}/${id}`);
      const paged: string[] = [];
      let cursor = '';
      do {
        const { rows, next = '' } = await find(
          `${path}${path.includes('?') ? '&' : '?'}_count=1${cursor && `&_cursor=${cursor}`}`,
        );
        paged.push(...rows.map(({ type, id }) => `${type}/${id}`));
        cursor = next;
      } while (cursor !== '' && paged.length <= whole.length);
      assert.deepEqual(paged, whole);
    });
  }

  it('_sort by a date that each type has', async () => {
    const { rows } = await find('?_type=Encounter,Observation&_sort=-date');
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['o2', 'of-b', 'eb', 'same', 'same', 'aside'],
    );
  });

  it('a person is one: the records of a linked patient are of the compartment', async () => {
    const aliases = new Map([['a', ['a', 'a2']]]);
    assert.deepEqual(patientsNamed(read('Patient/a/*')), ['a']);
    assert.deepEqual(patientsNamed(read('Patient/a/Observation')), ['a']);
    assert.equal(await found('Patient/a/Observation', { aliases }), 'Observation/o2 Observation/of-b Observation/same');
  });

  it('modifiers of terminology are asked of it for each type', () =>
    assert.rejects(
      found('?_type=Encounter,Observation&_tag:below=urn:t|blue'),
      (error) => error instanceof Problem && error.expression?.[0] === '_tag:below',
    ));

  it('within: a caller who is bound to a record finds nothing outside of it', async () => {
    assert.equal(await found('?_type=Encounter,Observation', { within: ['b'] }), 'Encounter/eb Observation/of-b');
    assert.equal(await found('Patient/a/*', { within: ['b'] }), 'Observation/of-b Patient/b');
    assert.equal(await found('?_id=same', { within: ['b'] }), '');
  });

  it('hidden rows are in no page and no total', async () => {
    const visible = new Visibility(
      (alias) => sql`${raw(alias)}.id <> 'same'`,
      () => raw(`'source'::text`),
    );
    const page = await find('Patient/a/*?_total=accurate', {}, visible);
    assert.equal(page.total, 5);
    assert.equal(await found('?_id=same', {}, visible), '');
  });

  const refused: [path: string, code: string][] = [
    ['?', 'too-costly'],
    ['?_tag=blue', 'too-costly'],
    ['?_id=', 'too-costly'],
    ['?_id:not=a', 'too-costly'],
    ['?_type=Nothing', 'value'],
    ['?_type=Patient&_type=Observation', 'invalid'],
    ['?_type=AuditEvent,Patient', 'not-supported'],
    ['?_type=Patient,Observation&name=x', 'not-supported'],
    ['?_type=Patient,Observation&_sort=name', 'not-supported'],
    ['?_type=Observation,Patient&_sort=code', 'not-supported'],
    [
      `?_type=${resourceTypes
        .filter((type) => !unserved.has(type))
        .slice(0, 17)
        .join(',')}&identifier=x`,
      'too-costly',
    ],
    ['Organization/acme/*', 'not-supported'],
    ['Organization/acme/Patient', 'not-supported'],
    ['Patient/a/Organization', 'not-supported'],
    ['Patient/a/*?_type=Organization', 'value'],
    ['Patient/a_b/Observation', 'value'],
    ['Patient/a/Observation?_type=Observation', 'not-supported'],
  ];
  for (const [path, code] of refused) {
    it(`${path.slice(0, 60)} is refused: ${code}`, () => {
      assert.throws(
        () => read(path),
        (error) => error instanceof Problem && error.code === code,
      );
    });
  }

  it('lenient: what one of the types does not know is ignored, and named once', async () => {
    const { branches, issues, parameters } = read('?_type=Patient,Observation,Encounter&name=x&_tag=blue', 'lenient');
    assert.deepEqual(
      branches?.map(({ filters }) => filters.map(({ kind }) => kind)),
      [['token'], ['token'], ['token']],
    );
    assert.equal(issues.length, 1);
    assert.deepEqual(parameters, [
      ['_type', 'Patient,Observation,Encounter'],
      ['_tag', 'blue'],
    ]);
  });

  for (const path of [
    '?_type=Encounter,Observation&_tag=paged',
    '?_type=Encounter,Observation&_sort=date&patient.family=paging',
    'Patient/paging/*?_tag=paged',
  ]) {
    it(`paging while rows come and go: each that stays is shown once: ${path}`, async () => {
      const row = (kind: string, n: number): AnyResource =>
        resource(`${kind}/${kind.toLowerCase()}-${n}`, {
          subject: reference('Patient/paging'),
          meta: { tag: [{ code: 'paged' }] },
          ...(kind === 'Encounter'
            ? { period: { start: `2026-02-${10 + (n % 5)}` } }
            : { effectiveDateTime: `2026-02-${10 + (n % 5)}` }),
        });
      const both = (n: number): AnyResource[] => [row('Encounter', n), row('Observation', n)];
      const setDeleted = (ids: readonly string[], isDeleted: boolean) =>
        world.database.query(sql`update resource set is_deleted = ${isDeleted} where id = any(${ids}::text[])`);
      await world.write(
        resource('Patient/paging', { name: [{ family: 'Paging' }] }),
        ...Array.from({ length: 9 }, (_, n) => both(n)).flat(),
      );
      await setDeleted(['encounter-3', 'observation-5'], false);
      const seen: string[] = [];
      let cursor = '';
      for (let page = 0; page === 0 || cursor !== ''; page++) {
        const { rows, next = '' } = await find(`${path}&_count=4${cursor && `&_cursor=${cursor}`}`);
        seen.push(...rows.map(({ id }) => id));
        cursor = next;
        await setDeleted(page === 1 ? ['encounter-3'] : ['observation-5'], true);
        await world.write(...both(100 + page));
      }
      const stayed = Array.from({ length: 9 }, (_, n) => both(n).map(({ id }) => id as string))
        .flat()
        .filter((id) => id !== 'encounter-3' && id !== 'observation-5');
      assert.deepEqual(
        stayed.map((id) => seen.filter((one) => one === id).length),
        stayed.map(() => 1),
      );
      assert.equal(new Set(seen).size, seen.length);
    });
  }

  it('lenient: an order that one of the types does not know is none, and named once', () => {
    const { branches, issues } = read(
      '?_type=Observation,Patient,Encounter&_sort=name,-_lastUpdated&patient=a',
      'lenient',
    );
    assert.deepEqual(
      branches?.map(({ sort }) => sort.map(({ param }) => param.code)),
      [['_lastUpdated'], ['_lastUpdated'], ['_lastUpdated']],
    );
    assert.deepEqual(
      issues.map(({ expression }) => expression?.join()),
      ['patient', '_sort:name'],
    );
  });

  describe('compartment definitions', () => {
    for (const type of compartmentTypes) {
      it(`${type}: every parameter is a reference of its type that may name one`, () => {
        for (const [member, codes] of Object.entries(compartmentDefinition(type) ?? {})) {
          for (const code of codes.filter((name) => name !== '{def}')) {
            const param = searchParam(member, code);
            assert.equal(param?.type, 'reference', `${member}.${code}`);
            assert.ok(param.target?.includes(type) ?? true, `${member}.${code} -> ${type}`);
          }
        }
      });
    }
  });
});
