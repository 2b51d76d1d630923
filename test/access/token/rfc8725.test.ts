/**
 * Attacks on access tokens, section by section of RFC 8725. Each token has everything right but what its row is about, and the
 * right one is taken. The same for assertions of clients: test/api/oauth/assertion.test.ts; for proofs: test/api/oauth/dpop.test.ts.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8725 JSON Web Token Best Current Practices
 */
import assert from 'node:assert/strict';
import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompactEncrypt,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  importJWK,
  SignJWT,
  type CryptoKey,
  type JWK,
} from 'jose';
import { seal } from '../../../src/access/oauth/sealed.ts';
import { loadIssuerKeys, type IssuerKeys } from '../../../src/access/token/keys.ts';
import { openRegistry } from '../../../src/access/client/registry.ts';
import { openAuthenticator, type Authenticator } from '../../../src/access/token/token.ts';
import { givenDatabase } from '../../given.ts';
import { processorMsUntil } from '../../processor-time.ts';

const issuer = 'https://hub.test';
const audience = 'https://hub.test/fhir/R4';
const text = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

interface World {
  readonly keys: IssuerKeys;
  /** Another issuer that the hub trusts, with its server of keys. */
  readonly foreign: {
    readonly issuer: string;
    readonly key: CryptoKey;
    readonly jwks: { keys: JWK[] };
    asked: string[];
  };
  readonly signed: (header?: object, claims?: object, key?: CryptoKey | Uint8Array) => Promise<string>;
}

type Attack = readonly [section: string, title: string, token: (world: World) => Promise<string>];

const parts = async (token: Promise<string>): Promise<[string, string, string]> =>
  (await token).split('.') as [string, string, string];
const publicJwk = ({ keys }: World): JWK => keys.jwks.keys[0] as JWK;
const secretOf = async (world: World, form: 'jwk' | 'pem'): Promise<Uint8Array> => {
  const key = (await importJWK(publicJwk(world), 'ES256', { extractable: true })) as CryptoKey;
  return Buffer.from(form === 'jwk' ? JSON.stringify(publicJwk(world)) : await exportSPKI(key));
};
/** A header that jose would not write. */
const withHeader = async (world: World, header: object): Promise<string> => {
  const [, body, signature] = await parts(world.signed());
  return `${text(header)}.${body}.${signature}`;
};

