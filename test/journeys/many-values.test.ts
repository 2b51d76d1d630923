/** What has more values to be searched by than the hub takes time for is refused with the reason, by whichever way it comes. */
import assert from 'node:assert/strict';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { sql } from '../../src/db/sql.ts';
import { kindRules } from '../../src/hub/kinds.ts';
import { addEndpoint } from '../../src/ingest/registry/change.ts';
import { givenFhirServer, type GivenFhirServer } from '../given-fhir-server.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { until } from '../until.ts';

/** Each is found as a name, a family name and by its sound. */
const names = (count: number): object[] => Array.from({ length: count }, (_, at) => ({ family: `F${at}` }));
const reason = 'a resource has at most 50000 values to be searched by';
const expression = 'Patient.name.family';

describe('journey: resources with too many values to be searched by', function () {
  this.timeout(300_000);
  const organization = 'Organization/many';
  let hub: GivenHub;
  let server: GivenFhirServer;
  let token: string;
  let operator: string;
  before(async () => {
    [hub, server] = await Promise.all([givenHub(), givenFhirServer({ hasHistory: true })]);
    token = await hub.token('hospital', { organization });
    operator = await hub.token('operator');
  });
  after(() => Promise.all([hub?.close(), server?.close()]));

  const endpoint = (name: string, kind: string, more: object): Promise<unknown> =>
    addEndpoint(
      hub.database,
      { name, kind, organization, facilities: [], ...more } as Parameters<typeof addEndpoint>[1],
      { by: 'lin', at: new Date(), kinds: kindRules },
    );
  const stored = async (): Promise<number> =>
    (await hub.send('GET', 'Patient?_summary=count', token)).json['total'] as number;
  const quarantined = async (source: string): Promise<HubResponse['json'][]> =>
    (await hub.send('GET', `/ops/messages?source=${source}&status=quarantined`, operator)).json['messages'];
  const issueOf = ({ json }: HubResponse): Record<string, unknown> => json['issue'][0];

  it('create: 413, with the parameter that has most of them', async () => {
    const answer = await hub.send('POST', 'Patient', token, { body: { resourceType: 'Patient', name: names(20_000) } });
    const { code, diagnostics, details, expression: at } = issueOf(answer);
    assert.deepEqual([answer.status, code, diagnostics, at], [413, 'too-long', reason, [expression]]);
    assert.match((details as { text: string }).text, /several resources/);
    assert.equal(await stored(), 0);
  });

  it('transaction: 413 with the entry, and none of the others is written', async () => {
    const entry = [names(1), names(20_000)].map((name) => ({
      resource: { resourceType: 'Patient', name },
      request: { method: 'POST', url: 'Patient' },
    }));
    const answer = await hub.send('POST', '', token, { body: { resourceType: 'Bundle', type: 'transaction', entry } });
    const { code, diagnostics, expression: at } = issueOf(answer);
    assert.deepEqual(
      [answer.status, code, diagnostics, at],
      [413, 'too-long', reason, ['Bundle.entry[1].resource.name.family']],
    );
    assert.equal(await stored(), 0);
  });

  it('a transaction whose condition is matched with what it holds: the same, of the entry that is too long', async () => {
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        {
          resource: {
            resourceType: 'Basic',
            code: { text: 'x' },
            subject: { reference: 'Patient?identifier=urn:x|1' },
          },
          request: { method: 'POST', url: 'Basic' },
        },
        {
          resource: {
            resourceType: 'Patient',
            identifier: [{ system: 'urn:x', value: '1' }],
            name: names(20_000),
          },
          request: { method: 'POST', url: 'Patient' },
        },
      ],
    };
    const answer = await hub.send('POST', '', token, { body: bundle });
    const { diagnostics, expression: at } = issueOf(answer);
    assert.deepEqual([answer.status, diagnostics, at], [413, reason, ['Bundle.entry[1].resource.name.family']]);
  });

  it('many resources, each within the bound: the transaction has one of its own', async () => {
    const entry = Array.from({ length: 11 }, () => ({
      resource: { resourceType: 'Patient', name: names(15_500) },
      request: { method: 'POST', url: 'Patient' },
    }));
    const answer = await hub.send('POST', '', token, { body: { resourceType: 'Bundle', type: 'transaction', entry } });
    const { code, expression: at } = issueOf(answer);
    assert.deepEqual([code, at], ['too-costly', ['Bundle.entry[10]']]);
    assert.equal(await stored(), 0);
  });

  it('a list of 10,000 is stored', async () => {
    const items = Array.from({ length: 10_000 }, (_, at) => ({ item: { reference: `Device/d${at}` } }));
    const body = { resourceType: 'List', status: 'current', mode: 'working', entry: items };
    assert.equal((await hub.send('POST', 'List', token, { body })).status, 201);
    const { json } = await hub.send('GET', 'List?item=Device/d9999&_summary=count', token);
    assert.equal(json['total'], 1);
  });

  it('a text of marks without end is stored, and what stands beside it is found', async () => {
    const text = `a${'\u05b0\u0591'.repeat(100_000)} Zebra`;
    const create = async (resource: Record<string, unknown>): Promise<string> => {
      const { status, json } = await hub.send('POST', String(resource['resourceType']), token, { body: resource });
      assert.equal(status, 201);
      return `${json['resourceType']}/${json['id']}`;
    };
    const patient = await create({ resourceType: 'Patient', name: [{ text }] });
    const subject = { reference: patient };
    const result = await create({ resourceType: 'Observation', status: 'final', code: { text }, subject });
    const found = await hub.send('GET', `Observation?patient=${patient}&_content=zebra`, token);
    assert.deepEqual([found.status, found.json['total']], [200, 1], found.text.slice(0, 300));
    for (const gone of [result, patient]) assert.equal((await hub.send('DELETE', gone, token)).status, 204);
  });

  it('HL7v2: accepted, kept as it came, quarantined with the reason at the first attempt; the next is processed', async () => {
    await endpoint('many-his', 'hl7v2-mllp', { facilities: ['MANY'] });
    const client = connectMllp({ host: '127.0.0.1', port: hub.mllpPort });
    const message = (id: string, count: number): Buffer => {
      const name = Array.from({ length: count }, (_, at) => `F${at}^G${at}`).join('~');
      const head = `MSH|^~\\&|HIS|MANY|HUB|HUB|20260301080000+0800||ADT^A01|${id}|P|2.5.1`;
      return Buffer.from([head, `PID|1||${id}^^^MANY^MR||${name}`, 'PV1|1|O'].join('\r'));
    };
    const sent = message('M-1', 15_000);
    await until('the endpoint is known', async () => (await client.send(sent)).code === 'AA');
    assert.equal((await client.send(message('M-2', 1))).code, 'AA');
    client.destroy();
    await until('it is quarantined', async () => (await quarantined('many-his')).length === 1);
    const [found] = await quarantined('many-his');
    assert.deepEqual(
      [found?.['reason'], found?.['position'], found?.['attempts']],
      [`too-long: ${reason}`, 'Patient.name', 1],
    );
    await until('the next is processed', async () => (await stored()) === 1);
    const [row] = await hub.database.query<{ raw: Buffer }>(
      sql`select raw from message where id = ${found?.['id'] as number}`,
    );
    assert.ok(row?.raw.equals(sent));
  });

  it('a FHIR source that is asked: the same, and its other resources come', async () => {
    server.put('Patient', 'long', { name: names(20_000) });
    server.put('Patient', 'short', { name: names(1) });
    await endpoint('many-fhir', 'fhir-rest', { config: { title: 'Many', base: server.base, every: '1s' } });
    await until('it is quarantined', async () => (await quarantined('many-fhir')).length === 1);
    await until('the other is stored', async () => (await stored()) === 2);
    const [found] = await quarantined('many-fhir');
    assert.deepEqual(
      [found?.['reason'], found?.['position'], found?.['attempts']],
      [`too-long: ${reason}`, expression, 1],
    );
  });
});
