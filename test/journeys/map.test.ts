/**
 * An imaginary hospital that names its patients in a Z segment: connected by an overlay alone, on a running hub, while its
 * messages and another hospital's keep coming. What was quarantined meanwhile is replayed in order, and nothing twice.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectMllp, type MllpClient } from '../../adapters/hl7v2/client.ts';
import { sql } from '../../src/db/sql.ts';
import { addEndpoint } from '../../src/ingest/endpoint.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { until } from '../until.ts';

const overlay = `
# yaml-language-server: $schema=../../mappings/schema/overlay.schema.json
partner: lakeside
changes:
  # Its registration is an event of its own.
  - event: adt
    events: [Z01]
  # The record number stands in ZPI-3, not in PID-3.
  - key: patient
    from: [[ZPI-3 as identifier]]
  - add: pid-patient
    rule: { id: ZPI-3, from: ZPI-3, to: 'Patient.identifier[]', as: CX }
  # The date of birth was moved from PID-7 to ZPI-4.
  - move: pid-patient/PID-7
    from: ZPI-4
`;

const patients = 50;
const revisions = 20;

/** Registration `revision` of a patient; the revision stands in the address. */
const registration = (patient: number, revision: number): Buffer =>
  Buffer.from(
    [
      `MSH|^~\\&|HIS|LAKESIDE|HUB|HUB|20260301080000+0800||ADT^Z01|L-${patient}-${revision}|P|2.5.1`,
      `PID|1||||Lake^P${patient}|||F|||Shore ${revision}^^Hangzhou`,
      `ZPI|1|extra|MR${patient}|19800${1 + (patient % 9)}01`,
      'PV1|1|O',
    ].join('\r'),
  );

const elsewhere = (count: number): Buffer =>
  Buffer.from(
    [
      `MSH|^~\\&|HIS|OTHER|HUB|HUB|20260301080000+0800||ADT^A01|O-${count}|P|2.5.1`,
      `PID|1||P${count % 7}^^^OTHER^MR||Other^One||19700101|M`,
      'PV1|1|O',
    ].join('\r'),
  );

