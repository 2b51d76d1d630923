import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { Database } from '../../../src/db.ts';
import { composeClaims, issueToken, presetClaims, presets, type Claims } from '../../../src/access/token/issue.ts';
import { loadIssuerKeys, type IssuerKeys } from '../../../src/access/token/keys.ts';
import { purpose } from '../../../src/access/principal/purpose.ts';
import { registerClient } from '../../../src/access/client/client.ts';
import { openRegistry, type Registry } from '../../../src/access/client/registry.ts';
import { openAuthenticator, type Authenticator } from '../../../src/access/token/token.ts';
import { givenDatabase } from '../../given.ts';

const issuer = 'https://hub.test';
const audience = 'https://hub.test/fhir/R4';
const claims: Claims = {
  client_id: 'ai',
  scope: 'system/*.rs',
  organization: 'Organization/ai',
  purpose_of_use: 'TREAT',
};

describe('authenticate: bearer token -> Principal (RFC 9068, RFC 8725)', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  let dataDir: string;
  let keys: IssuerKeys;
  let registry: Registry;
  let authenticator: Authenticator;
  let foreign: { server: Server; issuer: string; key: CryptoKey; jwks: { keys: JWK[] }; fetched: number };
  let clock = Date.now();

  before(async () => {
    given = await givenDatabase();
    database = given.database;
    dataDir = await mkdtemp(join(tmpdir(), 'hub-keys-'));
    keys = await loadIssuerKeys(dataDir);
    foreign = await givenForeignIssuer();
  });
  after(async () => {
    foreign.server.close();
    await given.close();
    await rm(dataDir, { recursive: true });
  });
  beforeEach(() => {
    clock = Date.now();
    registry = openRegistry(database, () => clock);
    const trustedIssuers = [{ issuer: foreign.issuer, jwksUri: `${foreign.issuer}/jwks` }];
    authenticator = openAuthenticator({ issuer, audience, keys, trustedIssuers, registry, now: () => clock });
  });

  const issue = (overrides: Partial<Claims> = {}, jti = 'j1', expiresInSeconds = 3600): Promise<string> =>
    issueToken(
      keys,
      { ...claims, ...overrides },
      { issuer, audience, jti, now: Math.floor(clock / 1000), expiresInSeconds },
    );

  const refuses = (token: string, code = 'login'): Promise<void> =>
    assert.rejects(authenticator.authenticate(`Bearer ${token}`), { name: 'Problem', code });

  it('given a token of the own issuer, when presented, then its claims are the Principal', async () => {
    const principal = await authenticator.authenticate(`Bearer ${await issue()}`);
    assert.equal(principal.clientId, 'ai');
    assert.equal(principal.organization, 'Organization/ai');
    assert.equal(principal.purposes, purpose.treatment);
    assert.equal(principal.self, undefined);
    assert.equal(await authenticator.authenticate(`bearer ${await issue()}`).then(({ jti }) => jti), 'j1');
  });

  /** A token with everything right but what the row changes. */
  const signed = async (
    header: object,
    payload: object,
    key: CryptoKey | Uint8Array = keys.signingKey,
  ): Promise<string> => {
    const now = Math.floor(clock / 1000);
    const all = { ...claims, sub: 'ai', iss: issuer, aud: audience, iat: now, exp: now + 60, jti: 'j', ...payload };
    return new SignJWT(JSON.parse(JSON.stringify(all)) as Record<string, unknown>)
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: keys.kid, ...header })
      .sign(key);
  };
  const now = (): number => Math.floor(clock / 1000);

  const wrong: readonly [string, object, () => object][] = [
    ['no exp', {}, () => ({ exp: undefined })],
    ['no iat', {}, () => ({ iat: undefined })],
    ['no jti, so it could not be revoked', {}, () => ({ jti: undefined })],
    ['no client_id', {}, () => ({ client_id: undefined })],
    ['expired', {}, () => ({ exp: now() - 60 })],
    ['not yet valid', {}, () => ({ nbf: now() + 600 })],
    ['issued in the future', {}, () => ({ iat: now() + 600, exp: now() + 700 })],
    ['issued longer ago than a token may live', {}, () => ({ iat: now() - 100_000, exp: now() + 60 })],
    ['another audience', {}, () => ({ aud: 'https://other' })],
    ['no audience', {}, () => ({ aud: undefined })],
    ['an unknown issuer', {}, () => ({ iss: 'https://evil' })],
    ['a trusted issuer that did not sign it', {}, () => ({ iss: foreign.issuer })],
    ['an ID token', { typ: 'JWT' }, () => ({})],
    ['no typ', { typ: undefined }, () => ({})],
    ['bound to a key (cnf)', {}, () => ({ cnf: { jkt: 'x' } })],
    ['bound to a certificate (RFC 8705), which is not checked here', {}, () => ({ cnf: { 'x5t#S256': 'x' } })],
    ['bound to nothing that is named', {}, () => ({ cnf: {} })],
    ['an unknown purpose', {}, () => ({ purpose_of_use: 'FUN' })],
    ['an unknown purpose beside a known one', {}, () => ({ purpose_of_use: ['TREAT', 'FUN'] })],
    ['an organization that is none', {}, () => ({ organization: 'Patient/p1' })],
    ['an organization with a version', {}, () => ({ organization: 'Organization/a/_history/1' })],
    ['a patient that is no id', {}, () => ({ patient: 'p1 or true' })],
    ['a list for an organization', {}, () => ({ organization: ['Organization/a'] })],
  ];
  for (const [title, header, payload] of wrong) {
    it(`LEAKS 50: refused: ${title}`, async () => refuses(await signed(header, payload())));
  }

  it('LEAKS 50: refused: alg none, and a signature taken away', async () => {
    const [, body = ''] = (await issue()).split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt' })).toString('base64url');
    await refuses(`${none}.${body}.`);
    await refuses(`${none}.${body}`);
  });

  it('LEAKS 50: refused: HS256 with the public key as the secret', async () => {
    const secret = new TextEncoder().encode(JSON.stringify(keys.jwks.keys[0]));
    await refuses(await signed({ alg: 'HS256' }, {}, secret));
  });

  it('LEAKS 50: refused: a key brought along as jwk, and addresses of keys are never asked', async () => {
    const mine = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(mine.publicKey);
    const asked = foreign.fetched;
    await refuses(
      await signed({ jwk, jku: `${foreign.issuer}/jwks`, x5u: `${foreign.issuer}/jwks` }, {}, mine.privateKey),
    );
    assert.equal(foreign.fetched, asked);
  });

  it('refuses what is no bearer token, and one too large to look at', async () => {
    for (const header of [
      undefined,
      '',
      'Basic YTpi',
      'Bearer',
      'Bearer a b',
      `Bearer ${'a'.repeat(20_000)}`,
      'Bearer a.b.c',
    ]) {
      await assert.rejects(authenticator.authenticate(header), { code: 'login' });
    }
  });

  it('every refusal has the same text', async () => {
    const texts = new Set<string>();
    for (const token of [await signed({}, { exp: now() - 60 }), await signed({ typ: 'JWT' }, {}), 'a.b.c']) {
      await authenticator.authenticate(`Bearer ${token}`).catch((problem: Error) => texts.add(problem.message));
    }
    assert.equal(texts.size, 1);
  });

  it('given a trusted issuer, when its key signs, then accepted; its keys are fetched once', async () => {
    const token = (jti: string): Promise<string> =>
      signed({ alg: 'RS256', kid: 'foreign' }, { iss: foreign.issuer, jti }, foreign.key);
    const asked = foreign.fetched;
    assert.equal((await authenticator.authenticate(`Bearer ${await token('f1')}`)).issuer, foreign.issuer);
    await authenticator.authenticate(`Bearer ${await token('f2')}`);
    assert.equal(foreign.fetched, asked + 1);
  });

  it('LEAKS 50: an RSA key published without alg verifies RS256 and nothing else', async () => {
    const { privateKey, publicKey } = await generateKeyPair('PS256', { extractable: true });
    const jwk = await exportJWK(publicKey);
    foreign.jwks.keys.push({ ...jwk, kid: 'unpinned' });
    await refuses(await signed({ alg: 'PS256', kid: 'unpinned' }, { iss: foreign.issuer }, privateKey));
  });

  it('given an issuer out of reach, when its token comes, then transient: no verdict', async () => {
    const unreachable = openAuthenticator({
      issuer,
      audience,
      keys,
      registry,
      trustedIssuers: [{ issuer: foreign.issuer, jwksUri: `${foreign.issuer}/nothing` }],
    });
    const token = await signed({ alg: 'RS256', kid: 'foreign' }, { iss: foreign.issuer }, foreign.key);
    await assert.rejects(unreachable.authenticate(`Bearer ${token}`), { code: 'transient' });
  });

  describe('clocks may differ by 60 s, and by no more', () => {
    const edges: readonly [title: string, claimed: () => object, isAccepted: boolean][] = [
      ['expired 59 s ago', () => ({ exp: now() - 59 }), true],
      ['expired 60 s ago', () => ({ exp: now() - 60 }), false],
      ['valid in 60 s', () => ({ nbf: now() + 60 }), true],
      ['valid in 61 s', () => ({ nbf: now() + 61 }), false],
      ['issued in 60 s', () => ({ iat: now() + 60, exp: now() + 120 }), true],
      ['issued in 61 s', () => ({ iat: now() + 61, exp: now() + 120 }), false],
      ['issued a day and 60 s ago', () => ({ iat: now() - 86_460 }), true],
      ['issued a day and 61 s ago', () => ({ iat: now() - 86_461 }), false],
    ];
    for (const [title, claimed, isAccepted] of edges) {
      it(`${title}: ${isAccepted ? 'accepted' : 'refused'}`, async () => {
        const token = await signed({}, { ...claimed(), jti: title });
        if (isAccepted) assert.equal((await authenticator.authenticate(`Bearer ${token}`)).jti, title);
        else await refuses(token, 'login');
      });
    }
  });

  it('a verified token is remembered until it expires, and no longer', async () => {
    const header = `Bearer ${await issue({}, 'cached', 60)}`;
    const principal = await authenticator.authenticate(header);
    assert.equal(await authenticator.authenticate(header), principal);
    clock += 121_000;
    await assert.rejects(authenticator.authenticate(header), { code: 'login' });
  });

  it('LEAKS 28: a revoked token is refused at once here, and within a second by another process', async () => {
    const header = `Bearer ${await issue({}, 'to-revoke')}`;
    const other = openRegistry(database, () => clock);
    const elsewhere = openAuthenticator({
      issuer,
      audience,
      keys,
      trustedIssuers: [],
      registry: other,
      now: () => clock,
    });
    const principal = await authenticator.authenticate(header);
    await elsewhere.authenticate(header);
    await registry.revoke(principal);
    await assert.rejects(authenticator.authenticate(header), { code: 'login' });
    clock += 1001;
    await assert.rejects(elsewhere.authenticate(header), { code: 'login' });
  });

  it('a revocation outlasts the token by what clocks may differ', async () => {
    const header = `Bearer ${await issue({}, 'revoked-late', 60)}`;
    await registry.revoke(await authenticator.authenticate(header));
    clock += 118_000;
    await assert.rejects(authenticator.authenticate(header), { code: 'login' });
    clock -= 118_000;
    const unrevoked = `Bearer ${await issue({}, 'not-revoked', 60)}`;
    clock += 118_000;
    assert.equal((await authenticator.authenticate(unrevoked)).jti, 'not-revoked', 'else this shows nothing');
  });

  it('LEAKS 32: a registered client claims no purpose and no organization beyond its registration', async () => {
    await registerClient(database, {
      issuer,
      id: 'registered',
      kind: 'ai',
      organization: 'Organization/ai',
      purposes: purpose.treatment,
    });
    const own = { client_id: 'registered' };
    assert.equal((await authenticator.authenticate(`Bearer ${await issue(own, 'r1')}`)).purposes, purpose.treatment);
    await refuses(await issue({ ...own, purpose_of_use: 'HPAYMT' }, 'r2'), 'forbidden');
    await refuses(await issue({ ...own, purpose_of_use: ['TREAT', 'HPAYMT'] }, 'r3'), 'forbidden');
    await refuses(await issue({ ...own, organization: 'Organization/other' }, 'r4'), 'forbidden');
    const without = await authenticator.authenticate(
      `Bearer ${await issue({ ...own, organization: undefined }, 'r5')}`,
    );
    assert.equal(without.organization, 'Organization/ai');
  });

  it('a registration that is withdrawn ends remembered tokens within a second', async () => {
    const client = { issuer, id: 'leaver', kind: 'ai', organization: 'Organization/ai', purposes: purpose.treatment };
    await registerClient(database, client);
    const header = `Bearer ${await issue({ client_id: 'leaver' }, 'l1')}`;
    await authenticator.authenticate(header);
    await registerClient(database, { ...client, isActive: false });
    clock += 1001;
    await assert.rejects(authenticator.authenticate(header), { code: 'forbidden' });
  });

  it('LEAKS 32: nobody unregistered claims an emergency', async () => {
    await refuses(await issue({ purpose_of_use: 'ETREAT' }, 'e1'), 'forbidden');
  });

  const selves: readonly [string, Partial<Claims>, string | undefined][] = [
    ['PATRQT, fhirUser a Patient, no organization', {}, 'p1'],
    ['with an organization', { organization: 'Organization/ai' }, undefined],
    ['with another purpose beside it', { purpose_of_use: ['PATRQT', 'TREAT'] }, undefined],
    ['with another purpose', { purpose_of_use: 'TREAT' }, undefined],
    ['a practitioner', { fhirUser: 'Practitioner/p1' }, undefined],
    ['no user', { fhirUser: undefined }, undefined],
  ];
  for (const [title, overrides, self] of selves) {
    it(`self is ${self ?? 'nobody'}: ${title}`, async () => {
      const base = { organization: undefined, purpose_of_use: 'PATRQT', fhirUser: 'Patient/p1', patient: 'p1' };
      const token = await issue({ ...base, ...overrides }, `s-${title}`);
      assert.equal((await authenticator.authenticate(`Bearer ${token}`)).self, self);
    });
  }

  it('hub/ops makes an operator, and no patient data', async () => {
    const operator = await authenticator.authenticate(`Bearer ${await issue(presetClaims('operator'), 'o1')}`);
    assert.equal(operator.isOperator, true);
    assert.deepEqual(operator.scopes, []);
  });

  it('every preset is accepted once it is complete', async () => {
    for (const preset of presets) {
      const complete = composeClaims({ preset, patient: preset === 'patient' ? 'p1' : undefined });
      await authenticator.authenticate(
        `Bearer ${await issue({ ...complete, organization: complete.organization }, preset)}`,
      );
    }
  });
});

