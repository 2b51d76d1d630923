/** What attacks on a client's assertion come to. @see RFC 8725, RFC 7523, SMART asymmetric client authentication */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, type CryptoKey } from 'jose';
import { authenticateClient, sweepExpired } from '../../../src/access/client/assertion.ts';
import { disableClient } from '../../../src/access/client/client.ts';
import { openDatabase } from '../../../src/db.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { givenClient, type Changes, type GivenClient } from './given.ts';

const now = (): number => Math.trunc(Date.now() / 1000);

describe('client assertions (SMART asymmetric authentication, RFC 7523, RFC 8725)', function () {
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

  const refused = async (changes: Changes, from = client): Promise<void> => {
    const { status, json } = await client.token({ client_assertion: await from.assertion(changes) });
    assert.deepEqual([status, json['error'], json['access_token']], [401, 'invalid_client', undefined]);
  };

  for (const alg of ['RS384', 'ES384', 'RS256', 'ES256', 'PS256', 'PS384', 'EdDSA', 'Ed25519']) {
    it(`${alg} is taken`, async () => {
      const one = await givenClient(hub, `by-${alg}`, { alg });
      assert.equal((await one.token()).status, 200);
    });
  }

  const accepted: readonly [string, () => Changes][] = [
    ['SMART: the audience is the URL of the token endpoint', () => ({})],
    ['an audience in a list of one', () => ({ claims: { aud: [`${hub.url}/oauth/token`] } })],
    ['the issuer as audience (RFC 7523bis)', () => ({ claims: { aud: hub.url } })],
    ['without iat', () => ({ claims: { iat: undefined } })],
    ['a clock 50 s behind', () => ({ claims: { iat: now() - 110, exp: now() - 50 } })],
    ['a clock 50 s ahead', () => ({ claims: { iat: now() + 50, exp: now() + 350 } })],
    ['the type of RFC 7523bis', () => ({ header: { typ: 'client-authentication+jwt' } })],
  ];
  for (const [title, changes] of accepted) {
    it(`accepted: ${title}`, async () => {
      assert.equal((await client.token({ client_assertion: await client.assertion(changes()) })).status, 200);
    });
  }

  const attacks: readonly [string, () => Changes][] = [
    ['another audience', () => ({ claims: { aud: 'https://other.example/token' } })],
    ['the FHIR base as audience', () => ({ claims: { aud: hub.fhir } })],
    ['no audience', () => ({ claims: { aud: undefined } })],
    ['a second audience', () => ({ claims: { aud: [`${hub.url}/oauth/token`, 'https://other.example'] } })],
    ['iss is another than sub', () => ({ claims: { iss: 'other' } })],
    ['sub of another client, signed by the own key', () => ({ claims: { iss: 'other', sub: 'other' } })],
    ['no sub', () => ({ claims: { sub: undefined } })],
    ['no iss', () => ({ claims: { iss: undefined } })],
    ['an unknown client', () => ({ claims: { iss: 'nobody', sub: 'nobody' } })],
    ['a client that is no id', () => ({ claims: { iss: 'a\u0000b', sub: 'a\u0000b' } })],
    ['expired, beyond what clocks may differ', () => ({ claims: { exp: now() - 61 } })],
    ['no exp', () => ({ claims: { exp: undefined } })],
    ['exp is a text', () => ({ claims: { exp: String(now() + 60) } })],
    ['an hour of life (SMART: five minutes at most)', () => ({ claims: { exp: now() + 3600 } })],
    ['issued in the future', () => ({ claims: { iat: now() + 120 } })],
    ['not yet valid', () => ({ claims: { nbf: now() + 120 } })],
    ['no jti, so it could be sent again', () => ({ claims: { jti: undefined } })],
    ['a jti of no length', () => ({ claims: { jti: '' } })],
    ['a jti of any length', () => ({ claims: { jti: 'a'.repeat(256) } })],
    ['a jti that is a list', () => ({ claims: { jti: ['a'] } })],
    ['an unknown kid', () => ({ header: { kid: 'none' } })],
    ['no kid', () => ({ header: { kid: undefined } })],
    ['an access token (typ)', () => ({ header: { typ: 'at+jwt' } })],
    ['no typ', () => ({ header: { typ: undefined } })],
    ['the key of another client', () => ({ key: other.key })],
    ['the key and kid of another client', () => ({ key: other.key, header: { kid: other.kid } })],
    ['longer than any assertion', () => ({ claims: { padding: 'a'.repeat(9_000) } })],
  ];
  for (const [title, changes] of attacks) {
    it(`LEAKS 50: refused: ${title}`, () => refused(changes()));
  }

  it('LEAKS 50: refused: alg none, and a signature taken away', async () => {
    const [, body = ''] = (await client.assertion()).split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT', kid: client.kid })).toString('base64url');
    for (const assertion of [`${none}.${body}.`, `${none}.${body}`, `${none}.${body}.AA`, 'a.b.c', '']) {
      const { status, json } = await client.token({ client_assertion: assertion });
      assert.deepEqual([status, json['error']], [401, 'invalid_client'], assertion);
    }
  });

  it('LEAKS 50: refused: HS256 with the public key as the secret, in each of its forms', async () => {
    const publicKey = (await importJWK(client.publicJwk, 'ES384', { extractable: true })) as CryptoKey;
    for (const secret of [JSON.stringify(client.publicJwk), await exportSPKI(publicKey)]) {
      await refused({ header: { alg: 'HS256' }, key: new TextEncoder().encode(secret) });
    }
  });

  it('LEAKS 50: a key answers for its algorithm alone: RS384 registered, PS384 refused', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS384', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'rsa' };
    const rsa = await givenClient(hub, 'rsa', { jwks: JSON.stringify({ keys: [jwk] }) });
    const asPss = (await importJWK({ ...(await exportJWK(privateKey)) }, 'PS384')) as CryptoKey;
    await refused({ header: { alg: 'PS384', kid: 'rsa' }, key: asPss }, rsa);
    const right = await rsa.assertion({ header: { alg: 'RS384', kid: 'rsa' }, key: privateKey });
    assert.equal((await rsa.token({ client_assertion: right })).status, 200);
  });

  it('LEAKS 41, 50: refused: keys brought along (jwk, x5c) or pointed at (jku, x5u); no address is asked', async () => {
    let asked = 0;
    const { privateKey, publicKey } = await generateKeyPair('ES384', { extractable: true });
    const jwk = await exportJWK(publicKey);
    const server = createServer((_request, response) => {
      asked++;
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: 'mine' }] }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    for (const header of [{ jwk }, { jku: url }, { x5u: url }, { x5c: ['MIIB'] }]) {
      await refused({ header: { ...header, kid: 'mine' }, key: privateKey });
      // By its own key: still nothing that a registration does not say.
      await refused({ header });
    }
    server.close();
    assert.equal(asked, 0);
  });

  it('who is registered is not told: unknown, disabled, wrong key and unknown kid are the same bytes', async () => {
    const gone = await givenClient(hub, 'gone');
    await disableClient(hub.database, hub.url, 'gone');
    const assertions = [
      await gone.assertion(),
      await client.assertion({ key: other.key }),
      await client.assertion({ header: { kid: 'none' } }),
      await client.assertion({ claims: { iss: 'nobody', sub: 'nobody' } }),
    ];
    const answers = await Promise.all(assertions.map((one) => client.token({ client_assertion: one })));
    assert.equal(new Set(answers.map(({ status, json }) => JSON.stringify([status, json]))).size, 1);
    assert.equal(answers[0]?.status, 401);
  });

  it('LEAKS 32: a client gets its tokens from its networks alone, and is told no more than whoever did not sign', async () => {
    const here = await givenClient(hub, 'from-here', { networks: ['127.0.0.0/8', '::1'] });
    const elsewhere = await givenClient(hub, 'from-elsewhere', { networks: ['10.1.0.0/16'] });
    assert.equal((await here.token()).status, 200);
    const refusal = await elsewhere.token();
    const unsigned = await elsewhere.token({ client_assertion: await elsewhere.assertion({ key: other.key }) });
    assert.equal(refusal.status, 401);
    assert.deepEqual(refusal.json, unsigned.json);
  });

  it('LEAKS 50: of 64 at once with the same assertion exactly one gets a token', async () => {
    const assertion = await client.assertion();
    const answers = await Promise.all(Array.from({ length: 64 }, () => client.token({ client_assertion: assertion })));
    const statuses = answers.map(({ status }) => status).toSorted((one, two) => one - two);
    assert.deepEqual(statuses, [200, ...Array.from({ length: 63 }, () => 401)]);
    assert.equal((await client.token({ client_assertion: assertion })).status, 401);
  });

  it('LEAKS 50: the same in two processes: one table decides', async () => {
    const assertion = await client.assertion();
    const second = openDatabase({ url: hub.databaseUrl });
    const context = { issuer: hub.url, tokenEndpoint: `${hub.url}/oauth/token`, now: Date.now() };
    const outcomes = await Promise.allSettled(
      Array.from({ length: 64 }, (_, at) =>
        authenticateClient(assertion, { ...context, db: at % 2 === 0 ? hub.database : second }),
      ),
    );
    await second.close();
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') assert.equal(outcome.reason.error, 'invalid_client');
  });

  it('the same jti from two clients are two assertions', async () => {
    const claims = { jti: 'the-same' };
    for (const one of [client, other]) {
      assert.equal((await one.token({ client_assertion: await one.assertion({ claims }) })).status, 200);
    }
  });

  it('an assertion is used up by any endpoint', async () => {
    const assertion = await client.assertion();
    assert.equal((await client.post('/oauth/introspect', { client_assertion: assertion, token: 'x' })).status, 200);
    assert.equal((await client.token({ client_assertion: assertion })).status, 401);
  });

  it('used assertions are remembered as long as a clock may believe them, and then go', async () => {
    const assertion = await client.assertion({ claims: { jti: 'kept' } });
    await client.token({ client_assertion: assertion });
    await sweepExpired(hub.database);
    assert.equal((await client.token({ client_assertion: assertion })).status, 401);
    await hub.database.query(sql`update client_assertion set expires_at = now() - interval '2 hours'`);
    await sweepExpired(hub.database);
    assert.deepEqual(await hub.database.query(sql`select from client_assertion`), []);
  });

  it('a refusal says what is wrong with the assertion', async () => {
    const rows: readonly [object, RegExp][] = [
      [{ exp: now() - 61 }, /expired/],
      [{ exp: now() + 3600 }, /300 seconds/],
      [{ iss: 'other' }, /iss and sub/],
      [{ aud: 'https://other.example' }, /aud/],
      [{ jti: undefined }, /jti/],
    ];
    for (const [claims, text] of rows) {
      const { json } = await client.token({ client_assertion: await client.assertion({ claims }) });
      assert.match(String(json['error_description']), text);
    }
  });
});