describe('journey: a hospital goes live by an overlay alone', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let operator: string;
  let clients: MllpClient[];
  before(async () => {
    hub = await givenHub();
    operator = await hub.token('operator');
    for (const name of ['lakeside', 'other']) {
      await addEndpoint(hub.database, {
        name,
        kind: 'hl7v2-mllp',
        organization: `Organization/${name}`,
        facilities: [name.toUpperCase()],
      });
    }
    clients = [1, 2].map(() => connectMllp({ host: '127.0.0.1', port: hub.mllpPort, depth: 64 }));
  });
  after(async () => {
    for (const client of clients) client.destroy();
    await hub.close();
  });

  const count = async (endpoint: string, status: number): Promise<number> => {
    const [row] = await hub.database.query<{ n: number }>(sql`
      select count(*) as n from message m join endpoint e on e.id = m.endpoint_id
      where e.name = ${endpoint} and m.status = ${status}`);
    return row?.n ?? 0;
  };
  const ops = async (method: string, path: string, body?: string): Promise<HubResponse['json']> => {
    const answer = await hub.send(method, `/ops${path}`, operator, { body, headers: { 'content-type': 'text/plain' } });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };

  it('without restart, while messages flow', async () => {
    const [lakeside, other] = clients as [MllpClient, MllpClient];
    // Another hospital's messages flow all the time, under the map they had before.
    const ended = new AbortController();
    let flowed = 0;
    const flow = (async () => {
      for (; !ended.signal.aborted; flowed++) {
        assert.equal((await other.send(elsewhere(flowed))).code, 'AA');
        await sleep(2);
      }
    })();

    // 1,000 messages that the hub cannot read yet: accepted, kept, quarantined with the reason.
    const early: Promise<unknown>[] = [];
    for (let revision = 1; revision <= revisions; revision++) {
      for (let patient = 0; patient < patients; patient++) early.push(lakeside.send(registration(patient, revision)));
    }
    await Promise.all(early);
    await until('they are quarantined', async () => (await count('lakeside', 2)) === patients * revisions);
    const { messages } = await ops('GET', '/messages?source=lakeside&status=quarantined&limit=1');
    assert.match(messages[0].reason, /^not-supported: event Z01 of ADT is not served/);

    const checked = await ops('POST', '/maps/check?name=lakeside.yaml', overlay.replace('ZPI-3, to', 'ZPI 3, to'));
    assert.match(checked['findings'][0].at, /^lakeside\.yaml:\d+$/);
    assert.match(checked['findings'][0].message, /ZPI 3 is no HL7v2 position/);

    // The overlay, applied while lakeside sends on: what is accepted after it is processed by it.
    const { maps } = await ops('POST', '/maps/apply?endpoint=lakeside&name=lakeside.yaml&note=go-live', overlay);
    const { version, mapVersion, note } = maps[0];
    assert.deepEqual([version, note], [1, 'go-live']);
    for (let patient = 0; patient < patients; patient++) {
      await lakeside.send(registration(patient + patients, 1));
    }
    await until('new ones are processed', async () => (await count('lakeside', 1)) === patients);

    const replayed = await ops('POST', '/replay?source=lakeside&status=quarantined');
    assert.deepEqual([replayed['matched'], replayed['queued'] >= replayed['matched']], [patients * revisions, true]);
    await until('they are processed', async () => (await count('lakeside', 1)) === patients * (revisions + 1));
    ended.abort();
    await flow;
    await until('the others too', async () => (await count('other', 1)) === flowed);

    const versions = await hub.database.query<{ endpoint: string; map_version: string }>(sql`
      select distinct e.name as endpoint, m.map_version from message m join endpoint e on e.id = m.endpoint_id`);
    const byEndpoint = Map.groupBy(versions, ({ endpoint }) => endpoint);
    assert.deepEqual(
      byEndpoint.get('lakeside')?.map((row) => row.map_version),
      [mapVersion],
    );
    assert.equal(byEndpoint.get('other')?.length, 1, 'the other hospital had one map all the time');
  });

  it('each in its order, none twice', async () => {
    const rows = await hub.database.query<{ id: string; version: number; body: string }>(sql`
      select id, version, body from resource where owner = 'Organization/lakeside' and body like '{"resourceType":"Patient"%'
      union all
      select h.id, h.version, h.body from resource_history h join resource r using (bucket, type, id)
      where r.owner = 'Organization/lakeside' and h.body like '{"resourceType":"Patient"%' and h.version < r.version
      order by id, version`);
    const byPatient = Map.groupBy(rows, ({ id }) => id);
    assert.equal(byPatient.size, 2 * patients, 'one Patient for each record number');
    const lines = [...byPatient.values()].map((list) =>
      list.map(({ body }) => Number((JSON.parse(body) as HubResponse['json'])['address'][0].line[0].split(' ')[1])),
    );
    const all = Array.from({ length: revisions }, (_, index) => index + 1);
    const replayed = lines.filter(({ length }) => length > 1);
    assert.equal(replayed.length, patients);
    for (const list of replayed) assert.deepEqual(list, all, 'every revision once, in the order sent');
  });

  it('and the moved fields are where they belong', async () => {
    const token = await hub.token('hospital', { organization: 'Organization/lakeside' });
    const { json } = await hub.send('GET', 'Patient?identifier=MR7', token);
    const patient = json['entry'][0].resource;
    assert.equal(patient.birthDate, '1980-08-01');
    assert.equal(patient.identifier[0].value, 'MR7');
    assert.equal(patient.address[0].line[0], `Shore ${revisions}`);
  });

  it('what the overlay still leaves is in the work list, and is gone from it when it was repaired and replayed', async () => {
    const unmapped = async (): Promise<Record<string, unknown> | undefined> => {
      const list = await ops('GET', '/unmapped?source=lakeside');
      return (list['unmapped'] as Record<string, unknown>[]).find(({ position }) => position === 'ZPI-2');
    };
    const total = patients * (revisions + 1);
    await until('they are counted', async () => (await unmapped())?.['messages'] === total);
    assert.equal((await unmapped())?.['patients'], 2 * patients);
    const repaired = `${overlay}  - add: pid-patient
    rule: { id: ZPI-2, from: ZPI-2, to: 'Patient.extension[].valueString', with: { url: 'urn:example:extra' } }
`;
    await ops('POST', '/maps/apply?endpoint=lakeside&name=lakeside.yaml', repaired);
    const replayed = await ops('POST', '/replay?source=lakeside&unmapped=ZPI-2');
    assert.deepEqual([replayed['matched'], replayed['queued']], [total, total]);
    await until('they ran again', async () => (await count('lakeside', 1)) === total);
    await until('it is gone', async () => (await unmapped()) === undefined);
  });

  it('and back, by a version of its own', async () => {
    const { maps } = await ops('POST', '/maps/rollback?endpoint=lakeside&note=not+yet');
    assert.deepEqual([maps[0].version, maps[0].restores], [3, 1]);
    const history = await ops('GET', '/maps?endpoint=lakeside');
    assert.deepEqual(
      history['maps'].map((one: Record<string, unknown>) => one['version']),
      [3, 2, 1],
    );
  });

  it('a result whose PID names nobody waits, with its cause, until the overlay says where the number is', async () => {
    const organization = 'Organization/unnamed';
    await addEndpoint(hub.database, { name: 'unnamed', kind: 'hl7v2-mllp', organization, facilities: ['UNNAMED'] });
    const sender = clients[0] as MllpClient;
    const result = (id: string, ...segments: string[]): Buffer =>
      Buffer.from(
        [
          `MSH|^~\\&|LIS|UNNAMED|HUB|HUB|20260301080000+0800||ORU^R01|${id}|P|2.5.1`,
          ...segments,
          'OBR|1||F-1|718-7^Haemoglobin^LN',
          'OBX|1|NM|718-7^Haemoglobin^LN||12.5|g/dL|||||F',
        ].join('\r'),
      );
    await until('the endpoint is known', async () => {
      return (await sender.send(result('U-1', 'PID|1||77^^^UNNAMED^MR||Lin^Mei'))).code === 'AA';
    });
    assert.equal((await sender.send(result('U-2', 'PID|1', 'ZPI|1||77^^^UNNAMED^MR'))).code, 'AA');
    await until('it is quarantined', async () => (await count('unnamed', 2)) === 1);
    const { messages } = await ops('GET', '/messages?source=unnamed&status=quarantined');
    assert.equal(messages[0].reason, 'required: the patient has neither a number nor a name');
    assert.equal(messages[0].position, 'PID-3');

    const zpi = 'partner: unnamed\nchanges:\n- key: patient\n  from: [[ZPI-3 as identifier]]\n';
    await ops('POST', '/maps/apply?endpoint=unnamed&name=unnamed.yaml', zpi);
    await ops('POST', '/replay?source=unnamed&status=quarantined');
    await until('it is processed', async () => (await count('unnamed', 1)) === 2);
    const token = await hub.token('hospital', { organization });
    const { json } = await hub.send('GET', 'Patient?_summary=count', token);
    assert.equal(json['total'], 1, 'the patient they knew before, and no other');
  });
});
