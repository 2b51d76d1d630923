/**
 * LEAKS 8, 15, 16, 17, 36, 38: what the labelling service finds sensitive is as closed as what its source labelled: a permit that
 * does not name the label never shows it, however it is asked for, and however it came. Every row here is coded, none labelled.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { labelBits } from '../../src/fhir/labels.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { sql } from '../../src/db/sql.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { readSensitivity } from '../../src/mapping/sensitivity/read.ts';
import { addLabelRevision } from '../../src/store/labels/current.ts';
import { manifestOf } from '../given-export.ts';
import { reference, resource } from '../spec/world.ts';
import { until } from '../until.ts';
import { ai, canary, givenLeakWorld, loinc, ofP, payer, type LeakWorld } from './world.ts';

const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const icd = (code: string): object => ({
  coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code }],
  text: canary,
});
const dated = { ...ofP, effectiveDateTime: '2026-02-01' };

/** By the label that each must get. */
const coded: readonly (readonly [string, AnyResource])[] = [
  ['HIV', resource('Observation/hiv', { ...dated, code: loinc('56888-1', canary), valueString: canary })],
  ['PSY', resource('Condition/psy', { ...ofP, code: icd('F20.0') })],
  ['SUD', resource('Encounter/sud', { ...ofP, reasonCode: [icd('F10.2')] })],
  [
    'PSY',
    resource('MedicationRequest/psy', {
      ...ofP,
      medicationCodeableConcept: { coding: [{ system: 'http://www.whocc.no/atc', code: 'N05AH03' }], text: canary },
    }),
  ],
  [
    'STD',
    resource('DiagnosticReport/std', {
      ...dated,
      code: { text: canary },
      contained: [{ ...resource('Observation/in', { ...ofP, code: loinc('20507-0') }) }],
      result: [reference('#in')],
    }),
  ],
  [
    'PSY',
    resource('DocumentReference/psy', {
      ...ofP,
      status: 'current',
      type: loinc('34788-0', canary),
      content: [
        { attachment: { contentType: 'text/plain', url: 'Binary/psy', data: Buffer.from(canary).toString('base64') } },
      ],
    }),
  ],
  [
    'HIV',
    resource('Claim/hiv', {
      patient: reference('Patient/p'),
      status: 'active',
      type: { text: canary },
      use: 'claim',
      created: '2026-02-01',
      provider: { display: 'Hospital' },
      priority: { text: 'normal' },
      insurance: [{ sequence: 1, focal: true, coverage: { display: 'x' } }],
      diagnosis: [{ sequence: 1, diagnosisCodeableConcept: icd('B20') }],
    }),
  ],
];
const plain = [
  resource('Observation/seen', { ...dated, code: loinc('718-7') }),
  resource('Condition/seen', { ...ofP, code: { coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code: 'I10' }] } }),
];

