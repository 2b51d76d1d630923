/**
 * The patient's log by the search parameters of AuditEvent. Each answer is held against the whole log, filtered by what its events say.
 *
 * @see https://hl7.org/fhir/R4/auditevent.html#search
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { ai, givenLeakWorld, ofP, type LeakWorld } from '../leaks/world.ts';
import { resource } from './world.ts';

type Json = Record<string, any>; // eslint-disable-line typescript/no-explicit-any

const agents = (event: Json): string[] => event['agent'].flatMap(({ who }: Json) => who.reference ?? []);
const entities = (event: Json): string[] => (event['entity'] ?? []).flatMap(({ what }: Json) => what?.reference ?? []);
const subtypes = (event: Json): string[] => event['subtype'].map(({ code }: Json) => code);

describe('AuditEvent search', () => {
  let world: LeakWorld;
  let self: string;
  let whole: Json[];
  let consent: string;
  let middle: string;
  const events = async (query: string): Promise<Json[]> => {
    const { status, json, text } = await world.hub.send('GET', `AuditEvent?_count=1000&${query}`, self);
    assert.equal(status, 200, text);
    return (json['entry'] ?? []).map(({ resource: event }: Json) => event);
  };

  before(async () => {
    world = await givenLeakWorld();
    const { hub, tokens } = world;
    self = await world.token('patient', { fhirUser: 'Patient/p', patient: 'p' });
    await world.write([
      resource('Patient/p'),
      resource('Patient/q'),
      resource('Observation/o', ofP),
      resource('Encounter/e', ofP),
    ]);
    await hub.send('GET', 'Observation/o', tokens['a consented service']);
    consent = (await world.consent('p', ai)).json['id'] as string;
    middle = new Date().toISOString();
    await sleep(5);
    for (const path of ['Observation/o', 'Observation?patient=p', 'Patient/p/$everything', 'Encounter/e/$everything']) {
      await hub.send('GET', path, tokens['a consented service']);
    }
    await hub.send('GET', 'Observation/o', tokens['another hospital']);
    await hub.send('DELETE', 'Encounter/e', tokens['hospital']);
    await hub.send('GET', 'Observation?patient=q', tokens['a consented service']);
    // What is being asked is not in its own answer.
    whole = await events('date=lt2999');
    assert.ok(whole.length >= 10, String(whole.length));
  });
  after(() => world.close());

  const questions: readonly [string | (() => string), (event: Json) => boolean][] = [
    ['patient=Patient/p', () => true],
    ['patient=p', () => true],
    ['patient=Patient/q', () => false],
    [() => `date=lt${middle}`, (event) => event['recorded'] < middle],
    [() => `date=ge${middle}`, (event) => event['recorded'] >= middle],
    [() => `date=ge2020-01-01&date=lt${middle}`, (event) => event['recorded'] < middle],
    [() => `_lastUpdated=gt${middle}`, (event) => event['recorded'] > middle],
    ['date=2001', () => false],
    ['type=rest', (event) => event['type'].code === 'rest'],
    ['type=http://terminology.hl7.org/CodeSystem/audit-event-type|rest', (event) => event['type'].code === 'rest'],
    ['type=http://dicom.nema.org/resources/ontology/DCM|', (event) => event['type'].code !== 'rest'],
    ['type=|rest', () => false],
    ['type:not=rest', (event) => event['type'].code !== 'rest'],
    ['subtype=read', (event) => subtypes(event).includes('read')],
    ['subtype=http://hl7.org/fhir/restful-interaction|search-type', (event) => subtypes(event).includes('search-type')],
    ['subtype=search', (event) => subtypes(event).includes('search')],
    ['subtype=create,delete', (event) => ['create', 'delete'].includes(subtypes(event)[0] ?? '')],
    ['subtype=nothing-of-the-kind', () => false],
    ['action=R', (event) => event['action'] === 'R'],
    ['action=http://hl7.org/fhir/audit-event-action|D', (event) => event['action'] === 'D'],
    ['action=C,U', (event) => ['C', 'U'].includes(event['action'])],
    ['outcome=4', (event) => event['outcome'] === '4'],
    ['outcome:not=0', (event) => event['outcome'] !== '0'],
    ['agent=Organization/ai-health-manager', (event) => agents(event).includes('Organization/ai-health-manager')],
    ['agent=ai-health-manager', (event) => agents(event).includes('Organization/ai-health-manager')],
    ['agent=Patient/p', (event) => agents(event).includes('Patient/p')],
    ['agent=Practitioner/ai-health-manager', () => false],
    ['entity=Observation/o', (event) => entities(event).some((text) => text.startsWith('Observation/o'))],
    ['entity=Encounter/e', (event) => entities(event).some((text) => text.startsWith('Encounter/e'))],
    [
      () => `entity=Consent/${consent}`,
      (event) => entities(event).some((text) => text.startsWith(`Consent/${consent}`)),
    ],
    [
      () => `outcome=0&agent=${ai}&action=E`,
      (event) => event['outcome'] === '0' && agents(event).includes(ai) && event['action'] === 'E',
    ],
    [
      () => `_id=${whole[0]?.['id']},${whole[3]?.['id']}`,
      (event) => [whole[0]?.['id'], whole[3]?.['id']].includes(event['id']),
    ],
    ['_id=unknown', () => false],
  ];
  for (const [question, meets] of questions) {
    it(typeof question === 'string' ? question : String(question).replace(/^\(\) => /, ''), async () => {
      const query = typeof question === 'string' ? question : question();
      const ids = new Set(whole.map(({ id }) => id));
      const found = (await events(query)).filter(({ id }) => ids.has(id));
      assert.deepEqual(
        found.map(({ id }) => id),
        whole.filter(meets).map(({ id }) => id),
      );
    });
  }

  it('_sort=date is the same log the other way, page by page', async () => {
    const ids: string[] = [];
    let next: string | undefined = 'AuditEvent?_sort=date&date=lt2999&_count=3';
    for (let pages = 0; next !== undefined && ids.length < whole.length; pages++) {
      assert.ok(pages < 50);
      const { json }: { json: Json } = await world.hub.send('GET', next, self);
      ids.push(...json['entry'].map(({ resource: event }: Json) => event.id));
      next = json['link'].find(({ relation }: Json) => relation === 'next')?.url.replace(`${world.hub.fhir}/`, '');
    }
    assert.deepEqual(ids.slice(0, whole.length), whole.map(({ id }) => id).toReversed());
  });

  it('a next link is of its search alone (LEAKS 5)', async () => {
    const { json }: { json: Json } = await world.hub.send('GET', 'AuditEvent?_count=1', self);
    const next: string = json['link'].find(({ relation }: Json) => relation === 'next').url;
    const cursor = new URL(next).searchParams.get('_cursor');
    for (const [asked, status] of [
      ['_count=1', 200],
      ['_count=1&action=R', 400],
    ] as const) {
      const answer = await world.hub.send('GET', `AuditEvent?${asked}&_cursor=${cursor}`, self);
      assert.equal(answer.status, status, asked);
    }
  });

  for (const query of [
    'agent-name=ai',
    'address=127',
    'policy=x',
    'altid=x',
    'source=x',
    '_sort=type',
    '_sort=date,type',
    '_summary=true',
    '_elements=agent',
    '_include=AuditEvent:agent',
    'agent:identifier=x',
    'type:text=rest',
    'date:missing=true',
  ]) {
    it(`${query} is refused: the log cannot answer it`, async () => {
      const { status, json } = await world.hub.send('GET', `AuditEvent?${query}`, self);
      assert.equal(status, 400);
      assert.equal(json['issue'][0].code, 'not-supported');
    });
  }

  it('nobody else finds anything, whatever they ask (LEAKS 20)', async () => {
    for (const name of ['a consented service', 'hospital', 'another hospital', 'payment']) {
      for (const query of ['', 'patient=p', 'outcome=4', 'entity=Patient/p', `agent=${ai}`]) {
        const { status, json } = await world.hub.send('GET', `AuditEvent?${query}`, world.tokens[name]);
        if (status === 200) assert.deepEqual([json['total'], json['entry']], [0, undefined], `${name} ${query}`);
        else assert.equal(status, 403, `${name} ${query}`);
      }
    }
  });

  it('the CapabilityStatement and the OpenAPI document say which parameters', async () => {
    const { json } = await world.hub.send('GET', 'metadata', undefined);
    const { searchParam } = json['rest'][0].resource.find(({ type }: Json) => type === 'AuditEvent');
    const names = searchParam.map(({ name }: Json) => name).toSorted();
    assert.deepEqual(names, [
      '_id',
      '_lastUpdated',
      'action',
      'agent',
      'date',
      'entity',
      'outcome',
      'patient',
      'subtype',
      'type',
    ]);
  });
});
