/** FHIR R4 4.0.1, search.html#revinclude: what the matches bring with them. */
import assert from 'node:assert/strict';
import { raw, sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { includedMax, selectIncluded, stepsMax } from '../../src/store/search/include.ts';
import { everything, Visibility } from '../../src/store/visibility.ts';
import { givenSearchWorld, reference, request, resource, type SearchWorld } from './world.ts';

const all = everything('test');
const place = (id: string, partOf?: string) =>
  resource(`Location/${id}`, partOf === undefined ? {} : { partOf: reference(`Location/${partOf}`) });
const far = Array.from({ length: stepsMax + 3 }, (_, at) => at);

const resources = [
  resource('Organization/acme', { name: 'Acme', partOf: reference('Organization/region') }),
  resource('Organization/region', { name: 'Region' }),
  resource('Practitioner/joe', { name: [{ family: 'Joe' }] }),
  resource('Patient/a', {
    managingOrganization: reference('Organization/acme'),
    generalPractitioner: [reference('Practitioner/joe')],
    link: [{ other: reference('Patient/b'), type: 'seealso' }],
  }),
  resource('Patient/b', { link: [{ other: reference('Patient/a'), type: 'seealso' }] }),
  resource('Encounter/e1', {
    subject: reference('Patient/a'),
    participant: [{ individual: reference('Practitioner/joe') }],
    serviceProvider: reference('Organization/acme'),
  }),
  resource('Encounter/e2', { subject: reference('Patient/b') }),
  resource('Observation/o1', {
    subject: reference('Patient/a'),
    encounter: reference('Encounter/e1'),
    performer: [reference('Practitioner/joe'), reference('Organization/acme')],
  }),
  resource('Observation/o2', { subject: reference('Patient/a'), encounter: reference('Encounter/e1') }),
  resource('Observation/o3', {
    subject: reference('Patient/b'),
    encounter: reference('Encounter/e2'),
    hasMember: [reference('Observation/o1')],
    // No search parameter stands on an extension.
    extension: [{ url: 'urn:x', valueReference: reference('Location/ward') }],
  }),
  resource('Observation/dangling', {
    subject: reference('Patient/a'),
    encounter: reference('Encounter/nowhere'),
    performer: [reference('http://x.example/Patient/a')],
  }),
  resource('Provenance/v1', {
    target: [reference('Observation/o1'), reference('Observation/o2')],
    recorded: '2026-01-01T00:00:00Z',
    agent: [{ who: reference('Practitioner/joe') }],
  }),
  resource('Provenance/v2', {
    target: [reference('Provenance/v1')],
    recorded: '2026-01-01T00:00:00Z',
    agent: [{ who: reference('Practitioner/joe') }],
  }),
  place('site'),
  place('house', 'site'),
  place('ward', 'house'),
  ...far.map((at) => place(`far-${String(at).padStart(2, '0')}`, `far-${String(at + 1).padStart(2, '0')}`)),
];

describe('included resources (FHIR R4 search.html#revinclude)', () => {
  let world: SearchWorld;
  before(async () => {
    world = await givenSearchWorld(resources);
  });
  after(() => world.close());

  const table: [title: string, type: string, query: string, included: string][] = [
    ['the target of a reference', 'Observation', '_id=o1&_include=Observation:encounter', 'Encounter/e1'],
    ['of two matches, once', 'Observation', '_id=o1,o2&_include=Observation:encounter', 'Encounter/e1'],
    ['each match its own', 'Observation', '_id=o1,o3&_include=Observation:encounter', 'Encounter/e1 Encounter/e2'],
    [
      'several targets of one',
      'Observation',
      '_id=o1&_include=Observation:performer',
      'Organization/acme Practitioner/joe',
    ],
    ['a target type', 'Observation', '_id=o1&_include=Observation:performer:Practitioner', 'Practitioner/joe'],
    ['a target type that is none of its targets', 'Observation', '_id=o1&_include=Observation:subject:Group', ''],
    ['a parameter of one target type', 'Observation', '_id=o1&_include=Observation:patient', 'Patient/a'],
    [
      'two includes',
      'Observation',
      '_id=o1&_include=Observation:patient&_include=Observation:encounter',
      'Encounter/e1 Patient/a',
    ],
    ['of another type than the matches', 'Observation', '_id=o1&_include=Encounter:participant', ''],
    [
      'not over what was included',
      'Observation',
      '_id=o1&_include=Observation:encounter&_include=Encounter:patient',
      'Encounter/e1',
    ],
    ['what does not exist', 'Observation', '_id=dangling&_include=Observation:encounter', ''],
    ['what another server has', 'Observation', '_id=dangling&_include=Observation:performer', ''],
    ['a match is not included again', 'Observation', '_id=o1,o3&_include=Observation:has-member', ''],
    [
      '* is every reference parameter',
      'Observation',
      '_id=o1&_include=*',
      'Encounter/e1 Organization/acme Patient/a Practitioner/joe',
    ],
    ['* knows no extension', 'Observation', '_id=o3&_include=*', 'Encounter/e2 Observation/o1 Patient/b'],
    ['Type:* likewise', 'Observation', '_id=o3&_include=Observation:*', 'Encounter/e2 Observation/o1 Patient/b'],
    ['Type:*:Target', 'Observation', '_id=o3&_include=Observation:*:Patient', 'Patient/b'],
    ['what refers to a match', 'Observation', '_id=o1&_revinclude=Provenance:target', 'Provenance/v1'],
    ['to two of them, once', 'Observation', '_id=o1,o2&_revinclude=Provenance:target', 'Provenance/v1'],
    ['to none', 'Observation', '_id=o3&_revinclude=Provenance:target', ''],
    [
      'what refers to a patient',
      'Patient',
      '_id=a&_revinclude=Observation:patient',
      'Observation/dangling Observation/o1 Observation/o2',
    ],
    ['by another parameter', 'Patient', '_id=a&_revinclude=Observation:performer', ''],
    [
      'what refers to an encounter',
      'Encounter',
      '_revinclude=Observation:encounter',
      'Observation/o1 Observation/o2 Observation/o3',
    ],
    ['any reference of a type', 'Encounter', '_id=e1&_revinclude=Observation:*', 'Observation/o1 Observation/o2'],
    ['a target type of a reverse include', 'Encounter', '_id=e1&_revinclude=Provenance:target:Observation', ''],
    [
      'both',
      'Encounter',
      '_id=e2&_include=Encounter:patient&_revinclude=Observation:encounter',
      'Observation/o3 Patient/b',
    ],
    ['_count=0 includes nothing', 'Observation', '_count=0&_include=*', ''],
  ];
  for (const [title, type, query, included] of table) {
    it(`${title}: ${type}?${query} -> ${included || 'nothing'}`, async () =>
      assert.equal((await world.included(type, query)).join(' '), included));
  }

  describe(':iterate', () => {
    const iterated: [title: string, type: string, query: string, included: string][] = [
      [
        'over what was included',
        'Observation',
        '_id=o1&_include=Observation:encounter&_include:iterate=Encounter:service-provider&_include:iterate=Organization:partof',
        'Encounter/e1 Organization/acme Organization/region',
      ],
      ['over itself', 'Location', '_id=ward&_include:iterate=Location:partof', 'Location/house Location/site'],
      ['without it one step', 'Location', '_id=ward&_include=Location:partof', 'Location/house'],
      [
        ':recurse is its old name',
        'Location',
        '_id=ward&_include:recurse=Location:partof',
        'Location/house Location/site',
      ],
      ['references in a circle come to an end', 'Patient', '_id=a&_include:iterate=Patient:link', 'Patient/b'],
      ['backwards', 'Location', '_id=site&_revinclude:iterate=Location:partof', 'Location/house Location/ward'],
      [
        'both ways',
        'Encounter',
        '_id=e1&_revinclude=Observation:encounter&_revinclude:iterate=Provenance:target',
        'Observation/o1 Observation/o2 Provenance/v1 Provenance/v2',
      ],
    ];
    for (const [title, type, query, included] of iterated) {
      it(`${title}: ${type}?${query} -> ${included}`, async () =>
        assert.equal((await world.included(type, query)).join(' '), included));
    }

    it('a path longer than the bound is cut, and said to be', async () => {
      const query = '_id=far-00&_include:iterate=Location:partof';
      const { rows } = await world.find('Location', query);
      const found = await selectIncluded(world.database, () => all, rows, request('Location', query).includes);
      assert.deepEqual([found.rows.length, found.isCut], [stepsMax, true]);
    });
  });

  it('each page brings what its own matches refer to', async () => {
    const pages: string[] = [];
    let cursor = '';
    do {
      const query = `_sort=_id&_count=2&_include=Observation:encounter${cursor && `&_cursor=${cursor}`}`;
      const { rows, next = '' } = await world.find('Observation', query);
      const found = await selectIncluded(world.database, () => all, rows, request('Observation', query).includes);
      pages.push([...rows, ...found.rows].map(({ id }) => id).join(' '));
      cursor = next;
    } while (cursor !== '');
    assert.deepEqual(pages, ['dangling o1 e1', 'o2 o3 e1 e2']);
  });

  it('more than the bound is cut, and said to be', async () => {
    const ids = Array.from({ length: includedMax + 1 }, (_, at) => `many-${at}`);
    await world.write(
      resource('Patient/many'),
      ...ids.map((id) => resource(`Observation/${id}`, { subject: reference('Patient/many') })),
    );
    const query = '_id=many&_revinclude=Observation:patient';
    const { rows } = await world.find('Patient', query);
    const { includes } = request('Patient', query);
    const cut = await selectIncluded(world.database, () => all, rows, includes);
    assert.deepEqual([cut.rows.length, cut.isCut], [includedMax, true]);
    const visible = new Visibility(
      (alias) => sql`${raw(alias)}.id <> 'many-1'`,
      () => raw(`'source'::text`),
    );
    // LEAKS 4: what is hidden does not count.
    const whole = await selectIncluded(world.database, () => visible, rows, includes);
    assert.deepEqual([whole.rows.length, whole.isCut], [includedMax, false]);
  });

  describe('visibility: a reference to a hidden resource leaves nothing (LEAKS 1)', () => {
    const hidden: [type: string, query: string, hide: string, included: string][] = [
      ['Observation', '_id=o1&_include=*', 'e1', 'Organization/acme Patient/a Practitioner/joe'],
      ['Observation', '_id=o1&_revinclude=Provenance:target', 'v1', ''],
      ['Location', '_id=ward&_include:iterate=Location:partof', 'house', ''],
      [
        'Encounter',
        '_id=e1&_revinclude=Observation:encounter&_revinclude:iterate=Provenance:target',
        'o1',
        'Observation/o2 Provenance/v1 Provenance/v2',
      ],
    ];
    for (const [type, query, hide, included] of hidden) {
      it(`${type}?${query} without ${hide}`, async () => {
        const visible = new Visibility(
          (alias) => sql`${raw(alias)}.id <> ${hide}`,
          () => raw(`'source'::text`),
        );
        assert.equal((await world.included(type, query, () => visible)).join(' '), included);
      });
    }

    it('the types that may be shown are asked for: no others are opened', async () => {
      const asked: string[][] = [];
      await world.included(
        'Observation',
        '_id=o1&_include=Observation:encounter&_revinclude=Provenance:target',
        (types) => {
          asked.push(types.toSorted());
          return all;
        },
      );
      assert.deepEqual(asked, [['Encounter', 'EpisodeOfCare', 'Provenance']]);
    });
  });

  const refused: [query: string, code: string][] = [
    ['_include=Observation', 'invalid'],
    ['_include=Observation:', 'invalid'],
    ['_include=Observation:subject:Patient:x', 'invalid'],
    ['_include=Nothing:subject', 'invalid'],
    ['_include=Observation:subject:Nothing', 'invalid'],
    ['_include=Observation:status', 'invalid'],
    ['_include=Observation:nothing', 'not-supported'],
    ['_include:missing=Observation:subject', 'not-supported'],
    ['_revinclude=*', 'too-costly'],
    ['_include=*&_summary=text', 'invalid'],
    [Array.from({ length: 33 }, () => '_include=*').join('&'), 'too-costly'],
  ];
  for (const [query, code] of refused) {
    it(`${query.slice(0, 60)} is refused: ${code}`, () => {
      assert.throws(
        () => request('Observation', query),
        (error) => error instanceof Problem && error.code === code,
      );
    });
  }
});
