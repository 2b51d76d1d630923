/** Tokens that are bound to a key. @see RFC 9449 */
import assert from 'node:assert/strict';
import { exportJWK, generateKeyPair } from 'jose';
import { decodeJwt } from 'jose';
import { proveKey } from '../../../src/access/oauth/dpop.ts';
import { openDatabase } from '../../../src/db.ts';
import { givenHub, type GivenHub } from '../../given-hub.ts';
import { sql } from '../../../src/db/sql.ts';
import { assertionType, givenClient, postForm } from './given.ts';
import {
  givenApp,
  givenKey,
  givenPerson,
  type GivenApp,
  type GivenKey,
  type GivenPerson,
  type ProofChanges,
} from './given-app.ts';

const now = (): number => Math.trunc(Date.now() / 1000);
const offline = { scope: 'offline_access patient/*.rs' };

describe('DPoP (RFC 9449)', function () {
  this.timeout(300_000);
  let hub: GivenHub;
  let app: GivenApp;
  let anna: GivenPerson;
  let key: GivenKey;
  let other: GivenKey;
  before(async () => {
    hub = await givenHub();
    app = await givenApp(hub, 'diary');
    const hospital = await hub.token('hospital');
    await hub.send('PUT', 'Patient/anna', hospital, { body: { resourceType: 'Patient', id: 'anna' } });
    anna = await givenPerson(hub, 'Patient/anna');
    [key, other] = await Promise.all([givenKey(), givenKey()]);
  });
  after(() => hub.close());

  const tokenUrl = (): string => `${hub.url}/oauth/token`;
  const proofed = async (of = key, changes?: ProofChanges): Promise<Record<string, string>> => ({
    dpop: await of.proof(tokenUrl(), changes),
  });
  const bound = async (one = app, changes = offline): Promise<Record<string, string>> => {
    const { status, json } = await one.redeem(await one.code(anna, changes), {}, await proofed());
    assert.equal(status, 200, JSON.stringify(json));
    return json as Record<string, string>;
  };
  /** A read with this token and a proof, right unless told otherwise. */
  const read = async (token: string, changes: ProofChanges & { of?: GivenKey; url?: string; scheme?: string } = {}) => {
    const { of = key, url = `${hub.fhir}/Patient/anna`, scheme = 'DPoP', ...rest } = changes;
    const dpop = await of.proof(url, { method: 'GET', accessToken: token, ...rest });
    return (
      await hub.send('GET', 'Patient/anna', undefined, { headers: { authorization: `${scheme} ${token}`, dpop } })
    ).status;
  };

  it('given a proof, then the token is bound to its key: token_type DPoP and cnf.jkt', async () => {
    const { token_type, access_token = '' } = await bound();
    assert.equal(token_type, 'DPoP');
    assert.deepEqual(decodeJwt(access_token)['cnf'], { jkt: key.jkt });
  });

  it('the facade takes it with a proof of the key, and the scheme is written in any case', async () => {
    const { access_token: token = '' } = await bound();
    assert.equal(await read(token), 200);
    assert.equal(await read(token, { scheme: 'dpop' }), 200);
    const query = await hub.send('GET', 'Patient?_id=anna', undefined, {
      headers: {
        authorization: `DPoP ${token}`,
        dpop: await key.proof(`${hub.fhir}/Patient`, { method: 'GET', accessToken: token }),
      },
    });
    assert.equal(query.status, 200, 'htu is without the query');
  });

  it('LEAKS 50: it is no bearer token; nor is a bearer token one that is bound', async () => {
    const { access_token: token = '' } = await bound();
    assert.equal((await hub.send('GET', 'Patient/anna', token)).status, 401);
    assert.equal(await read(token, { scheme: 'Bearer' }), 401);
    const { json } = await app.redeem(await app.code(anna));
    assert.equal(await read(String(json['access_token'])), 401);
  });

  it('section 7.1: a refusal says that it could have been a proof', async () => {
    const { headers } = await hub.send('GET', 'Patient/anna', undefined);
    assert.match(headers.get('www-authenticate') ?? '', /^Bearer .*, DPoP algs="ES256 /);
  });

  it('without a proof, or with two, it is refused', async () => {
    const { access_token: token = '' } = await bound();
    const authorization = `DPoP ${token}`;
    assert.equal((await hub.send('GET', 'Patient/anna', undefined, { headers: { authorization } })).status, 401);
    const proof = (): Promise<string> => key.proof(`${hub.fhir}/Patient/anna`, { method: 'GET', accessToken: token });
    const dpop = `${await proof()}, ${await proof()}`;
    assert.equal((await hub.send('GET', 'Patient/anna', undefined, { headers: { authorization, dpop } })).status, 401);
  });

  const attacks: readonly [string, () => ProofChanges & { of?: GivenKey; url?: string }][] = [
    ['of another key', () => ({ of: other })],
    [
      'that another key signed',
      () => ({ of: { ...other, proof: (url, changes) => other.proof(url, { ...changes, header: { jwk: key.jwk } }) } }),
    ],
    ['of another method', () => ({ method: 'POST' })],
    ['of another resource', () => ({ url: `${hub.fhir}/Patient/bob` })],
    ['of another host', () => ({ url: 'https://other.example/fhir/R4/Patient/anna' })],
    ['of another token', () => ({ accessToken: 'x' })],
    ['of no token (ath)', () => ({ claims: { ath: undefined } })],
    ['of two minutes ago', () => ({ claims: { iat: now() - 130 } })],
    ['of the future', () => ({ claims: { iat: now() + 130 } })],
    ['without iat', () => ({ claims: { iat: undefined } })],
    ['without jti', () => ({ claims: { jti: undefined } })],
    ['with a jti that is a number', () => ({ claims: { jti: 1 } })],
    ['with a jti of any length', () => ({ claims: { jti: 'a'.repeat(256) } })],
    ['without htm', () => ({ claims: { htm: undefined } })],
    ['without htu', () => ({ claims: { htu: undefined } })],
    ['of another type', () => ({ header: { typ: 'JWT' } })],
    ['without a key', () => ({ header: { jwk: undefined } })],
    ['longer than any', () => ({ claims: { padding: 'a'.repeat(5_000) } })],
  ];
  for (const [title, changes] of attacks) {
    it(`LEAKS 50: refused: a proof ${title}`, async () => {
      const { access_token: token = '' } = await bound();
      assert.equal(await read(token, changes()), 401);
    });
  }

  it('LEAKS 50: refused: a proof with the private key in its header, with a symmetric key, and with alg none', async () => {
    const { access_token: token = '' } = await bound();
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const secret = new TextEncoder().encode('0123456789abcdef0123456789abcdef');
    const oct = { kty: 'oct', k: Buffer.from(secret).toString('base64url') };
    assert.equal(await read(token, { key: privateKey, header: { jwk: await exportJWK(privateKey) } }), 401);
    assert.equal(await read(token, { key: secret, header: { alg: 'HS256', jwk: oct } }), 401);
    const proof = await key.proof(`${hub.fhir}/Patient/anna`, { method: 'GET', accessToken: token });
    const header = Buffer.from(JSON.stringify({ alg: 'none', typ: 'dpop+jwt', jwk: key.jwk })).toString('base64url');
    const dpop = `${header}.${proof.split('.')[1]}.`;
    const headers = { authorization: `DPoP ${token}`, dpop };
    assert.equal((await hub.send('GET', 'Patient/anna', undefined, { headers })).status, 401);
  });

  it('a proof is good once: of 64 at once, in two processes, one', async () => {
    const second = openDatabase({ url: hub.databaseUrl });
    const proof = await key.proof(tokenUrl());
    const of = { method: 'POST', url: tokenUrl(), now: Date.now() };
    const all = await Promise.all(
      Array.from({ length: 64 }, (_, at) => proveKey(at % 2 === 0 ? hub.database : second, proof, of)),
    );
    await second.close();
    assert.deepEqual(
      all.filter((jkt) => jkt !== undefined),
      [key.jkt],
    );
  });

  it('the same proof for a second read is refused', async () => {
    const { access_token: token = '' } = await bound();
    const dpop = await key.proof(`${hub.fhir}/Patient/anna`, { method: 'GET', accessToken: token });
    const headers = { authorization: `DPoP ${token}`, dpop };
    assert.equal((await hub.send('GET', 'Patient/anna', undefined, { headers })).status, 200);
    assert.equal((await hub.send('GET', 'Patient/anna', undefined, { headers })).status, 401);
  });

  for (const alg of ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA']) {
    it(`${alg} is taken`, async () => {
      const one = await givenKey(alg);
      assert.equal(
        await proveKey(hub.database, await one.proof(tokenUrl()), { method: 'POST', url: tokenUrl(), now: Date.now() }),
        one.jkt,
      );
    });
  }

  it('a proof for another place is refused at the token endpoint: invalid_dpop_proof', async () => {
    const code = await app.code(anna);
    const { status, json } = await app.redeem(code, {}, { dpop: await key.proof(hub.fhir) });
    assert.deepEqual([status, json['error']], [400, 'invalid_dpop_proof']);
    assert.equal((await app.redeem(code, {}, await proofed())).status, 200, 'the code was not used up by it');
  });

  it('a proof that was used before is refused there, and uses up neither code nor refresh token', async () => {
    const headers = await proofed();
    assert.equal((await app.redeem(await app.code(anna, offline), {}, headers)).status, 200);
    const code = await app.code(anna, offline);
    assert.equal((await app.redeem(code, {}, headers)).json['error'], 'invalid_dpop_proof');
    const { json } = await app.redeem(code, {}, await proofed());
    assert.equal((await app.refresh(json['refresh_token'], {}, headers)).json['error'], 'invalid_dpop_proof');
    assert.equal((await app.refresh(json['refresh_token'], {}, await proofed())).status, 200);
    const service = await givenClient(hub, 'replaying');
    const grant = {
      grant_type: 'client_credentials',
      scope: 'system/Patient.rs',
      client_assertion_type: assertionType,
    };
    const form = { ...grant, client_assertion: await service.assertion() };
    assert.equal((await postForm(tokenUrl(), form, headers)).json['error'], 'invalid_dpop_proof');
  });

  it('what strangers send leaves no row', async () => {
    const count = async (): Promise<unknown> => (await hub.database.query(sql`select count(*) from dpop_proof`))[0];
    const before = await count();
    for (const attempt of [
      async () => app.redeem('a'.repeat(43), {}, await proofed()),
      async () => app.refresh('a'.repeat(64), {}, await proofed()),
      async () => postForm(tokenUrl(), { grant_type: 'client_credentials' }, await proofed()),
    ]) {
      assert.notEqual((await attempt()).status, 200);
    }
    assert.deepEqual(await count(), before);
  });

  it('section 10: a code that names a key is redeemed by that key alone', async () => {
    const wanted = { ...offline, dpop_jkt: key.jkt };
    for (const headers of [{}, await proofed(other)]) {
      const { json } = await app.redeem(await app.code(anna, wanted), {}, headers);
      assert.equal(json['error'], 'invalid_grant');
    }
    assert.equal((await app.redeem(await app.code(anna, wanted), {}, await proofed())).status, 200);
  });

  it('section 5: the refresh token of a public app is bound to the key as well', async () => {
    const { refresh_token } = await bound();
    for (const headers of [{}, await proofed(other)]) {
      const { json } = await app.refresh(refresh_token, {}, headers);
      assert.equal(json['error'], 'invalid_dpop_proof');
    }
    const { json } = await app.refresh(refresh_token, {}, await proofed());
    assert.deepEqual([json['token_type'], decodeJwt(String(json['access_token']))['cnf']], ['DPoP', { jkt: key.jkt }]);
  });

  it('section 5: a confidential app may change its key, and not fall back to bearer', async () => {
    const confidential = await givenApp(hub, 'confidential', { isConfidential: true });
    const { refresh_token } = await bound(confidential);
    assert.equal((await confidential.refresh(refresh_token)).json['error'], 'invalid_dpop_proof');
    const { json } = await confidential.refresh(refresh_token, {}, await proofed(other));
    assert.deepEqual(decodeJwt(String(json['access_token']))['cnf'], { jkt: other.jkt });
  });

  it('section 5.2: an app that is registered so gets no bearer token', async () => {
    const strict = await givenApp(hub, 'strict', { isDpopBound: true });
    assert.equal((await strict.redeem(await strict.code(anna))).json['error'], 'invalid_dpop_proof');
    assert.equal((await bound(strict))['token_type'], 'DPoP');
  });

  it('a service may bind its token too; introspection says so', async () => {
    const service = await givenClient(hub, 'service');
    const grant = {
      grant_type: 'client_credentials',
      scope: 'system/Patient.rs',
      client_assertion_type: assertionType,
    };
    const form = { ...grant, client_assertion: await service.assertion() };
    const { token_type, access_token: token } = (await postForm(tokenUrl(), form, await proofed())).json;
    assert.equal(token_type, 'DPoP');
    const { json } = await service.post('/oauth/introspect', { token: token as string });
    assert.deepEqual([json['active'], json['token_type'], json['cnf']], [true, 'DPoP', { jkt: key.jkt }]);
  });
});
