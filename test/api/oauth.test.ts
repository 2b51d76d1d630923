/**
 * The authorization server: SMART Backend Services, introspection, revocation; and what attacks on a client's
 * assertion come to (RFC 8725, RFC 7523, LEAKS 50).
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import fc from 'fast-check';
import {
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  type CryptoKey,
} from 'jose';
import { registerClient, disableClient, findClient } from '../../src/access/client.ts';
import { authenticateClient, sweepExpired } from '../../src/access/assertion.ts';
import { purpose } from '../../src/access/purpose.ts';
import { openDatabase } from '../../src/db.ts';
import { sql } from '../../src/db/sql.ts';
import { givenHub, type GivenHub } from '../given-hub.ts';
import { assertionType, givenClient, postForm, type Changes, type GivenClient } from './given-client.ts';

const now = (): number => Math.trunc(Date.now() / 1000);

describe('authorization server: POST /oauth/token (SMART Backend Services)', function () {
  this.timeout(60_000);
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

  it('given a signed assertion, then a token of five minutes in the form that the facade verifies', async () => {
    const { status, headers, json } = await client.token();
    assert.equal(status, 200, JSON.stringify(json));
    assert.deepEqual(
      [json['token_type'], json['expires_in'], json['scope'], headers.get('cache-control'), headers.get('pragma')],
      ['bearer', 300, 'system/Patient.rs', 'no-store', 'no-cache'],
    );
    const token = String(json['access_token']);
    assert.equal(decodeProtectedHeader(token).typ, 'at+jwt');
    const { iat = 0, exp, jti, ...claims } = decodeJwt(token);
    assert.equal(exp, iat + 300);
    assert.equal(jti?.length, 36);
    assert.deepEqual(claims, {
      iss: hub.url,
      aud: hub.fhir,
      sub: 'assistant',
      client_id: 'assistant',
      scope: 'system/Patient.rs',
      organization: 'Organization/ai-health-manager',
      purpose_of_use: 'TREAT',
    });
    assert.equal((await hub.send('GET', 'Patient', token)).status, 200);
  });

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

  it('64 at once are worked on; the next is told to wait, and nobody is lost', async () => {
    const ask = () => postForm(`${hub.url}/oauth/token`, assertions.pop() as Record<string, string>);
    const assertions = await Promise.all(
      Array.from({ length: 65 }, async () => ({
        grant_type: 'client_credentials',
        scope: 'system/*.rs',
        client_assertion_type: assertionType,
        client_assertion: await other.assertion(),
      })),
    );
    let working: Promise<number[]> | undefined;
    await hub.database.inTransaction(async (tx) => {
      await tx.query(sql`lock table client in access exclusive mode`);
      working = Promise.all(Array.from({ length: 64 }, async () => (await ask()).status));
      await new Promise((resolve) => setTimeout(resolve, 500));
      const { status, headers, json } = await ask();
      assert.deepEqual([status, json['error'], headers.has('retry-after')], [429, 'temporarily_unavailable', true]);
    });
    assert.deepEqual(new Set(await working), new Set([200]));
  });

  it('whatever is in a form, the answer is a refusal in JSON and never our fault', async () => {
    const name = fc.oneof(
      fc.constantFrom('grant_type', 'scope', 'resource', 'client_id', 'purpose_of_use', 'token', 'token_type_hint'),
      fc.string({ unit: 'binary', maxLength: 20 }),
    );
    const form = fc.dictionary(name, fc.string({ unit: 'binary', maxLength: 60 }), { maxKeys: 8 });
    const path = fc.constantFrom('/oauth/token', '/oauth/introspect', '/oauth/revoke');
    const one = await givenClient(hub, 'fuzzed');
    await fc.assert(
      fc.asyncProperty(path, form, async (where, parameters) => {
        const { status, json } = await one.post(where, parameters);
        assert.ok(status < 500 && status !== 429, `${status}`);
        if (status !== 200) assert.equal(typeof json['error'], 'string');
      }),
      { numRuns: 50 },
    );
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

  it('a client has 600 requests in a minute; the others are not held up', async () => {
    const busy = await givenClient(hub, 'busy');
    await hub.database.query(sql`
      insert into client_assertion (issuer, client, jti, expires_at)
      select ${hub.url}, 'busy', n::text, now() + interval '5 minutes' from generate_series(1, 600) n`);
    const { status, headers, json } = await busy.token();
    assert.deepEqual([status, json['error'], headers.get('retry-after')], [429, 'temporarily_unavailable', '10']);
    assert.equal((await client.token()).status, 200);
  });

  describe('scope', () => {
    const rows: readonly [string, string, string | undefined][] = [
      ['system/*.rs', 'system/Patient.rs', 'system/Patient.rs'],
      ['system/*.rs', 'system/Patient.r', 'system/Patient.r'],
      ['system/*.rs', 'system/*.cruds', 'system/*.rs'],
      ['system/Patient.rs system/Observation.r', 'system/*.rs', 'system/Patient.rs system/Observation.r'],
      ['system/Patient.rs', 'system/Patient.rs system/Observation.rs', 'system/Patient.rs'],
      ['system/Patient.rs', 'system/Observation.rs', undefined],
      ['system/Patient.rs', 'system/Patient.c', undefined],
      ['system/Observation.rs?category=laboratory', 'system/*.rs', 'system/Observation.rs?category=laboratory'],
      ['system/*.rs', 'system/Observation.rs?code=718-7', 'system/Observation.rs?code=718-7'],
      [
        'system/Observation.rs?category=laboratory',
        'system/Observation.rs?code=718-7',
        'system/Observation.rs?code=718-7&category=laboratory',
      ],
      ['system/*.rs', 'system/Nonsense.rs', undefined],
      ['system/*.rs', 'system/Patient.rs system/Nonsense.rs', undefined],
      ['system/*.rs', 'system/Patient.sr', undefined],
      ['system/*.rs', 'system/*.rs?code=718-7', undefined],
      ['system/*.rs', 'system/Observation.rs?code:not=718-7', undefined],
      ['system/*.rs', 'user/Patient.rs', undefined],
      ['system/*.rs', 'patient/Patient.rs', undefined],
      ['system/*.rs', 'hub/ops', undefined],
      ['system/*.rs', 'openid', undefined],
      ['system/*.rs', '', undefined],
      ['system/*.rs', Array.from({ length: 101 }, (_, at) => `system/Observation.rs?code=${at}`).join(' '), undefined],
    ];
    for (const [registered, requested, granted] of rows) {
      const asked = requested.length > 80 ? 'more than a hundred' : requested;
      it(`registered "${registered}", asked "${asked}": ${granted ?? 'invalid_scope'}`, async () => {
        const one = await givenClient(hub, 'scoped', { scope: registered });
        const { status, json } = await one.token({ scope: requested });
        assert.deepEqual(
          [status, json['scope'], json['error']],
          granted === undefined ? [400, undefined, 'invalid_scope'] : [200, granted, undefined],
        );
        if (granted === undefined) return assert.equal(json['access_token'], undefined);
        assert.equal(decodeJwt(String(json['access_token']))['scope'], granted);
      });
    }
  });

  describe('purpose of use (LEAKS 32)', () => {
    it('with several registered the client names those it asks for, and no other', async () => {
      const one = await givenClient(hub, 'hospital', { kind: 'hospital', purposes: ['TREAT', 'HOPERAT'] });
      const claim = async (purpose: string): Promise<unknown> => {
        const { json } = await one.token({ purpose_of_use: purpose });
        const token = json['access_token'];
        return typeof token === 'string' ? decodeJwt(token)['purpose_of_use'] : json['error'];
      };
      assert.equal(await claim('TREAT'), 'TREAT');
      assert.deepEqual(await claim('TREAT HOPERAT'), ['TREAT', 'HOPERAT']);
      for (const purpose of ['', 'ETREAT', 'TREAT ETREAT', 'PATRQT', 'FUN']) {
        assert.equal(await claim(purpose), 'invalid_request', purpose);
      }
    });
  });

  describe('the request (RFC 6749 section 3.2)', () => {
    const url = (): string => `${hub.url}/oauth/token`;
    const form = async (): Promise<Record<string, string>> => ({
      grant_type: 'client_credentials',
      scope: 'system/Patient.rs',
      client_assertion_type: assertionType,
      client_assertion: await client.assertion(),
    });

    for (const grant of [
      'authorization_code',
      'password',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    ]) {
      it(`the grant ${grant} is not served`, async () => {
        const { status, json } = await client.token({ grant_type: grant });
        assert.deepEqual([status, json['error']], [400, 'unsupported_grant_type']);
      });
    }

    for (const name of ['grant_type', 'scope', 'client_assertion', 'client_assertion_type']) {
      it(`${name} twice is refused, also when both say the same`, async () => {
        const body = new URLSearchParams(await form());
        body.append(name, body.get(name) ?? '');
        const { status, json } = await postForm(url(), body.toString());
        assert.deepEqual([status, json['error']], [400, 'invalid_request']);
      });
    }

    const rows: readonly [string, Record<string, string>, number, string][] = [
      ['no grant_type', { grant_type: '' }, 400, 'invalid_request'],
      ['no assertion', { client_assertion: '' }, 401, 'invalid_client'],
      ['another type of assertion', { client_assertion_type: 'urn:other' }, 401, 'invalid_client'],
      ['a client_id that is not the subject', { client_id: 'other' }, 401, 'invalid_client'],
      ['a secret beside the assertion', { client_secret: 'x' }, 400, 'invalid_request'],
      ['another resource (RFC 8707)', { resource: 'https://other.example' }, 400, 'invalid_target'],
    ];
    for (const [title, changes, status, error] of rows) {
      it(`${title}: ${error}`, async () => {
        const { status: got, json } = await postForm(url(), { ...(await form()), ...changes });
        assert.deepEqual([got, json['error']], [status, error]);
      });
    }

    it('client_id and resource may be said again', async () => {
      const body = { ...(await form()), client_id: 'assistant', resource: hub.fhir };
      assert.equal((await postForm(url(), body)).status, 200);
    });

    it('an Authorization header is no way to authenticate, and its scheme is answered', async () => {
      const { status, headers, json } = await postForm(url(), await form(), { authorization: 'Basic YTpi' });
      assert.deepEqual(
        [status, json['error'], headers.get('www-authenticate')],
        [401, 'invalid_client', 'Basic realm="hub"'],
      );
    });

    it('nothing is taken from the URL; a body is a form, in UTF-8, of bounded size', async () => {
      assert.equal((await postForm(`${url()}?scope=system/Patient.rs`, await form())).status, 400);
      assert.equal(
        (await postForm(url(), JSON.stringify(await form()), { 'content-type': 'application/json' })).status,
        400,
      );
      assert.equal((await postForm(url(), { ...(await form()), padding: 'a'.repeat(33_000) })).status, 413);
      const many = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`p${at}`, '1']));
      assert.equal((await postForm(url(), { ...(await form()), ...many })).status, 400);
    });

    it('bodies that come slowly hold up nobody', async () => {
      const { port } = new URL(hub.url);
      const slow = Array.from({ length: 80 }, () => {
        const socket = connect(Number(port), '127.0.0.1');
        socket.on('error', () => undefined);
        socket.write(
          'POST /oauth/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\na',
        );
        return socket;
      });
      await Promise.all(slow.map((socket) => once(socket, 'connect')));
      assert.equal((await client.token()).status, 200);
      for (const socket of slow) socket.destroy();
    });

    it('GET is 405; everything that is not served is 404', async () => {
      for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
        const response = await fetch(`${hub.url}${path}`);
        assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST']);
      }
      for (const path of [
        'authorize',
        'auth',
        'register',
        'userinfo',
        'me',
        'interaction/x',
        'session/end',
        'TOKEN',
        'token/',
      ]) {
        assert.equal((await fetch(`${hub.url}/oauth/${path}`)).status, 404, path);
        assert.equal((await fetch(`${hub.url}/oauth/${path}`, { method: 'POST' })).status, 404, path);
      }
    });

    it('sets no cookie and is open to no other origin', async () => {
      const { headers } = await postForm(url(), await form(), { origin: 'https://evil.example' });
      assert.deepEqual([headers.get('set-cookie'), headers.get('access-control-allow-origin')], [null, null]);
    });
  });

  describe('POST /oauth/introspect (RFC 7662) and /oauth/revoke (RFC 7009)', () => {
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
  });

  it('tokens and their revocations are in the trail before the answer, by jti; what strangers try is counted', async () => {
    const token = String((await client.token()).json['access_token']);
    await client.post('/oauth/revoke', { token });
    await client.token({ client_assertion: await client.assertion({ key: other.key }) });
    const rows = await hub.database.query(sql`
      select interaction, client, organization, purposes, outcome from audit_event
      where jti = ${decodeJwt(token).jti} order by at, seq`);
    const of = { client: 'assistant', organization: 'Organization/ai-health-manager', outcome: 0 };
    assert.deepEqual(rows, [
      { ...of, interaction: 'token', purposes: purpose.treatment },
      { ...of, interaction: 'token-revoke', purposes: 0 },
    ]);
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    assert.match(metrics, /hub_http_requests_total\{interaction="token",status="401"\} \d+/);
  });

  it('while the trail cannot be written nobody gets a token', async () => {
    await hub.database.query(sql`alter table audit_event rename to audit_event_away`);
    const { status, json } = await client.token();
    await hub.database.query(sql`alter table audit_event_away rename to audit_event`);
    assert.equal(json['access_token'], undefined);
    assert.ok(status >= 500, `${status}`);
    assert.equal((await client.token()).status, 200);
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

  it('smart-configuration and CapabilityStatement name what is served', async () => {
    const { json } = await hub.send('GET', '.well-known/smart-configuration', undefined);
    for (const name of ['token_endpoint', 'introspection_endpoint', 'revocation_endpoint']) {
      assert.equal((await fetch(String(json[name]), { method: 'POST' })).status, 400, name);
    }
    assert.deepEqual(
      [json['grant_types_supported'], json['token_endpoint_auth_methods_supported'], json['authorization_endpoint']],
      [['client_credentials'], ['private_key_jwt'], undefined],
    );
    assert.ok(json['token_endpoint_auth_signing_alg_values_supported'].includes('RS384'));
    assert.ok(json['token_endpoint_auth_signing_alg_values_supported'].includes('ES384'));
    assert.ok(json['capabilities'].includes('client-confidential-asymmetric'));
    const { json: metadata } = await hub.send('GET', 'metadata', undefined);
    assert.deepEqual(metadata['rest'][0].security.extension[0].extension, [
      { url: 'token', valueUri: `${hub.url}/oauth/token` },
    ]);
  });
});
