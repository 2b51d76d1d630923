/** Registration of an app with a ticket. @see RFC 7591 */
import assert from 'node:assert/strict';
import { exportJWK, generateKeyPair } from 'jose';
import { showClient } from '../../../src/access/client/client.ts';
import { makeTicket } from '../../../src/access/oauth/ticket.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';

const scopes = ['launch/patient', 'openid', 'offline_access', 'patient/*.rs'];

describe('POST /oauth/register (RFC 7591)', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let jwks: object;
  before(async () => {
    hub = await givenHub();
    const { publicKey } = await generateKeyPair('ES384', { extractable: true });
    jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] };
  });
  after(() => hub.close());

  const ticketOf = (changes = {}): Promise<string> => makeTicket(hub.database, { issuer: hub.url, scopes, ...changes });
  const metadata = { client_name: 'Diary', redirect_uris: ['https://diary.example/callback'] };
  async function register(ticket: string | undefined, body: unknown = metadata, headers = {}) {
    const response = await fetch(`${hub.url}/oauth/register`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(ticket === undefined ? {} : { authorization: `Bearer ${ticket}` }),
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const json = (await response.json()) as Record<string, unknown>;
    return { status: response.status, headers: response.headers, json };
  }

  it('a public app: what it said, and what the ticket allows', async () => {
    const { status, json, headers } = await register(await ticketOf());
    assert.equal(status, 201);
    const { client_id: id, client_id_issued_at: at, ...rest } = json;
    assert.match(String(id), /^app-[0-9a-f-]{36}$/);
    assert.ok(Math.abs(Number(at) - Date.now() / 1000) < 60);
    assert.deepEqual(rest, {
      client_name: 'Diary',
      redirect_uris: ['https://diary.example/callback'],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      scope: 'openid launch/patient offline_access patient/*.rs',
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: 'ES256',
      dpop_bound_access_tokens: false,
    });
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.deepEqual(await showClient(hub.database, hub.url, String(id)), {
      issuer: hub.url,
      id,
      kind: 'app',
      name: 'Diary',
      organization: null,
      redirectUris: ['https://diary.example/callback'],
      isDpopBound: false,
      purposes: ['PATRQT'],
      scope: 'openid launch/patient offline_access patient/*.rs',
      keys: [],
      isActive: true,
    });
  });

  it('a confidential app, with less than the ticket allows, and bound to its keys', async () => {
    const body = { ...metadata, jwks, scope: 'patient/Patient.rs', dpop_bound_access_tokens: true };
    const { json } = await register(await ticketOf(), body);
    assert.deepEqual(
      [json['token_endpoint_auth_method'], json['scope'], json['grant_types'], json['dpop_bound_access_tokens']],
      ['private_key_jwt', 'patient/Patient.rs', ['authorization_code'], true],
    );
    assert.equal((json['jwks'] as { keys: { kid: string }[] }).keys[0]?.kid, 'k');
  });

  it('a ticket is good once: of 16 at once, one', async () => {
    const ticket = await ticketOf();
    const all = await Promise.all(Array.from({ length: 16 }, () => register(ticket)));
    const statuses = all.map(({ status }) => status);
    assert.deepEqual(
      [statuses.filter((one) => one === 201).length, statuses.filter((one) => one === 401).length],
      [1, 15],
    );
  });

  it('without a ticket that is good nobody registers, and nothing is read', async () => {
    const old = await ticketOf();
    await hub.database.query(
      sql`update client_ticket set expires_at = now() - interval '1 second' where client is null`,
    );
    const foreign = await makeTicket(hub.database, { issuer: 'https://other.example', scopes });
    for (const ticket of [undefined, 'x', 'a'.repeat(43), old, foreign, await hub.token('operator')]) {
      const { status, json, headers } = await register(ticket, '{');
      assert.deepEqual([status, json['error']], [401, 'invalid_token']);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/);
    }
  });

  const refused: readonly [string, unknown, string][] = [
    ['no JSON', '{', 'invalid_client_metadata'],
    ['a list', [], 'invalid_client_metadata'],
    ['a member twice', '{"client_name":"a","client_name":"b"}', 'invalid_client_metadata'],
    ['no name', { client_name: undefined }, 'invalid_client_metadata'],
    ['a name with markup', { client_name: '<b>' }, 'invalid_client_metadata'],
    ['a name that turns the line round', { client_name: 'abc\u202Edef' }, 'invalid_client_metadata'],
    ['a name of any length', { client_name: 'a'.repeat(65) }, 'invalid_client_metadata'],
    ['no redirect URI', { redirect_uris: undefined }, 'invalid_redirect_uri'],
    ['an empty list of them', { redirect_uris: [] }, 'invalid_redirect_uri'],
    [
      'eleven of them',
      { redirect_uris: Array.from({ length: 11 }, (_, at) => `https://a.example/${at}`) },
      'invalid_redirect_uri',
    ],
    ['one in the open', { redirect_uris: ['http://diary.example/'] }, 'invalid_redirect_uri'],
    ['one with a fragment', { redirect_uris: ['https://diary.example/#a'] }, 'invalid_redirect_uri'],
    ['one with a pattern', { redirect_uris: ['https://*.example/'] }, 'invalid_redirect_uri'],
    ['one with a user', { redirect_uris: ['https://a:b@diary.example/'] }, 'invalid_redirect_uri'],
    ['one that runs', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
    ['one that holds data', { redirect_uris: ['data:text/html,x'] }, 'invalid_redirect_uri'],
    ['a file', { redirect_uris: ['file:///etc/passwd'] }, 'invalid_redirect_uri'],
    ['a scheme without a domain', { redirect_uris: ['diary:/callback'] }, 'invalid_redirect_uri'],
    ['a relative one', { redirect_uris: ['/callback'] }, 'invalid_redirect_uri'],
    ['one that ends a header', { redirect_uris: ['https://a.example/\r\nx: y'] }, 'invalid_redirect_uri'],
    ['keys and none', { token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata'],
    ['a secret', { token_endpoint_auth_method: 'client_secret_basic' }, 'invalid_client_metadata'],
    ['LEAKS 41: an address of keys', { jwks_uri: 'http://127.0.0.1:1/' }, 'invalid_client_metadata'],
    [
      'a private key',
      { jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'a', y: 'b', d: 'c', kid: 'k' }] } },
      'invalid_client_metadata',
    ],
    ['the implicit grant', { grant_types: ['implicit'] }, 'invalid_client_metadata'],
    ['the grant of services', { grant_types: ['client_credentials'] }, 'invalid_client_metadata'],
    ['a token in the answer', { response_types: ['token'] }, 'invalid_client_metadata'],
    ['a software statement', { software_statement: 'a.b.c' }, 'invalid_client_metadata'],
    ['RS256 in id_tokens', { id_token_signed_response_alg: 'RS256' }, 'invalid_client_metadata'],
    ['scopes beyond the ticket', { scope: 'patient/Patient.cud' }, 'invalid_scope'],
    ['scopes of services', { scope: 'system/*.rs' }, 'invalid_scope'],
    ['scopes of nothing', { scope: 'nonsense' }, 'invalid_scope'],
  ];
  for (const [title, changes, error] of refused) {
    it(`refused, and the ticket stays good: ${title}`, async () => {
      const ticket = await ticketOf();
      const isWhole = typeof changes === 'string' || Array.isArray(changes);
      const { status, json } = await register(ticket, isWhole ? changes : { ...metadata, ...(changes as object) });
      assert.deepEqual([status, json['error']], [400, error], JSON.stringify(json));
      assert.match(String(json['error_description']), /^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/);
      assert.equal((await register(ticket)).status, 201);
    });
  }

  it('native apps: loopback, and a domain backwards', async () => {
    const redirect_uris = ['http://127.0.0.1:8000/callback', 'http://[::1]/callback', 'example.diary:/callback'];
    assert.equal((await register(await ticketOf(), { ...metadata, redirect_uris })).status, 201);
  });

  it('takes JSON, of bounded size, by POST', async () => {
    const ticket = await ticketOf();
    assert.equal((await register(ticket, 'a=b', { 'content-type': 'application/x-www-form-urlencoded' })).status, 400);
    assert.equal((await register(ticket, { ...metadata, padding: 'a'.repeat(33_000) })).status, 413);
    assert.equal((await fetch(`${hub.url}/oauth/register`)).status, 405);
  });

  it('a ticket is kept as a hash', async () => {
    const ticket = await ticketOf();
    const rows = await hub.database.query(sql`select client_ticket::text as row from client_ticket`);
    assert.equal(JSON.stringify(rows).includes(ticket), false);
  });
});
