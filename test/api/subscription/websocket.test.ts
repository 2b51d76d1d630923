/**
 * The channel websocket, from the token to the event.
 * @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from '../../../src/db/sql.ts';
import { given } from '../../given.ts';
import { givenConsent } from '../../given-consent.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { until } from '../../until.ts';
import { givenWebsocket, type WebsocketClient } from './client.ts';
import { givenSubscription, statusOf, type GivenSubscription, type Json } from './given.ts';

const scope = 'system/*.rs system/Subscription.cruds';

// Two workers: connections land on the main thread and on an API thread, which passes them on.
for (const [title, workers] of [
  ['one thread', '1'],
  ['an API thread beside the main one', '4'],
] as const) {
  describe(`websocket, with ${title}`, () => {
    let hub: GivenHub;
    let ai: string;
    let hospital: string;
    const clients: WebsocketClient[] = [];
    before(async () => {
      hub = await givenHub({ HUB_WORKERS: workers });
      hospital = await hub.token('hospital');
      ai = await hub.token('ai', { scope });
      await hub.send('PUT', 'Patient/p', hospital, { body: given.patient({ id: 'p' }) });
      const self = await hub.token('patient', { fhirUser: 'Patient/p' });
      const { status } = await hub.send('POST', 'Consent', self, {
        body: givenConsent('p', 'Organization/ai-health-manager'),
      });
      assert.equal(status, 201);
    });
    after(async () => {
      await Promise.all(clients.map((client) => client.close()));
      await hub.close();
    });

    async function created(more: GivenSubscription = {}, token = ai): Promise<string> {
      const { json, status, text } = await hub.send('POST', 'Subscription', token, { body: givenSubscription(more) });
      assert.equal(status, 201, text);
      return json['id'] as string;
    }
    async function tokenOf(
      query: string,
      token = ai,
    ): Promise<{ token: string; url: string; subscriptions: string[] }> {
      const { json, status, text } = await hub.send('GET', `Subscription/${query}`, token);
      assert.equal(status, 200, text);
      const valueOf = (name: string, key: string): string[] =>
        json['parameter']
          .filter((one: { name: string }) => one.name === name)
          .map((one: Record<string, string>) => one[key]);
      const [expiration] = valueOf('expiration', 'valueDateTime') as [string];
      assert.ok(Date.parse(expiration) > Date.now());
      return {
        token: valueOf('token', 'valueString')[0] as string,
        url: valueOf('websocket-url', 'valueUrl')[0] as string,
        subscriptions: valueOf('subscription', 'valueString'),
      };
    }
    async function connected(): Promise<WebsocketClient> {
      const client = await givenWebsocket(`${hub.fhir.replace('http', 'ws')}/_ws`);
      clients.push(client);
      return client;
    }
    async function bound(id: string): Promise<WebsocketClient> {
      const { token } = await tokenOf(`${id}/$get-ws-binding-token`);
      const client = await connected();
      client.send(`bind-with-token ${token}`);
      await client.until((told) => told.length > 0);
      return client;
    }
    let observations = 0;
    async function observe(): Promise<string> {
      const id = `o-${++observations}`;
      const { status } = await hub.send('PUT', `Observation/${id}`, hospital, {
        body: given.observation({ id, patient: 'p' }),
      });
      assert.equal(status, 201);
      return id;
    }
    const eventsOf = ({ told }: WebsocketClient): Json[] => told.flatMap(({ json }) => statusOf(json).events);

    it('a token is had for one subscription or for all, and names where to connect', async () => {
      const [one, two] = [await created(), await created()];
      const rest = await tokenOf(`${one}/$get-ws-binding-token`);
      assert.deepEqual(rest.subscriptions, [one]);
      assert.equal(rest.url, `${hub.fhir.replace('http', 'ws')}/_ws`);
      const all = await tokenOf('$get-ws-binding-token');
      assert.ok(all.subscriptions.includes(one) && all.subscriptions.includes(two));
      assert.deepEqual((await tokenOf(`$get-ws-binding-token?id=${two}`)).subscriptions, [two]);
    });

    it('handshake, then events; active once it is greeted', async () => {
      const id = await created();
      const client = await bound(id);
      const handshake = statusOf(client.told[0]?.json ?? {});
      assert.deepEqual([handshake['type'], handshake['status']], ['handshake', 'requested']);
      const observation = await observe();
      await client.until(() => eventsOf(client).length >= 1);
      const [event] = eventsOf(client);
      assert.deepEqual(
        [event?.['event-number'], event?.['focus'].reference],
        ['1', `${hub.fhir}/Observation/${observation}`],
      );
      assert.equal((await hub.send('GET', `Subscription/${id}`, ai)).json['status'], 'active');
    });

    it('several subscriptions on one connection, by one token or by several', async () => {
      const ids = [await created(), await created({ filters: ['Observation?patient=p'] })];
      const { token } = await tokenOf(`$get-ws-binding-token?id=${ids[0]}`);
      const second = await tokenOf(`$get-ws-binding-token?id=${ids[1]}`);
      const client = await connected();
      client.send(`bind-with-token ${token}`);
      client.send(`bind-with-token ${second.token}`);
      await client.until((told) => told.length >= 2);
      await observe();
      await client.until(() => eventsOf(client).length >= 2);
    });

    it('what happened while the client was away is told when it is back', async () => {
      const id = await created();
      const first = await bound(id);
      await observe();
      await first.until(() => eventsOf(first).length >= 1);
      await first.close();
      // Until the hub knows: what it sends into a connection that ends may be lost with it.
      const binding = sql`select from subscription where id = ${id} and binding is not null`;
      await until('it is not bound', async () => (await hub.database.query(binding)).length === 0);
      await observe();
      await observe();
      const second = await bound(id);
      await second.until(() => eventsOf(second).length >= 2);
      assert.deepEqual(
        eventsOf(second).map((event) => event['event-number']),
        ['2', '3'],
      );
    });

    it('the newest connection is told, and no other', async () => {
      const id = await created();
      const first = await bound(id);
      const second = await bound(id);
      await observe();
      await second.until(() => eventsOf(second).length >= 1);
      await sleep(200);
      assert.equal(eventsOf(first).length, 0);
    });

    describe('is closed', () => {
      for (const [what, text] of [
        ['a token that is none', `bind-with-token ${'x'.repeat(43)}`],
        ['another word', 'bind Subscription/1'],
        ['more than a token', `bind-with-token ${'x'.repeat(5_000)}`],
      ] as const) {
        it(`for ${what}`, async () => {
          const client = await connected();
          client.send(text);
          const [code] = await client.closed;
          assert.ok(code === 1008 || code === 1009, String(code));
          assert.equal(client.told.length, 0);
        });
      }
      it('for a token that was used', async () => {
        const { token } = await tokenOf(`${await created()}/$get-ws-binding-token`);
        const [one, two] = [await connected(), await connected()];
        one.send(`bind-with-token ${token}`);
        await one.until((told) => told.length > 0);
        two.send(`bind-with-token ${token}`);
        assert.equal((await two.closed)[0], 1008);
      });
      it('for a token of what is off by now', async () => {
        const id = await created();
        const { token } = await tokenOf(`${id}/$get-ws-binding-token`);
        assert.equal((await hub.send('DELETE', `Subscription/${id}`, ai)).status, 204);
        const client = await connected();
        client.send(`bind-with-token ${token}`);
        assert.equal((await client.closed)[0], 1008);
      });
    });

    it('ends with the subscription', async () => {
      const id = await created();
      const client = await bound(id);
      assert.equal((await hub.send('DELETE', `Subscription/${id}`, ai)).status, 204);
      await observe();
      await sleep(400);
      assert.equal(eventsOf(client).length, 0);
    });

    it('another path is no websocket, and another upgrade an ordinary request', async () => {
      await assert.rejects(givenWebsocket(`${hub.url.replace('http', 'ws')}/fhir/R4/metadata`));
      // As Java's client asks in passing.
      const request = get(`${hub.fhir}/.well-known/smart-configuration`, {
        headers: {
          connection: 'Upgrade, HTTP2-Settings',
          upgrade: 'h2c',
          'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA',
        },
      });
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      assert.equal(response.statusCode, 200);
    });
  });
}
