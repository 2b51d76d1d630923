import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { exportJWK, jwtVerify } from 'jose';
import type { ServerResponse } from 'node:http';
import type { Problem } from '../../../src/fhir/problem.ts';
import { answer, givenServer, givenSource, type Asked, type GivenServer } from '../../given-source.ts';

const patient = { resourceType: 'Patient', id: 'p' };
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;

/** A FHIR server with a token server that says which token it gave: t1, t2, ... */
interface TokenServer extends GivenServer {
  readonly tokenRequests: readonly Asked[];
}

interface Behaviour {
  readonly expiresIn?: number;
  /** What the source says its token server is. */
  readonly discovered?: string;
  readonly isTaken?: (token: string) => boolean;
  readonly token?: (asked: Asked, response: ServerResponse) => boolean;
}

async function givenTokenServer({
  expiresIn = 300,
  isTaken = () => true,
  token,
  discovered,
}: Behaviour = {}): Promise<TokenServer> {
  const tokenRequests: Asked[] = [];
  const server: GivenServer = await givenServer((asked, response) => {
    if (asked.url === '.well-known/smart-configuration') {
      return answer(
        response,
        { token_endpoint: discovered ?? `${server.base}/token` },
        { 'content-type': 'application/json' },
      );
    }
    if (asked.url === 'token') {
      tokenRequests.push(asked);
      if (token?.(asked, response) === true) return;
      const body = { access_token: `t${tokenRequests.length}`, token_type: 'bearer', expires_in: expiresIn };
      return answer(response, body, { 'content-type': 'application/json' });
    }
    const sent = (asked.headers.authorization ?? '').replace('Bearer ', '');
    if (isTaken(sent)) answer(response, patient);
    else answer(response, '', {}, 401);
  });
  return { ...server, tokenRequests };
}