const attacks: readonly Attack[] = [
  ...['none', 'None', 'NONE', 'nOnE', ''].map((alg): Attack => [
    '3.1',
    `alg ${alg || 'of no length'}`,
    (world) => withHeader(world, { alg, typ: 'at+jwt', kid: world.keys.kid }),
  ]),
  ['3.1', 'no alg', (world) => withHeader(world, { typ: 'at+jwt', kid: world.keys.kid })],
  [
    '3.1',
    'an alg that is a list',
    (world) => withHeader(world, { alg: ['ES256'], typ: 'at+jwt', kid: world.keys.kid }),
  ],
  ['3.1', 'no signature', async (world) => (await parts(world.signed())).with(2, '').join('.')],
  [
    '3.1',
    'HS256, the secret is the public key as JWK',
    async (world) => world.signed({ alg: 'HS256' }, {}, await secretOf(world, 'jwk')),
  ],
  [
    '3.1',
    'HS256, the secret is the public key as PEM',
    async (world) => world.signed({ alg: 'HS256' }, {}, await secretOf(world, 'pem')),
  ],
  [
    '3.2',
    'RS384 of a key that is published for RS256',
    async ({ signed, foreign }) => {
      const jwk = foreign.jwks.keys[0] as JWK;
      const key = (await importJWK({ ...(await exportJWK(foreign.key)), alg: 'RS384' }, 'RS384')) as CryptoKey;
      return signed({ alg: 'RS384', kid: jwk.kid }, { iss: foreign.issuer }, key);
    },
  ],
  [
    '3.2',
    'RSA1_5, encrypted instead of signed',
    async ({ keys, signed }) => {
      const { publicKey } = await generateKeyPair('RSA-OAEP-256');
      return new CompactEncrypt(Buffer.from(await signed()))
        .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', typ: 'at+jwt', cty: 'JWT', kid: keys.kid })
        .encrypt(publicKey);
    },
  ],
  [
    '3.3',
    'a claim changed after signing',
    async (world) => {
      const [header, body, signature] = await parts(world.signed());
      const claims = {
        ...(JSON.parse(Buffer.from(body, 'base64url').toString()) as object),
        organization: 'Organization/other',
      };
      return `${header}.${text(claims)}.${signature}`;
    },
  ],
  [
    '3.3',
    'a header changed after signing',
    (world) => withHeader(world, { alg: 'ES256', typ: 'at+jwt', kid: world.keys.kid, x: 1 }),
  ],
  [
    '3.3',
    'a token inside of a token',
    async (world) => {
      const inner = await world.signed();
      return world.signed({ cty: 'JWT' }, { jwt: inner, exp: undefined });
    },
  ],
  [
    '3.4',
    'a signature of zeros (CVE-2022-21449)',
    async (world) => {
      const [header, body] = await parts(world.signed());
      return `${header}.${body}.${Buffer.alloc(64).toString('base64url')}`;
    },
  ],
  [
    '3.4',
    'a signature in DER',
    async (world) => {
      const [header, body, signature] = await parts(world.signed());
      const raw = Buffer.from(signature, 'base64url');
      const der = Buffer.concat([
        Buffer.from([0x30, 68, 2, 32]),
        raw.subarray(0, 32),
        Buffer.from([2, 32]),
        raw.subarray(32),
      ]);
      return `${header}.${body}.${der.toString('base64url')}`;
    },
  ],
  [
    '3.4',
    'a point that is not on the curve, brought along',
    (world) =>
      withHeader(world, {
        alg: 'ES256',
        typ: 'at+jwt',
        jwk: { kty: 'EC', crv: 'P-256', x: text('x'.repeat(32)), y: text('y'.repeat(32)) },
      }),
  ],
  [
    '3.5',
    'a shared secret that a trusted issuer publishes',
    async ({ signed, foreign }) => {
      const secret = randomBytes(32);
      foreign.jwks.keys.push({ kty: 'oct', k: secret.toString('base64url'), kid: 'shared', alg: 'HS256' });
      return signed({ alg: 'HS256', kid: 'shared' }, { iss: foreign.issuer }, secret);
    },
  ],
  [
    '3.5',
    'a key for encryption that a trusted issuer publishes',
    async ({ signed, foreign }) => {
      const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
      foreign.jwks.keys.push({ ...(await exportJWK(publicKey)), kid: 'enc', use: 'enc' });
      return signed({ alg: 'ES256', kid: 'enc' }, { iss: foreign.issuer }, privateKey);
    },
  ],
  [
    '3.6',
    'compressed (zip), with the derivation of a key that takes hours (p2c)',
    async () =>
      `${text({ alg: 'PBES2-HS256+A128KW', enc: 'A128CBC-HS256', zip: 'DEF', p2c: 2_000_000_000, p2s: 'AAAA', typ: 'at+jwt' })}.AA.AA.AA.AA`,
  ],
  [
    '3.7',
    'claims that are no UTF-8',
    async (world) => {
      const [header] = await parts(world.signed());
      return `${header}.${Buffer.from([0x7b, 0xff, 0xfe, 0x7d]).toString('base64url')}.AA`;
    },
  ],
  [
    '3.7',
    'claims that are a list',
    async (world) => {
      const [header] = await parts(world.signed());
      return `${header}.${text('[]')}.AA`;
    },
  ],
  [
    '3.8',
    'the hub’s name, signed by another issuer it trusts',
    ({ signed, foreign }) => signed({ alg: 'RS256', kid: 'foreign' }, {}, foreign.key),
  ],
  [
    '3.8',
    'the name of another issuer, signed by the hub',
    ({ signed, foreign }) => signed({}, { iss: foreign.issuer }),
  ],
  ['3.8', 'an issuer that begins like one', ({ signed }) => signed({}, { iss: `${issuer}.evil.example` })],
  ['3.8', 'issuers in a list', ({ signed }) => signed({}, { iss: [issuer] })],
  ['3.8', 'no sub', ({ signed }) => signed({}, { sub: undefined })],
  ['3.8', 'a sub that is no text', ({ signed }) => signed({}, { sub: 7 })],
  ['3.9', 'for another server', ({ signed }) => signed({}, { aud: 'https://other.example' })],
  ['3.9', 'for a client, as an ID token is', ({ signed }) => signed({}, { aud: 'ai' })],
  ['3.9', 'an audience that begins like ours', ({ signed }) => signed({}, { aud: `${audience}/Patient` })],
  ['3.9', 'an audience that is an object', ({ signed }) => signed({}, { aud: { [audience]: true } })],
  ...["' or '1'='1", '../../../../dev/null', '/proc/self/environ', '__proto__', 'constructor', 'k'.repeat(4_000)].map(
    (kid): Attack => [
      '3.10',
      `kid ${kid.slice(0, 24)}`,
      async ({ signed }) => {
        const { privateKey } = await generateKeyPair('ES256');
        return signed({ kid }, {}, privateKey);
      },
    ],
  ),
  [
    '3.10',
    'kid of an empty file: HS256 with no secret',
    async (world) => {
      const [, body] = await parts(world.signed());
      const head = `${text({ alg: 'HS256', typ: 'at+jwt', kid: '/dev/null' })}.${body}`;
      return `${head}.${createHmac('sha256', '').update(head).digest('base64url')}`;
    },
  ],
  ...(['jku', 'x5u'] as const).map((name): Attack => [
    '3.10',
    `keys at an address (${name})`,
    async ({ signed, foreign }) => {
      const { privateKey } = await generateKeyPair('ES256');
      return signed({ [name]: `${foreign.issuer}/mine`, kid: 'mine' }, {}, privateKey);
    },
  ]),
  [
    '3.10',
    'a key brought along (jwk)',
    async ({ signed }) => {
      const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
      return signed({ jwk: await exportJWK(publicKey) }, {}, privateKey);
    },
  ],
  [
    '3.10',
    'a certificate brought along (x5c)',
    async ({ signed }) => {
      const { privateKey } = await generateKeyPair('ES256');
      return signed({ x5c: ['MIIB'] }, {}, privateKey);
    },
  ],
  [
    '3.10',
    'an extension that must be understood (crit)',
    (world) => withHeader(world, { alg: 'ES256', typ: 'at+jwt', kid: world.keys.kid, crit: ['exp'], exp: 1 }),
  ],
  [
    '3.10',
    'a body that is not encoded (b64)',
    (world) => withHeader(world, { alg: 'ES256', typ: 'at+jwt', kid: world.keys.kid, crit: ['b64'], b64: false }),
  ],
  ...['JWT', 'jwt', 'at+jwt+x', 'dpop+jwt', 'client-authentication+jwt', 'logout+jwt', 'secevent+jwt', ''].map(
    (typ): Attack => ['3.11', `typ ${typ || 'of no length'}`, ({ signed }) => signed({ typ })],
  ),
  ['3.11', 'no typ', ({ signed }) => signed({ typ: undefined })],
  [
    '3.12',
    'an ID token of the hub itself',
    ({ signed }) =>
      signed({ typ: 'JWT' }, { aud: 'app', nonce: 'n', client_id: undefined, scope: undefined, jti: undefined }),
  ],
  [
    '3.12',
    'an assertion of a client',
    async ({ signed }) => {
      const { privateKey } = await generateKeyPair('ES384');
      return signed(
        { alg: 'ES384', typ: 'JWT', kid: 'k' },
        { iss: 'ai', sub: 'ai', aud: `${issuer}/oauth/token` },
        privateKey,
      );
    },
  ],
  [
    '3.12',
    'a page that the hub has sealed',
    () =>
      seal({ key: createSecretKey(randomBytes(32)), issuer, now: Date.now }, 'authorization-request', {}, {
        id: 's',
      } as Parameters<typeof seal>[3]),
  ],
  ...['exp', 'iat', 'jti', 'client_id'].map((name): Attack => [
    'LEAKS 50',
    `no ${name}`,
    ({ signed }) => signed({}, { [name]: undefined }),
  ]),
  ['LEAKS 50', 'an exp that is a text', ({ signed }) => signed({}, { exp: '9999999999' })],
  ['LEAKS 50', 'an exp beyond all time', ({ signed }) => signed({}, { exp: 1e300, iat: 0 })],
  [
    'LEAKS 50',
    'bound to a certificate, which nobody checks (cnf)',
    ({ signed }) => signed({}, { cnf: { 'x5t#S256': 'x' } }),
  ],
];

