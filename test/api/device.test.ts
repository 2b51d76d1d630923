/** POST /device: a person's watch, a vendor's scale; summed up by hour and day, whatever comes late, twice or corrected. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEndpoint, listEndpoints } from '../../src/ingest/endpoint.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { runHub } from '../hub-process.ts';
import { appleExport, appleRecord, dataPoint } from '../adapters/device/given.ts';

describe('POST /device', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let anna: string;
  let vendor: string;
  before(async () => {
    hub = await givenHub({ HUB_LOG_LEVEL: 'silent' });
    const hospital = await hub.token('hospital');
    for (const id of ['anna', 'bob']) {
      const { status } = await hub.send('PUT', `Patient/${id}`, hospital, { body: { resourceType: 'Patient', id } });
      assert.equal(status, 201);
    }
    vendor = await hub.token('hospital', { organization: 'Organization/scales', client_id: 'scales' });
    const created = await hub.send('PUT', 'Patient/carl', vendor, { body: { resourceType: 'Patient', id: 'carl' } });
    assert.equal(created.status, 201);
    const env = { DATABASE_URL: hub.databaseUrl };
    for (const args of [
      ['watch', '--organization', 'Organization/devices', '--set', 'patients=true'],
      ['scale', '--organization', 'Organization/scales'],
    ]) {
      const { code, stderr } = await runHub(['endpoint', 'add', ...args, '--kind', 'device-http'], { env });
      assert.equal(code, 0, stderr);
    }
    assert.equal((await listEndpoints(hub.database)).length, 2);
    anna = await hub.token('patient', { fhirUser: 'Patient/anna', scope: 'patient/*.cruds' });
  });
  after(() => hub.close());

  async function upload(token: string | undefined, path: string, points: readonly object[]): Promise<HubResponse> {
    return hub.send('POST', `/device/${path}`, token, {
      body: points,
      headers: { 'content-type': 'application/json' },
    });
  }
  const heartRate = (id: string, at: string, value: number): object =>
    dataPoint(id, 'heart-rate', {
      heart_rate: { value, unit: 'beats/min' },
      effective_time_frame: { date_time: at },
    });
  /** Once nothing waits any more. */
  async function settled(): Promise<void> {
    const operator = await hub.token('operator');
    for (;;) {
      const { json } = await hub.send('GET', '/ops/messages?status=waiting', operator);
      if (json['messages'].length === 0) return;
      await sleep(20);
    }
  }
  type Observation = Record<string, any>; // eslint-disable-line typescript/no-explicit-any
  async function observations(query: string, token = anna): Promise<Observation[]> {
    const { json, text, status } = await hub.send('GET', `Observation?${query}`, token);
    assert.equal(status, 200, text);
    return (json['entry'] ?? []).map((entry: { resource: Observation }) => entry.resource);
  }
  const partsOf = (observation: Observation | undefined): [string, number][] =>
    (observation?.['component'] ?? []).map((one: Observation) => [
      one['code'].coding[0].code,
      one['valueQuantity'].value,
    ]);

  it('a person’s values become an hour of minutes and a day, each once; late and corrected ones change them', async () => {
    const first = [
      heartRate('1', '2026-03-01T23:10:05+08:00', 60),
      heartRate('2', '2026-03-01T23:10:35+08:00', 70),
      heartRate('3', '2026-03-01T23:59:00+08:00', 80),
    ];
    const { status, json, text } = await upload(anna, 'watch', first);
    assert.deepEqual([status, json], [200, { records: 3, received: 1, known: 0 }], text);
    await settled();
    const found = await observations('code=8867-4&patient=anna');
    const hour = found.find((one) => one['valueSampledData'] !== undefined);
    const data = String(hour?.['valueSampledData'].data).split(' ');
    assert.deepEqual([data.length, data[10], data[59], data[11]], [60, '65', '80', 'E']);
    const dayOf = async (): Promise<Observation | undefined> =>
      (await observations('code=8867-4&patient=anna')).find((one) => one['effectiveDateTime'] === '2026-03-01');
    assert.deepEqual(partsOf(await dayOf()), [
      ['average', 70],
      ['minimum', 60],
      ['maximum', 80],
      ['count', 3],
    ]);

    assert.deepEqual((await upload(anna, 'watch', first)).json, { records: 3, received: 0, known: 1 });
    // The one corrected, the other late, and one of them known: a part of its own.
    await upload(anna, 'watch', [
      heartRate('3', '2026-03-01T23:59:00+08:00', 90),
      heartRate('4', '2026-03-01T00:00:00+08:00', 50),
      first[0] as object,
    ]);
    await settled();
    assert.deepEqual(partsOf(await dayOf()), [
      ['average', 67.5],
      ['minimum', 50],
      ['maximum', 90],
      ['count', 4],
    ]);
    const all = await observations('code=8867-4&patient=anna');
    assert.equal(all.length, 3, 'two hours and a day');

    await upload(anna, 'watch', [heartRate('4', '2026-02-20T12:00:00+08:00', 50)]);
    await settled();
    const [emptied] = await observations('code=8867-4&patient=anna&status=entered-in-error');
    assert.equal(emptied?.['effectivePeriod'].start, '2026-02-28T16:00:00+00:00');
    assert.deepEqual(partsOf(await dayOf()).at(-1), ['count', 3]);
  });

  it('steps add up', async () => {
    const steps = (id: string, at: string, count: number): object =>
      dataPoint(id, 'step-count', { step_count: count, effective_time_frame: { date_time: at } });
    await upload(anna, 'watch', [
      steps('s1', '2026-03-02T08:00:00+08:00', 100),
      steps('s2', '2026-03-02T08:00:30+08:00', 20),
      steps('s3', '2026-03-02T20:00:00+08:00', 7),
    ]);
    await settled();
    const [day] = await observations('code=41950-7&patient=anna');
    assert.deepEqual([day?.['valueQuantity'].value, partsOf(day)], [127, [['count', 3]]]);
  });

  it('an export of Apple Health as XML', async () => {
    const xml = appleExport(
      Array.from({ length: 2_500 }, (_, n) =>
        appleRecord({
          type: 'HeartRate',
          value: 60 + (n % 10),
          unit: 'count/min',
          at: `2026-04-0${1 + Math.floor(n / 1440)} ${String(Math.floor(n / 60) % 24).padStart(2, '0')}:${String(n % 60).padStart(2, '0')}:00 +0800`,
        }),
      ),
    );
    const response = await fetch(`${hub.url}/device/watch`, {
      method: 'POST',
      headers: { authorization: `Bearer ${anna}`, 'content-type': 'application/xml' },
      body: xml,
    });
    assert.deepEqual(await response.json(), { records: 2_500, received: 3, known: 0 });
    await settled();
    const days = (await observations('code=8867-4&patient=anna&date=ge2026-04-01&_count=200')).filter(
      (one) => one['valueQuantity'] !== undefined,
    );
    assert.deepEqual(
      days.map((day) => new Map(partsOf(day)).get('count') ?? 0).toSorted((one, other) => one - other),
      [1_060, 1_440],
    );
  });

  it('a vendor sends about a Patient of its own', async () => {
    const weight = dataPoint('w1', 'body-weight', {
      body_weight: { value: 70.5, unit: 'kg' },
      effective_time_frame: { date_time: '2026-03-01T07:00:00Z' },
    });
    const sent = await upload(vendor, 'scale?patient=carl', [weight]);
    assert.equal(sent.status, 200, sent.text);
    await settled();
    const [read] = await observations('code=29463-7&patient=carl', vendor);
    assert.equal(read?.['valueQuantity'].value, 70.5);
  });

  const refused: readonly [string, (point: object) => Promise<HubResponse>, number][] = [
    ['without a token', (point) => upload(undefined, 'watch?patient=anna', [point]), 401],
    ['a person about somebody else', (point) => upload(anna, 'watch?patient=bob', [point]), 404],
    ['a person at an endpoint that is not open to patients', (point) => upload(anna, 'scale', [point]), 404],
    ['a vendor about a Patient of another source', (point) => upload(vendor, 'scale?patient=anna', [point]), 404],
    ['a vendor at the endpoint of another', (point) => upload(vendor, 'watch?patient=carl', [point]), 404],
    ['an endpoint that is not there', (point) => upload(anna, 'nowhere', [point]), 404],
  ];
  for (const [title, attempt, status] of refused) {
    it(`${title}: ${status}, and nothing is stored`, async () => {
      const before = (await findEndpoint(hub.database, 'watch')) !== undefined && (await countMessages());
      assert.equal((await attempt(heartRate('r', '2026-03-01T08:00:00Z', 61))).status, status);
      assert.equal(await countMessages(), before);
    });
  }
  async function countMessages(): Promise<number> {
    const { json } = await hub.send('GET', '/ops/messages', await hub.token('operator'));
    return json['messages'].length as number;
  }

  it('a body that is none of the formats, and one that cannot be read: told so', async () => {
    const { status, text } = await hub.send('POST', '/device/watch', anna, {
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    });
    assert.equal(status, 415);
    assert.match(text, /Send application\/xml or .* or application\/json or application\/fhir\+json in UTF-8/);
    const unread = await hub.send('POST', '/device/watch', anna, {
      body: { nothing: true },
      headers: { 'content-type': 'application/json' },
    });
    assert.deepEqual([unread.status, unread.json['issue'][0].code], [400, 'structure']);
  });

  it('a token that may not write: told which scope of its kind to ask for', async () => {
    const person = await hub.token('patient', { fhirUser: 'Patient/anna', patient: 'anna', scope: 'patient/*.rs' });
    const service = await hub.token('hospital', { scope: 'system/*.rs' });
    for (const [token, scope] of [
      [person, 'patient/Observation.c'],
      [service, 'system/Observation.c'],
    ] as const) {
      const { status, json } = await upload(token, 'watch', []);
      assert.deepEqual([status, json['issue'][0].details.text], [403, `Ask for a scope such as ${scope}.`]);
    }
  });

  it('hub device import: a file of a Patient there is, and nothing of one there is not', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'device-'));
    const file = join(folder, 'points.json');
    await writeFile(file, JSON.stringify([heartRate('of-a-file', '2026-04-01T08:00:00+08:00', 66)]));
    const importFor = (patient: string): ReturnType<typeof runHub> =>
      runHub(['device', 'import', file, '--endpoint', 'watch', '--patient', patient], {
        env: { DATABASE_URL: hub.databaseUrl },
      });
    const unknown = await importFor('nobody');
    assert.deepEqual([unknown.code, unknown.stdout], [1, '']);
    assert.match(unknown.stderr, /there is no such Patient \(--patient\)\n.*identifier=SYSTEM/);
    const known = await importFor('Patient/anna');
    assert.deepEqual([known.code, JSON.parse(known.stdout)], [0, { records: 1, received: 1, known: 0 }]);
    await rm(folder, { recursive: true });
  });

  it('endpoint add: a setting that devices do not have, or that says neither true nor false, is refused', async () => {
    for (const [setting, said] of [
      ['patient=true', /the setting patient is not valid \(config\.patient\)\nGive only patients, title/],
      ['patients=maybe', /the setting patients is not valid \(config\.patients\)\nGive true or false/],
    ] as const) {
      const args = ['endpoint', 'add', 'cuff', '--kind', 'device-http', '--organization', 'Organization/c'];
      const { code, stderr } = await runHub([...args, '--set', setting], { env: { DATABASE_URL: hub.databaseUrl } });
      assert.equal(code, 1);
      assert.match(stderr, said);
    }
  });
});