describe('what is sensitive by its code', () => {
  let world: LeakWorld;
  const read = async (path: string, token: string | undefined): Promise<{ status: number; text: string }> =>
    world.hub.send('GET', path, token);
  before(async () => {
    world = await givenLeakWorld();
    await world.write([resource('Patient/p'), ...plain, ...coded.map(([, row]) => row)]);
    await world.write([
      resource('Binary/psy', {
        contentType: 'text/plain',
        securityContext: reference('DocumentReference/psy'),
        data: Buffer.from(canary).toString('base64'),
      }),
    ]);
    await world.consent('p', ai);
    await world.consent('p', payer, {
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HPAYMT' }],
    });
  });
  after(() => world.close());

  const addresses = coded.map(([, row]) => `${row.resourceType}/${row.id}`);
  const ways = [
    ...addresses,
    ...addresses.map((address) => `${address}/_history`),
    ...addresses.map((address) => `${address}/_history/1`),
    ...addresses.map((address) => `${address}/$meta`),
    'Binary/psy',
    'Observation?patient=p',
    'Observation?code=56888-1',
    'Condition?patient=p&_sort=-recorded-date',
    'Condition?code=F20.0',
    'Encounter?patient=p&_revinclude=*',
    'Claim?patient=p',
    `_search?_type=Observation,Condition,Encounter&patient=p`,
    'Patient/p/$everything',
    'Patient?_id=p&_revinclude=Condition:subject&_revinclude=Observation:subject',
    'Observation/$lastn?patient=p',
  ];

  it('its source reads it, with the label in meta.security marked as the service’s (DS4P)', async () => {
    for (const [label, { resourceType, id }] of coded) {
      const { json } = await world.hub.send('GET', `${resourceType}/${id}`, world.tokens['hospital']);
      const [shown] = json['meta'].security as { system: string; code: string; extension: unknown[] }[];
      assert.deepEqual([shown?.system, shown?.code], [act, label], `${resourceType}/${id}`);
      assert.match(JSON.stringify(shown?.extension), /sec-label-classifier/);
    }
  });

  for (const who of ['a consented service', 'payment', 'another hospital', 'an app of the patient'] as const) {
    it(`${who}: no way shows it`, async () => {
      const token = world.tokens[who];
      for (const way of ways) {
        const { text } = await read(way, token);
        assert.ok(!text.includes(canary) && !text.includes('"HIV"'), `${way}: ${text}`);
      }
    });
  }

  it('counts, filters and chains know nothing of it', async () => {
    const token = world.tokens['a consented service'];
    for (const [query, total] of [
      ['Observation?patient=p&_summary=count', 1],
      ['Condition?patient=p&_total=accurate', 1],
      ['Condition?patient=p&_security=http://terminology.hl7.org/CodeSystem/v3-ActCode|PSY&_summary=count', 0],
      ['Patient?_has:Observation:patient:code=56888-1&_summary=count', 0],
      ['Patient?_has:Condition:patient:code=F20.0&_summary=count', 0],
    ] as const) {
      assert.equal((await world.hub.send('GET', query, token)).json['total'], total, query);
    }
  });

  it('an export holds none of it', async () => {
    const token = await world.token('ai', { scope: 'system/*.rs' });
    const start = await world.hub.send('GET', '$export?_type=Observation,Condition', token, {
      headers: { prefer: 'respond-async' },
    });
    assert.equal(start.status, 202, start.text);
    const at = new URL(start.headers.get('content-location') as string).pathname;
    const status = await manifestOf(() => world.hub.send('GET', at, token));
    const files = status.json['output'] as { url: string }[];
    assert.ok(files.length > 0, status.text);
    for (const { url } of files) {
      const { text } = await world.hub.send('GET', new URL(url).pathname + new URL(url).search, token);
      assert.ok(text.includes('"seen"') && !text.includes(canary), text);
    }
  });

  it('a permit that names the label shows exactly what carries it', async () => {
    await world.write([resource('Patient/named')]);
    const subject = { subject: reference('Patient/named') };
    await world.write([
      resource('Observation/named', { ...subject, code: loinc('56888-1') }),
      resource('Condition/named', { ...subject, code: icd('F20') }),
    ]);
    await world.consent('named', ai, { securityLabel: [{ system: act, code: 'HIV' }] });
    const token = world.tokens['a consented service'];
    assert.equal((await read('Observation/named', token)).status, 200);
    assert.equal((await read('Condition/named', token)).status, 404);
  });

  describe('nobody takes the label away (LEAKS 8, 36)', () => {
    const address = 'Condition/corrected';
    const hospital = (): string | undefined => world.tokens['hospital'];
    const labels = async (): Promise<number> =>
      labelBits((await world.hub.send('GET', address, hospital())).json as never);
    before(() => world.write([resource(address, { ...ofP, code: icd('F20') })]));

    it('writing it without the label, or again as it was: the same version', async () => {
      const { headers } = await world.hub.send('GET', address, hospital());
      await world.write([resource(address, { ...ofP, code: icd('F20') })]);
      const again = await world.hub.send('GET', address, hospital());
      assert.equal(again.headers.get('etag'), headers.get('etag'));
      assert.notEqual(await labels(), 0);
      // What was read is written back: it holds the mark already.
      const back = await world.hub.send('PUT', address, hospital(), { body: again.json });
      assert.equal(back.headers.get('etag'), headers.get('etag'));
    });

    it('$meta-delete: it is there again', async () => {
      const { json } = await world.hub.send('GET', address, hospital());
      const body = {
        resourceType: 'Parameters',
        parameter: [{ name: 'meta', valueMeta: { security: json['meta'].security } }],
      };
      assert.equal((await world.hub.send('POST', `${address}/$meta-delete`, hospital(), { body })).status, 200);
      assert.notEqual(await labels(), 0);
    });

    it('a patch that removes meta.security', async () => {
      const answer = await world.hub.send('PATCH', address, hospital(), {
        body: JSON.stringify([{ op: 'remove', path: '/meta/security' }]),
        headers: { 'content-type': 'application/json-patch+json' },
      });
      assert.equal(answer.status, 200, answer.text);
      assert.notEqual(await labels(), 0);
    });

    it('a correction of the code: the row says so still, for its past does', async () => {
      await world.write([resource(address, { ...ofP, code: icd('I10') })]);
      assert.notEqual(await labels(), 0);
      assert.equal((await read(address, world.tokens['a consented service'])).status, 404);
    });

    it('deleted and written anew', async () => {
      await world.hub.send('DELETE', address, hospital());
      await world.write([resource(address, { ...ofP, code: icd('I10') })]);
      assert.equal((await read(address, world.tokens['a consented service'])).status, 404);
    });
  });

  it('every process and thread that writes rows follows the sets in force', () => {
    const root = join(import.meta.dirname, '..', '..', 'src');
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const calling = (call: RegExp): string[] =>
      files.filter((name) => call.test(readFileSync(join(root, name), 'utf8'))).sort();
    // Who follows the index writes rows.
    const following = calling(/\bfollowLabels\(database\)/);
    assert.deepEqual(calling(/\bfollowIndex\(database\)/), following);
    assert.ok(following.length > 2);
  });

  it('sets that change reach every process and every stored row of a running hub', async () => {
    await world.write([resource('Patient/changing')]);
    const local = (id: string): AnyResource =>
      resource(`Observation/${id}`, { subject: reference('Patient/changing'), code: loinc('OUR-1', canary) });
    await world.write([local('before')]);
    await world.consent('changing', ai);
    const seen = async (id: string): Promise<boolean> =>
      (await read(`Observation/${id}`, world.tokens['a consented service'])).status === 200;
    assert.ok(await seen('before'));
    const sets = readSensitivity([join(import.meta.dirname, '..', '..', 'mappings', 'sensitivity')]);
    const ours = { category: 'HIV', system: 'loinc', prefixes: [], list: ['OUR-1'], except: [] };
    await addLabelRevision(world.hub.database, { ...sets, codes: [...sets.codes, ours] });
    // As if every process had had the time to follow.
    await world.hub.database.query(sql`update label_revision set created_at = created_at - interval '1 hour'`);
    await until('it is hidden', async () => !(await seen('before')));
    await world.write([local('after')]);
    assert.ok(!(await seen('after')));
    const { text } = await world.hub.send('GET', '/metrics', undefined);
    assert.match(text, /hub_background_rows_read\{job="relabelling"\} [1-9]/);
  });

  it('what comes in messages is labelled as well, whatever the message says of confidentiality (LEAKS 38)', async () => {
    await addEndpoint(world.hub.database, {
      name: 'hospital-a',
      kind: 'hl7v2-mllp',
      organization: 'Organization/hospital',
      facilities: ['HOSPA'],
    });
    const client = connectMllp({ host: '127.0.0.1', port: world.hub.mllpPort });
    await client.send(
      Buffer.from(
        [
          'MSH|^~\\&|LIS|HOSPA|HUB|HUB|20260301080000+0800||ORU^R01^ORU_R01|S-1|P|2.5.1|||AL|NE',
          'PID|1||0815^^^HOSPA^MR||Chen^Wei||19800101|M',
          'PV1|1|O|||||||||||||||||V-1',
          `OBR|1|O-1|F-1^LIS|75622-1^${canary}^LN|||20260301070000+0800|||||||||||||||20260301080000+0800||LAB|F`,
          `OBX|1|ST|56888-1^${canary}^LN||${canary}||||||F|||20260301070000+0800`,
          'ZCN|1|N^normal',
        ].join('\r'),
      ),
    );
    await client.send(
      Buffer.from(
        [
          'MSH|^~\\&|HIS|HOSPA|HUB|HUB|20260301080000+0800||ADT^A01^ADT_A01|S-2|P|2.5.1|||AL|NE',
          'PID|1||0815^^^HOSPA^MR||Chen^Wei||19800101|M',
          'PV1|1|I|||||||||||||||||V-2',
          `DG1|1||F20.000^${canary}||20260301|A`,
        ].join('\r'),
      ),
    );
    await client.close();
    const hospital = world.tokens['hospital'];
    const found = async (query: string): Promise<AnyResource[]> => {
      let entries: { resource: AnyResource }[] = [];
      await until(`${query} finds something`, async () => {
        const { json } = await world.hub.send('GET', query, hospital);
        entries = json['entry'] ?? [];
        return entries.length > 0;
      });
      return entries.map((entry) => entry.resource);
    };
    const reports = await found('DiagnosticReport?code=75622-1');
    const patient = (reports[0] as AnyResource & { subject: { reference: string } }).subject.reference.slice(
      'Patient/'.length,
    );
    const observations = await found(`Observation?patient=${patient}`);
    const conditions = await found(`Condition?patient=${patient}`);
    for (const row of [...reports, ...observations, ...conditions]) {
      assert.notEqual(labelBits(row), 0, `${row.resourceType}: ${JSON.stringify(row.meta)}`);
    }
    await world.consent(patient, ai);
    const token = world.tokens['a consented service'];
    const ways = ['Observation', 'DiagnosticReport', 'Condition'].map((type) => `${type}?patient=${patient}`);
    for (const way of [`Patient/${patient}/$everything`, ...ways]) {
      const { status, text } = await read(way, token);
      assert.equal(status, 200, way);
      assert.ok(!text.includes(canary), `${way}: ${text}`);
    }
  });
});