describe('attacks on access tokens, by section of RFC 8725 (LEAKS 50)', () => {
  let given: Awaited<ReturnType<typeof givenDatabase>>;
  let dataDir: string;
  let server: Server;
  let world: World;
  let authenticator: Authenticator;

  before(async () => {
    given = await givenDatabase();
    dataDir = await mkdtemp(join(tmpdir(), 'hub-keys-'));
    const keys = await loadIssuerKeys(dataDir);
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'foreign', alg: 'RS256' } as JWK] };
    const asked: string[] = [];
    server = createServer((request, response) => {
      asked.push(request.url ?? '');
      response.setHeader('content-type', 'application/json').end(JSON.stringify(jwks));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const name = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const signed: World['signed'] = (header = {}, payload = {}, key = keys.signingKey) => {
      const now = Math.floor(Date.now() / 1000);
      const right = { iss: issuer, sub: 'ai', aud: audience, client_id: 'ai', iat: now, exp: now + 60, jti: 'j' };
      const claims = {
        ...right,
        scope: 'system/*.rs',
        organization: 'Organization/ai',
        purpose_of_use: 'TREAT',
        ...payload,
      };
      return new SignJWT(JSON.parse(JSON.stringify(claims)) as Record<string, unknown>)
        .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: keys.kid, ...header })
        .sign(key);
    };
    world = { keys, foreign: { issuer: name, key: privateKey, jwks, asked }, signed };
    authenticator = openAuthenticator({
      issuer,
      audience,
      keys,
      trustedIssuers: [{ issuer: name, jwksUri: `${name}/jwks` }],
      registry: openRegistry(given.database),
    });
  });
  after(async () => {
    server.close();
    await given.close();
    await rm(dataDir, { recursive: true });
  });

  it('the token that none of this was done to is taken, and so is one of the other issuer', async () => {
    const { foreign, signed } = world;
    assert.equal((await authenticator.authenticate(`Bearer ${await signed()}`)).clientId, 'ai');
    const other = await signed({ alg: 'RS256', kid: 'foreign' }, { iss: foreign.issuer }, foreign.key);
    assert.equal((await authenticator.authenticate(`Bearer ${other}`)).issuer, foreign.issuer);
  });

  for (const [section, title, tokenOf] of attacks) {
    it(`${section} refused: ${title}`, async () => {
      const token = await tokenOf(world);
      const spentMs = await processorMsUntil(() =>
        assert.rejects(authenticator.authenticate(`Bearer ${token}`), { name: 'Problem', code: 'login' }),
      );
      assert.ok(spentMs < 5_000, 'refused before anything is computed that takes long');
    });
  }

  it('3.10: nothing but the configured address was asked for keys', () => {
    assert.deepEqual(new Set(world.foreign.asked), new Set(['/jwks']));
  });
});