describe('who the hub is to a FHIR source', () => {
  let server: TokenServer;
  let sources: ReturnType<typeof givenSource>[] = [];
  afterEach(async () => {
    await Promise.all(sources.map((source) => source.close()));
    await server.close();
    sources = [];
  });

  function open(
    config: Record<string, unknown>,
    secrets: Record<string, string>,
    now?: () => Date,
  ): ReturnType<typeof givenSource> {
    const source = givenSource({ base: server.base, ...config }, { secrets, ...(now === undefined ? {} : { now }) });
    sources.push(source);
    return source;
  }
  const sentTokens = (): unknown[] =>
    server.asked.filter(({ url }) => url.startsWith('Patient')).map(({ headers }) => headers.authorization);

  it('basic: user and password in UTF-8 (RFC 7617)', async () => {
    server = await givenTokenServer();
    await open({ auth: 'basic', user: 'hub' }, { password: 'pässwort' }).read('Patient/p');
    const [sent] = sentTokens();
    assert.equal(Buffer.from(String(sent).slice('Basic '.length), 'base64').toString(), 'hub:pässwort');
  });

  it('bearer: the token that the operator was given', async () => {
    server = await givenTokenServer();
    await open({ auth: 'bearer' }, { token: 'abc' }).read('Patient/p');
    assert.deepEqual(sentTokens(), ['Bearer abc']);
  });

  it('a secret that is missing is named before anything is sent', async () => {
    server = await givenTokenServer();
    assert.throws(() => open({ auth: 'bearer' }, {}), { code: 'required', expression: ['token'] });
    assert.equal(server.asked.length, 0);
  });

  it('client-secret: client and secret, form-encoded (RFC 6749 section 2.3.1), for the scope', async () => {
    server = await givenTokenServer();
    const config = { auth: 'client-secret', client: 'hub:1', scope: 'system/Patient.rs' };
    await open(config, { 'client-secret': 'a b+c' }).read('Patient/p');
    const [request] = server.tokenRequests;
    const pair = Buffer.from(String(request?.headers.authorization).slice('Basic '.length), 'base64').toString();
    assert.equal(pair, 'hub%3A1:a+b%2Bc');
    assert.equal(request?.body, 'grant_type=client_credentials&scope=system%2FPatient.rs');
    assert.deepEqual(sentTokens(), ['Bearer t1']);
  });

  it('private-key-jwt: an assertion as SMART Backend Services says, verified by the key', async () => {
    server = await givenTokenServer();
    const client = 'hub-assertion';
    await open({ auth: 'private-key-jwt', client, kid: 'k1' }, { 'private-key': pem }).read('Patient/p');
    const form = new URLSearchParams(server.tokenRequests[0]?.body);
    assert.equal(form.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const { payload, protectedHeader } = await jwtVerify(form.get('client_assertion') ?? '', rsa.publicKey, {
      issuer: client,
      subject: client,
      audience: `${server.base}/token`,
    });
    assert.deepEqual(protectedHeader, { alg: 'RS384', typ: 'JWT', kid: 'k1' });
    const { exp = 0, iat = 0, jti = '' } = payload;
    assert.ok(exp - iat <= 300 && jti.length > 20);
  });

  it('a JWK brings its kid and its algorithm', async () => {
    server = await givenTokenServer();
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const jwk = JSON.stringify({ ...(await exportJWK(privateKey)), kid: 'k2' });
    await open({ auth: 'private-key-jwt', client: 'hub-jwk' }, { 'private-key': jwk }).read('Patient/p');
    const assertion = new URLSearchParams(server.tokenRequests[0]?.body).get('client_assertion') ?? '';
    const { protectedHeader } = await jwtVerify(assertion, publicKey);
    assert.deepEqual(protectedHeader, { alg: 'ES384', typ: 'JWT', kid: 'k2' });
  });

  it('a key that is none is refused without being quoted', async () => {
    server = await givenTokenServer();
    const source = open({ auth: 'private-key-jwt', client: 'hub' }, { 'private-key': 'SECRET-KEY-TEXT' });
    await assert.rejects(source.read('Patient/p'), (error: Problem) => {
      return error.code === 'value' && !JSON.stringify([error.message, error.cause, error.hint]).includes('SECRET');
    });
  });

  it('a token is kept from run to run until a minute before it expires', async () => {
    server = await givenTokenServer({ expiresIn: 300 });
    let at = Date.now();
    const config = { auth: 'client-secret', client: 'hub-kept' };
    for (const seconds of [0, 200, 39, 2]) {
      at += seconds * 1_000;
      await open(config, { 'client-secret': 's' }, () => new Date(at)).read('Patient/p');
    }
    assert.deepEqual(sentTokens(), ['Bearer t1', 'Bearer t1', 'Bearer t1', 'Bearer t2']);
  });

  it('another secret is another token', async () => {
    server = await givenTokenServer();
    const config = { auth: 'client-secret', client: 'hub-other' };
    for (const secret of ['one', 'two']) await open(config, { 'client-secret': secret }).read('Patient/p');
    assert.deepEqual(sentTokens(), ['Bearer t1', 'Bearer t2']);
  });

  it('one that the source refuses is asked for anew, once', async () => {
    server = await givenTokenServer({ isTaken: (token) => token === 't2' });
    await open({ auth: 'client-secret', client: 'hub-refused' }, { 'client-secret': 's' }).read('Patient/p');
    assert.deepEqual(sentTokens(), ['Bearer t1', 'Bearer t2']);
  });

  it('a source that refuses every token is not asked again and again', async () => {
    server = await givenTokenServer({ isTaken: () => false });
    const source = open({ auth: 'client-secret', client: 'hub-never' }, { 'client-secret': 's' });
    await assert.rejects(source.read('Patient/p'), { code: 'login' });
    assert.deepEqual([server.tokenRequests.length, sentTokens().length], [2, 2]);
  });

  for (const minutes of [-5, 5]) {
    it(`a token server whose clock is ${minutes} minutes off takes the second assertion, made by its clock`, async () => {
      const clock = (): Date => new Date(Date.now() + minutes * 60_000);
      server = await givenTokenServer({
        token: ({ body }, response) => {
          const [, claims = ''] = (new URLSearchParams(body).get('client_assertion') ?? '').split('.');
          const { iat, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { iat: number; exp: number };
          const now = clock().getTime() / 1_000;
          response.setHeader('date', clock().toUTCString());
          if (iat <= now + 5 && exp > now && exp <= now + 300) return false;
          answer(response, { error: 'invalid_client' }, { 'content-type': 'application/json' }, 401);
          return true;
        },
      });
      const config = { auth: 'private-key-jwt', client: `hub-clock-${minutes}`, tokenUrl: `${server.base}/token` };
      await open(config, { 'private-key': pem }).read('Patient/p');
      assert.equal(server.tokenRequests.length, 2);
    });
  }

  it('a refusal is told by its code, never by its description', async () => {
    server = await givenTokenServer({
      token: (_, response) => {
        answer(response, { error: 'invalid_scope', error_description: 'SECRET' }, {}, 400);
        return true;
      },
    });
    const source = open({ auth: 'client-secret', client: 'hub-scope' }, { 'client-secret': 's' });
    await assert.rejects(source.read('Patient/p'), (error: Problem) => {
      return error.code === 'login' && /400: invalid_scope/.test(error.message) && !/SECRET/.test(error.message);
    });
  });

  it('a token server that is down is a failure that passes', async () => {
    server = await givenTokenServer({
      token: (_, response) => {
        answer(response, '<html>', { 'content-type': 'text/html' }, 502);
        return true;
      },
    });
    const source = open({ auth: 'client-secret', client: 'hub-down' }, { 'client-secret': 's' });
    await assert.rejects(source.read('Patient/p'), { code: 'transient' });
  });

  it('a token server elsewhere is asked when the operator names it, not when the source does', async () => {
    const elsewhere = await givenTokenServer();
    server = await givenTokenServer();
    const config = { auth: 'client-secret', client: 'hub-elsewhere' };
    try {
      await open({ ...config, tokenUrl: `${elsewhere.base}/token` }, { 'client-secret': 's' }).read('Patient/p');
      assert.equal(elsewhere.tokenRequests.length, 1);
      await server.close();
      server = await givenTokenServer({ discovered: `${elsewhere.base}/token` });
      await assert.rejects(open(config, { 'client-secret': 'other' }).read('Patient/p'), { code: 'forbidden' });
      assert.equal(elsewhere.tokenRequests.length, 1);
    } finally {
      await elsewhere.close();
    }
  });
});
