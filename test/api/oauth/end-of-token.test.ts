/** How tokens end before their time, and who may ask. @see RFC 7662, RFC 7009 */
import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import { disableClient, findClient, registerClient } from '../../../src/access/client/client.ts';
import { purpose } from '../../../src/access/principal/purpose.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenClient, postForm, type GivenClient } from './given.ts';

describe('POST /oauth/introspect (RFC 7662) and /oauth/revoke (RFC 7009)', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let client: GivenClient;
  let other: GivenClient;
  before(async () => {
    hub = await givenHub();
    client = await givenClient(hub, 'assistant');
    other = await givenClient(hub, 'other', { organization: 'Organization/other' });
  });
  after(() => hub.close());

  const tokenOf = async (one: GivenClient): Promise<string> => String((await one.token()).json['access_token']);
  const introspect = async (one: GivenClient, token: string): Promise<Record<string, unknown>> =>
    (await one.post('/oauth/introspect', { token })).json;

  it('a token of the client is active, with its claims', async () => {
    const token = await tokenOf(client);
    assert.deepEqual(await introspect(client, token), { active: true, token_type: 'bearer', ...decodeJwt(token) });
  });

  it('for everybody else, and whatever is no token, the answer is the same', async () => {
    const foreign = await tokenOf(other);
    for (const token of [foreign, `${foreign}x`, 'a.b.c', 'x', await client.assertion(), await hub.token('ai')]) {
      assert.deepEqual(await introspect(client, token), { active: false });
    }
  });

  it('both want a client, and a token', async () => {
    for (const path of ['/oauth/introspect', '/oauth/revoke']) {
      const { status, json } = await postForm(`${hub.url}${path}`, { token: await tokenOf(client) });
      assert.deepEqual([status, json['error']], [401, 'invalid_client']);
      const without = await client.post(path, {});
      assert.deepEqual([without.status, without.json['error']], [400, 'invalid_request']);
    }
  });

  it('a revoked token is refused with the next request, and is not active', async () => {
    const token = await tokenOf(client);
    assert.equal((await hub.send('GET', 'Patient', token)).status, 200);
    assert.deepEqual((await client.post('/oauth/revoke', { token })).status, 200);
    assert.equal((await hub.send('GET', 'Patient', token)).status, 401);
    assert.deepEqual(await introspect(client, token), { active: false });
    assert.equal((await client.post('/oauth/revoke', { token })).status, 200, 'again is as good as once');
    assert.equal((await hub.send('GET', 'Patient', await tokenOf(client))).status, 200, 'others of the client stay');
  });

  it("nobody revokes another's token; what is no token needs none", async () => {
    const token = await tokenOf(other);
    const { status, json } = await client.post('/oauth/revoke', { token });
    assert.deepEqual([status, json['error']], [400, 'invalid_grant']);
    assert.equal((await hub.send('GET', 'Patient', token)).status, 200);
    assert.equal((await client.post('/oauth/revoke', { token: 'a.b.c' })).status, 200);
  });

  it('a disabled client gets nothing, and its tokens end within a second', async () => {
    const leaver = await givenClient(hub, 'leaver');
    const token = await tokenOf(leaver);
    assert.equal((await hub.send('GET', 'Patient', token)).status, 200);
    await disableClient(hub.database, hub.url, 'leaver');
    assert.equal((await leaver.token()).status, 401);
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    assert.equal((await hub.send('GET', 'Patient', token)).status, 403);
    const found = await findClient(hub.database, hub.url, 'leaver');
    assert.equal(found, undefined);
  });

  it('a client without keys (its tokens are made by the operator) gets none here', async () => {
    const bare = await givenClient(hub, 'bare');
    await registerClient(hub.database, {
      issuer: hub.url,
      id: 'bare',
      kind: 'ai',
      organization: 'Organization/x',
      purposes: 1,
    });
    assert.equal((await bare.token()).status, 401);
  });

  it('tokens and their revocations are in the trail before the answer, by jti; what strangers try is counted', async () => {
    const token = String((await client.token()).json['access_token']);
    await client.post('/oauth/revoke', { token });
    await client.token({ client_assertion: await client.assertion({ key: other.key }) });
    const rows = await hub.database.query(sql`
      select interaction, client, organization, purposes, outcome from audit_entry
      where jti = ${decodeJwt(token).jti} order by at, seq`);
    const of = { client: 'assistant', organization: 'Organization/ai-health-manager', outcome: 0 };
    assert.deepEqual(rows, [
      { ...of, interaction: 'token', purposes: purpose.treatment },
      { ...of, interaction: 'token-revoke', purposes: 0 },
    ]);
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    assert.match(metrics, /hub_http_requests_total\{interaction="token",status="401"\} \d+/);
  });
});
