import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { sourceId } from '../../src/fhir/ids.ts';
import { givenHub, type GivenHub, type HubResponse } from '../given-hub.ts';
import { until } from '../until.ts';

const organization = 'Organization/pushing';
const source = 'https://fhir.pushing.example/r4';
const secret = 'a'.repeat(20) + 'b'.repeat(20);

describe('POST /fhir-push: systems that send FHIR by themselves', () => {
  let hub: GivenHub;
  let token: string;

  before(async function () {
    this.timeout(300_000);
    hub = await givenHub();
    token = await hub.token('hospital', { client_id: 'ward', organization });
    const operator = await hub.token('operator');
    const add = async (name: string, kind: string, more: object = {}): Promise<void> => {
      const body = { name, kind, organization, state: 'live', ...more };
      const { status, text } = await hub.send('POST', '/ops/endpoints', operator, { body });
      assert.equal(status, 201, text);
    };
    await add('pulled', 'fhir-rest', { config: { base: 'http://127.0.0.1:9/fhir', source, every: '1d' } });
    await add('push', 'fhir-push', { config: { source, pull: 'pulled' }, secrets: { 'push-token': secret } });
    await add('push-alone', 'fhir-push', { config: { source: 'urn:alone' } });
    await add('push-paused', 'fhir-push');
    await hub.send('POST', '/ops/endpoints/push-paused/pause', operator, { body: {} });
    await add('mllp', 'hl7v2-mllp', { facilities: ['A'] });
  });
  after(() => hub.close());

  const push = (path: string, body?: unknown, authorization = token, method = 'POST'): Promise<HubResponse> =>
    hub.send(method, `/fhir-push/${path}`, authorization, body === undefined ? {} : { body });
  const idOf = (type: string, id: string): string => sourceId({ organization, base: source }, type, id);
  const patient = (id: string, version = '1', more: object = {}): object => ({
    resourceType: 'Patient',
    id,
    meta: { versionId: version, lastUpdated: `2026-01-0${version}T00:00:00Z` },
    active: true,
    ...more,
  });
  const served = async (type: string, id: string): Promise<HubResponse> =>
    hub.send('GET', `${type}/${idOf(type, id)}`, token);
  const untilServed = (type: string, id: string, isSo: (response: HubResponse) => boolean): Promise<void> =>
    until(`${type}/${id} is so`, async () => isSo(await served(type, id)));
  const notification = (...entry: object[]): object => ({
    resourceType: 'Bundle',
    type: 'history',
    entry: [
      {
        resource: {
          resourceType: 'Parameters',
          parameter: [
            { name: 'subscription', valueReference: { reference: 'Subscription/1' } },
            { name: 'type', valueCode: 'event-notification' },
          ],
        },
      },
      ...entry,
    ],
  });

  it('a resource is processed as what is pulled is: under the id that follows from the source’s', async () => {
    const { status, json } = await push('push', patient('p1'));
    assert.deepEqual([status, json], [200, { received: 1, unchanged: 0 }]);
    await untilServed('Patient', 'p1', ({ status: one }) => one === 200);
    assert.deepEqual((await served('Patient', 'p1')).json['identifier'], [
      { system: `${source}/Patient`, value: 'p1' },
    ]);
  });

  it('the same again, and an older state that comes late, are not received', async () => {
    await push('push', patient('p2', '2', { gender: 'male' }));
    assert.deepEqual((await push('push', patient('p2', '2', { gender: 'male' }))).json, { received: 0, unchanged: 1 });
    assert.deepEqual((await push('push', patient('p2', '1'))).json, { received: 0, unchanged: 1 });
    await untilServed('Patient', 'p2', ({ status, json }) => status === 200 && json['gender'] === 'male');
  });

  it('a notification of the Backport guide with full resources: each, and deletions', async () => {
    await push('push', patient('p3'));
    const { json } = await push(
      'push',
      notification(
        { fullUrl: `${source}/Patient/p4`, resource: patient('p4'), request: { method: 'POST', url: 'Patient' } },
        {
          fullUrl: `${source}/Patient/p3`,
          request: { method: 'DELETE', url: 'Patient/p3' },
          response: { status: '204' },
        },
      ),
    );
    assert.deepEqual(json, { received: 2, unchanged: 0 });
    await untilServed('Patient', 'p4', ({ status }) => status === 200);
    await untilServed('Patient', 'p3', ({ status }) => status === 410);
  });

  async function isPullAsked(): Promise<boolean> {
    const rows = await hub.database.query(sql`
      select from pull p join endpoint e on e.id = p.endpoint_id where e.name = 'pulled' and (p.is_asked or p.last_error_at is not null)`);
    return rows.length > 0;
  }
  const named: [string, unknown][] = [
    ['a notification that names what changed', notification({ fullUrl: `${source}/Patient/p9` })],
    ['a notification that says only that something did', notification()],
    ['a request without a body, as R4 has it', undefined],
  ];
  for (const [what, body] of named) {
    it(`${what}: the source is pulled`, async () => {
      await hub.database.query(sql`update pull set is_asked = false, last_error_at = null`);
      const { status, json } = await push('push', body);
      assert.deepEqual([status, json], [200, { received: 0, unchanged: 0, asked: 'pulled' }]);
      await until('the pull is asked for', isPullAsked);
    });
  }

  it('it is refused, where no endpoint pulls the source', async () => {
    const { status, json } = await push('push-alone', notification());
    assert.equal(status, 422);
    assert.deepEqual(json['issue'][0].expression, ['pull']);
  });

  for (const type of ['handshake', 'heartbeat']) {
    it(`a ${type} is answered, and nothing more`, async () => {
      const parameter = [{ name: 'type', valueCode: type }];
      const bundle = {
        resourceType: 'Bundle',
        type: 'history',
        entry: [{ resource: { resourceType: 'Parameters', parameter } }],
      };
      assert.deepEqual((await push('push-alone', bundle)).json, { received: 0, unchanged: 0 });
    });
  }

  it('R4 servers put and delete resources below the endpoint', async () => {
    assert.equal((await push('push/Patient/p5', patient('p5'), token, 'PUT')).status, 200);
    await untilServed('Patient', 'p5', ({ status }) => status === 200);
    assert.equal((await push('push/Patient/p5', undefined, token, 'DELETE')).status, 200);
    await untilServed('Patient', 'p5', ({ status }) => status === 410);
  });

  it('the secret of the endpoint is enough, where a server has only a fixed header', async () => {
    assert.equal((await push('push', patient('p6'), secret)).status, 200);
  });

  it('what cannot become a resource is put aside with its reason, like a message', async () => {
    assert.equal((await push('push', { resourceType: 'Patient', id: 'bad', name: 'Doe' })).status, 200);
    await until('it is quarantined', async () => {
      const rows = await hub.database.query(
        sql`select from message where control_id like 'Patient/bad/%' and status = 2`,
      );
      return rows.length === 1;
    });
  });

  const refused: [string, () => Promise<HubResponse>, number][] = [
    [
      'another organization',
      async () =>
        push('push', patient('x'), await hub.token('hospital', { client_id: 'o', organization: 'Organization/other' })),
      404,
    ],
    [
      'a token that may not create',
      async () => push('push', patient('x'), await hub.token('ai', { client_id: 'a', organization })),
      403,
    ],
    ['another endpoint’s secret', () => push('push-alone', patient('x'), secret), 401],
    ['a wrong secret', () => push('push', patient('x'), `${secret}c`), 401],
    ['no credentials', () => hub.send('POST', '/fhir-push/push', undefined, { body: patient('x') }), 401],
    [
      'no credentials, an endpoint that is not there',
      () => hub.send('POST', '/fhir-push/nobody', undefined, { body: {} }),
      401,
    ],
    ['an endpoint that is not there', () => push('nobody', patient('x')), 404],
    ['a paused one', () => push('push-paused', patient('x')), 404],
    ['one of another kind', () => push('mllp', patient('x')), 404],
    ['a resource without an id', () => push('push', { resourceType: 'Patient' }), 422],
    ['a path that names another', () => push('push/Patient/y', patient('x'), token, 'PUT'), 422],
    ['a path that names nothing', () => push('push/patient/y', patient('x'), token, 'PUT'), 422],
    ['no JSON', () => push('push', '<Patient/>'), 400],
    [
      'another media type',
      () =>
        hub.send('POST', '/fhir-push/push', token, { body: '<x/>', headers: { 'content-type': 'application/xml' } }),
      415,
    ],
  ];
  for (const [what, send, status] of refused) {
    it(`refused: ${what}: ${status}`, async () => {
      const response = await send();
      assert.equal(response.status, status, response.text);
    });
  }
});