describe('hub token: options and presets -> claims', () => {
  it('the patient preset is that patient', () => {
    assert.deepEqual(composeClaims({ preset: 'patient', patient: 'Patient/p1' }), {
      client_id: 'patient-portal',
      scope: 'patient/*.rs patient/Consent.cruds patient/Patient.d',
      purpose_of_use: 'PATRQT',
      patient: 'p1',
      fhirUser: 'Patient/p1',
    });
  });
  it('an option wins over the preset', () => {
    const claimed = composeClaims({ preset: 'ai', organization: 'Organization/x', purpose: ['CAREMGT', 'TREAT'] });
    assert.equal(claimed.organization, 'Organization/x');
    assert.deepEqual(claimed.purpose_of_use, ['CAREMGT', 'TREAT']);
  });
  it('says what is missing', () => {
    assert.throws(() => composeClaims({ preset: 'patient' }), { code: 'required' });
    assert.throws(() => composeClaims({ scope: 'system/*.rs' }), { code: 'required' });
    assert.throws(() => composeClaims({ client: 'x', scope: 'system/*.rs', purpose: ['FUN'] }), {
      code: 'code-invalid',
    });
  });
});

describe('keys of the own issuer', () => {
  it('given many processes that start at once, when each loads them, then all have the one key, mode 0600', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'hub-keys-'));
    const all = await Promise.all(Array.from({ length: 10 }, () => loadIssuerKeys(join(dataDir, 'new'))));
    assert.equal(new Set(all.map(({ kid }) => kid)).size, 1);
    assert.equal((await stat(join(dataDir, 'new', 'issuer-keys.json'))).mode & 0o777, 0o600);
    await rm(dataDir, { recursive: true });
  });
  it('publishes no private member', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'hub-keys-'));
    const { jwks } = await loadIssuerKeys(dataDir);
    assert.deepEqual(Object.keys(jwks.keys[0] ?? {}).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
    await rm(dataDir, { recursive: true });
  });
});

async function givenForeignIssuer(): Promise<{
  server: Server;
  issuer: string;
  key: CryptoKey;
  jwks: { keys: JWK[] };
  fetched: number;
}> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'foreign' } as JWK] };
  const world = { server: createServer(), issuer: '', key: privateKey, jwks, fetched: 0 };
  world.server.on('request', (request, response) => {
    world.fetched++;
    if (request.url !== '/jwks') response.statusCode = 404;
    response.setHeader('content-type', 'application/json').end(JSON.stringify(jwks));
  });
  await new Promise<void>((resolve) => {
    world.server.listen(0, '127.0.0.1', resolve);
  });
  world.issuer = `http://127.0.0.1:${(world.server.address() as AddressInfo).port}`;
  return world;
}
