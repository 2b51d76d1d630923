/**
 * Subscription as a resource: what is taken, what is refused with which path, who sees it, and what is never shown.
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html
 */
import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { givenHub, type GivenHub, type HubResponse } from '../../given-hub.ts';
import { givenSubscription as subscription, statusOf, topics, type GivenSubscription, type Json } from './given.ts';

const endpoint = 'https://receiver.example/hooks/a';
const scope = 'system/*.rs system/Subscription.cruds';

describe('Subscription (R4, Subscriptions R5 Backport 1.1)', () => {
  let hub: GivenHub;
  let ai: string;
  before(async () => {
    hub = await givenHub({ HUB_SUBSCRIPTION_ALLOW: 'https://receiver.example/hooks,http://plain.example/' });
    ai = await hub.token('ai', { scope });
  });
  after(() => hub.close());

  const create = (body: AnyResource, token = ai): Promise<HubResponse> =>
    hub.send('POST', 'Subscription', token, { body });
  async function created(given?: GivenSubscription, token = ai): Promise<string> {
    const { status, json, text } = await create(subscription(given), token);
    assert.equal(status, 201, text);
    return json['id'] as string;
  }

  describe('is taken', () => {
    for (const [title, given] of [
      ['of a type', { filters: ['Observation?'] }],
      ['of a type in a record', { filters: ['Observation?patient=1&category=laboratory'] }],
      ['of several types', { filters: ['Observation?', 'Condition?clinical-status=active'] }],
      ['of a record', { topic: 'record-changed', filters: ['Resource?patient=Patient/1'] }],
      [
        'of some types of a record',
        { topic: 'record-changed', filters: ['Resource?patient=1&_type=Condition,Observation'] },
      ],
      ['of every record', { topic: 'record-changed', filters: [] }],
      ['of visits that begin', { topic: 'encounter-start', filters: ['Encounter?patient=1'] }],
      ['of visits that end', { topic: 'encounter-end', filters: [] }],
      ['in the form of R4', { topic: 'Observation?patient=1' }],
      ['for a rest-hook', { endpoint, header: ['Authorization: Bearer secret'], content: 'full-resource' }],
      ['with a pace', { heartbeat: 60, maxCount: 5, timeout: 10 }],
    ] as [string, GivenSubscription][]) {
      it(title, async () => {
        const { status, json, text } = await create(subscription(given));
        assert.equal(status, 201, text);
        assert.equal(json['status'], 'requested');
      });
    }
  });

  describe('is refused with 422 and the path', () => {
    const changed = (given: GivenSubscription, change: (resource: Json) => void): AnyResource => {
      const resource = structuredClone(subscription(given)) as Record<string, unknown>;
      change(resource);
      return resource as AnyResource;
    };
    for (const [title, body, path] of [
      ['a topic that is none', subscription({ topic: 'x' }), 'Subscription.criteria'],
      ['no filter where a type must be named', subscription({ filters: [] }), 'Subscription.criteria'],
      [
        'a filter of another type',
        subscription({ topic: 'encounter-end', filters: ['Patient?'] }),
        'Subscription.criteria.extension[0].value',
      ],
      [
        'a parameter that is none',
        subscription({ filters: ['Observation?nonsense=1'] }),
        'Subscription.criteria.extension[0].value',
      ],
      [
        'a parameter that the topic does not have',
        subscription({ topic: 'record-changed', filters: ['Resource?code=1'] }),
        'Subscription.criteria.extension[0].value',
      ],
      [
        'what shapes an answer',
        subscription({ filters: ['Observation?_count=1'] }),
        'Subscription.criteria.extension[0].value',
      ],
      [
        'reverse chains',
        subscription({ filters: ['Patient?_has:Observation:patient:code=1'] }),
        'Subscription.criteria.extension[0].value',
      ],
      [
        'events of Subscriptions',
        subscription({ filters: ['Subscription?'] }),
        'Subscription.criteria.extension[0].value',
      ],
      [
        'too many filters',
        subscription({ filters: Array.from({ length: 11 }, () => 'Observation?') }),
        'Subscription.criteria',
      ],
      [
        'a filter of the R4 form',
        changed({ filters: ['Observation?'] }, (s) => (s['criteria'] = 'Observation?')),
        'Subscription.criteria',
      ],
      [
        'no word of how much is told',
        changed({}, (s) => delete s['channel']['_payload']),
        'Subscription.channel.payload',
      ],
      [
        'a payload that is no JSON',
        changed({}, (s) => (s['channel'].payload = 'application/fhir+xml')),
        'Subscription.channel.payload',
      ],
      ['another channel', changed({}, (s) => (s['channel'].type = 'email')), 'Subscription.channel.type'],
      [
        'a rest-hook to nowhere',
        changed({}, (s) => (s['channel'].type = 'rest-hook')),
        'Subscription.channel.endpoint',
      ],
      [
        'an endpoint of a websocket',
        changed({ endpoint }, (s) => (s['channel'].type = 'websocket')),
        'Subscription.channel.endpoint',
      ],
      [
        'an endpoint that is not listed',
        subscription({ endpoint: 'https://elsewhere.example/hooks/a' }),
        'Subscription.channel.endpoint',
      ],
      [
        'whole resources over plain http',
        subscription({ endpoint: 'http://plain.example/a', content: 'full-resource' }),
        'Subscription.channel.endpoint',
      ],
      [
        'a header that the hub sets',
        subscription({ endpoint, header: ['Host: other'] }),
        'Subscription.channel.header[0]',
      ],
      [
        'a header of two lines',
        subscription({ endpoint, header: ['A: b', 'X: a\r\nHost: other'] }),
        'Subscription.channel.header[1]',
      ],
      [
        'a hidden value that is kept nowhere',
        subscription({ endpoint, header: ['X: ********'] }),
        'Subscription.channel.header[0]',
      ],
      ['a heartbeat every second', subscription({ heartbeat: 1 }), 'Subscription.channel'],
      [
        'an extension that would be ignored',
        changed({}, (s) => (s['extension'] = [{ url: 'http://x.example', valueString: 'x' }])),
        'Subscription.extension',
      ],
      [
        'a reference to a Patient',
        changed(
          {},
          (s) =>
            (s['contact'] = [{ extension: [{ url: 'http://x.example', valueReference: { reference: 'Patient/1' } }] }]),
        ),
        'Subscription',
      ],
    ] as [string, AnyResource, string][]) {
      it(title, async () => {
        const { status, json, text } = await create(body);
        assert.equal(status, 422, text);
        assert.deepEqual(json['issue'][0].expression, [path], text);
      });
    }

    it('a type that the scope does not cover is 403', async () => {
      const narrow = await hub.token('ai', { scope: 'system/Condition.rs system/Subscription.cruds' });
      assert.equal((await create(subscription(), narrow)).status, 403);
      const searching = await hub.token('ai', { scope: 'system/Observation.s system/Subscription.cruds' });
      assert.equal((await create(subscription(), searching)).status, 201);
      assert.equal((await create(subscription({ content: 'full-resource' }), searching)).status, 403);
    });
    it('a token without a purpose is 403', async () => {
      const operator = await hub.token('operator', { scope: 'hub/ops system/*.rs system/Subscription.cruds' });
      assert.equal((await create(subscription(), operator)).status, 403);
    });
    it('a payment service subscribes to no element it does not get', async () => {
      const payment = await hub.token('payment', { scope });
      assert.equal((await create(subscription({ filters: ['Patient?address-city=Wuhan'] }), payment)).status, 403);
    });
    it('more than 50 of a client is 429', async () => {
      const many = await hub.token('ai', { scope, client_id: 'many' });
      for (let n = 0; n < 50; n++) await created({}, many);
      assert.equal((await create(subscription(), many)).status, 429);
    });
  });

  describe('is seen by its creator alone', () => {
    it('not by others of the same organization, nor by another purpose of the same client', async () => {
      const id = await created();
      const others = await Promise.all([
        hub.token('ai', { scope, client_id: 'colleague' }),
        hub.token('ai', { scope, purpose_of_use: 'HOPERAT' }),
        hub.token('hospital'),
        hub.token('patient', { fhirUser: 'Patient/1', scope: 'patient/*.rs patient/Subscription.cruds' }),
      ]);
      assert.equal((await hub.send('GET', `Subscription/${id}`, ai)).status, 200);
      const unknown = await hub.send('GET', 'Subscription/none', others[0]);
      for (const token of others) {
        const read = await hub.send('GET', `Subscription/${id}`, token);
        assert.deepEqual([read.status, read.text], [404, unknown.text]);
        const search = await hub.send('GET', `Subscription?_id=${id}&_total=accurate`, token);
        assert.equal(search.json['total'], 0, search.text);
        for (const operation of ['$status', '$events', '$get-ws-binding-token']) {
          assert.equal((await hub.send('GET', `Subscription/${id}/${operation}`, token)).status, 404, operation);
        }
        assert.equal((await hub.send('GET', `Subscription/$status?id=${id}`, token)).json['total'], 0);
      }
      const hospital = others[2];
      assert.equal((await hub.send('DELETE', `Subscription/${id}`, hospital)).status, 404);
      assert.equal(
        (await hub.send('PUT', `Subscription/${id}`, hospital, { body: { ...subscription(), id } })).status,
        404,
      );
    });

    it('a renewed token of the same caller finds it', async () => {
      const id = await created();
      const renewed = await hub.token('ai', { scope });
      assert.equal((await hub.send('GET', `Subscription/${id}`, renewed)).status, 200);
      assert.equal((await hub.send('GET', 'Subscription?status=requested', renewed)).json['entry'].length > 0, true);
    });

    it('a patient has them too, for their own record', async () => {
      const self = await hub.token('patient', {
        fhirUser: 'Patient/1',
        patient: '1',
        scope: 'patient/*.rs patient/Subscription.cruds',
      });
      const id = await created({}, self);
      assert.equal((await hub.send('GET', `Subscription/${id}`, self)).status, 200);
      assert.equal((await hub.send('DELETE', `Subscription/${id}`, self)).status, 204);
    });
  });

  describe('header values (secrets)', () => {
    const canary = 'CANARY-5e1f';
    it('are shown nowhere: not in the answer, not in a read, a search, a history', async () => {
      const id = await created({ endpoint, header: [`Authorization: Bearer ${canary}`] });
      const answers = await Promise.all(
        [
          `Subscription/${id}`,
          `Subscription?_id=${id}`,
          `Subscription/${id}/_history`,
          `Subscription/${id}/_history/1`,
          `Subscription/${id}/$status`,
        ].map(async (path) => hub.send('GET', path, ai)),
      );
      for (const { text } of answers) assert.equal(text.includes(canary), false, text);
      assert.deepEqual(answers[0]?.json['channel'].header, ['Authorization: ********']);
    });
    it('are stored nowhere in plain', async () => {
      const id = await created({ endpoint, header: [`X-Key: ${canary}`] });
      const rows = await hub.database.query<{ text: string }>(sql`
        select s::text || r.body as text from subscription s
        join resource r on r.id = s.id where s.id = ${id}`);
      assert.equal(rows.length, 1);
      assert.equal(rows[0]?.text.includes(canary), false);
    });
    it('stay what they are when they are sent back hidden', async () => {
      const id = await created({ endpoint, header: ['X-Key: abc'] });
      const { json } = await hub.send('GET', `Subscription/${id}`, ai);
      const { status, text } = await hub.send('PUT', `Subscription/${id}`, ai, {
        body: { ...json, reason: 'another' },
      });
      assert.equal(status, 200, text);
      const added = { ...json, channel: { ...json['channel'], header: ['X-Key: ********', 'X-Other: ********'] } };
      assert.equal((await hub.send('PUT', `Subscription/${id}`, ai, { body: added })).status, 422);
    });
  });

  describe('$status', () => {
    it('says how it is, in a searchset of one entry each', async () => {
      const id = await created();
      const { json } = await hub.send('GET', `Subscription/${id}/$status`, ai);
      assert.deepEqual([json['type'], json['total']], ['searchset', 1]);
      const status = statusOf(json);
      assert.equal(status['type'], 'query-status');
      assert.equal(status['status'], 'requested');
      assert.equal(status['topic'], `${topics}/resource-changed`);
      assert.equal(status['events-since-subscription-start'], '0');
      assert.deepEqual(status['subscription'], { reference: `${hub.fhir}/Subscription/${id}` });
    });
    it('of all, of some, by status', async () => {
      const client = await hub.token('ai', { scope, client_id: 'lister' });
      const [one, two] = [await created({}, client), await created({ status: 'off' }, client)];
      const totalOf = async (query: string): Promise<number> =>
        (await hub.send('GET', `Subscription/$status${query}`, client)).json['total'] as number;
      assert.equal(await totalOf(''), 2);
      assert.equal(await totalOf(`?id=${one}`), 1);
      assert.equal(await totalOf('?status=off'), 1);
      assert.equal(await totalOf(`?id=${two}&status=requested`), 0);
      assert.equal(await totalOf('?status=off&status=requested'), 2);
    });
  });

  it('is off when its creator says so, and gone when it is deleted', async () => {
    const id = await created();
    const { json } = await hub.send('GET', `Subscription/${id}`, ai);
    const off = await hub.send('PUT', `Subscription/${id}`, ai, { body: { ...json, status: 'off' } });
    assert.equal(off.json['status'], 'off', off.text);
    assert.equal((await hub.send('DELETE', `Subscription/${id}`, ai)).status, 204);
    assert.equal((await hub.send('GET', `Subscription/${id}/$status`, ai)).status, 404);
  });

  it('by PATCH and in a transaction too', async () => {
    const id = await created({ endpoint, header: ['X-Key: abc'] });
    const body = [{ op: 'replace', path: '/channel/endpoint', value: 'https://elsewhere.example/' }];
    const headers = { 'content-type': 'application/json-patch+json' };
    assert.equal((await hub.send('PATCH', `Subscription/${id}`, ai, { body, headers })).status, 422);
    const entry = [
      {
        resource: subscription({ endpoint: 'https://elsewhere.example/' }),
        request: { method: 'POST', url: 'Subscription' },
      },
    ];
    const bundle = { resourceType: 'Bundle', type: 'transaction', entry };
    assert.equal((await hub.send('POST', '', ai, { body: bundle })).status, 422);
    const good = { ...bundle, entry: [{ ...entry[0], resource: subscription({ endpoint, header: ['X: CANARY-9'] }) }] };
    const done = await hub.send('POST', '', ai, { body: good, headers: { prefer: 'return=representation' } });
    assert.equal(done.status, 200, done.text);
    assert.equal(done.text.includes('CANARY-9'), false);
  });

  it('the CapabilityStatement names the guide, the topics and the websocket', async () => {
    const { json } = await hub.send('GET', 'metadata', undefined);
    const [rest] = json['rest'];
    const type = rest.resource.find((one: { type: string }) => one.type === 'Subscription');
    const named = type.extension.map(({ valueCanonical }: { valueCanonical: string }) => valueCanonical);
    assert.deepEqual(
      named.toSorted(),
      ['encounter-end', 'encounter-start', 'record-changed', 'resource-changed'].map((name) => `${topics}/${name}`),
    );
    assert.match(type.supportedProfile[0], /backport-subscription$/);
    assert.deepEqual(
      type.operation
        .map(({ name }: { name: string }) => name)
        .filter((name: string) => /status|events|token/.test(name))
        .toSorted(),
      ['events', 'get-ws-binding-token', 'status'],
    );
    assert.equal(rest.extension[0].valueUri, `${hub.fhir.replace('http', 'ws')}/_ws`);
  });
});
