/** What an operator may register: a client and its keys (RFC 7517, SMART asymmetric client authentication). */
import assert from 'node:assert/strict';
import { exportJWK, generateKeyPair, generateSecret, type JWK } from 'jose';
import { parseClientKeys } from '../../../src/access/client/keys.ts';
import { readClient, type ClientRequest } from '../../../src/access/client/client.ts';
import { purpose } from '../../../src/access/principal/purpose.ts';

const keyPair = async (alg: string, options: object = {}): Promise<{ secret: JWK; open: JWK }> => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, ...options });
  return { secret: await exportJWK(privateKey), open: await exportJWK(publicKey) };
};
const setOf = (...keys: object[]): string => JSON.stringify({ keys });

describe('registered keys: a JWKS of public keys, each for one algorithm', () => {
  let ec: { secret: JWK; open: JWK };
  let rsa: { secret: JWK; open: JWK };
  before(async () => {
    ec = await keyPair('ES384');
    rsa = await keyPair('RS384');
  });

  const pinned: readonly [string, string][] = [
    ['RS384', 'RS384'],
    ['ES384', 'ES384'],
    ['ES256', 'ES256'],
    ['EdDSA', 'EdDSA'],
  ];
  for (const [made, alg] of pinned) {
    it(`a key without alg is one for ${alg}`, async () => {
      const { open } = await keyPair(made);
      assert.deepEqual(
        parseClientKeys(setOf({ ...open, kid: 'k' })).map((key) => key.alg),
        [alg],
      );
    });
  }

  it('keeps the public members and nothing else that was sent', () => {
    const [key] = parseClientKeys(setOf({ ...ec.open, kid: 'k', jku: 'https://x.example', note: 'x' }));
    assert.deepEqual(Object.keys(key ?? {}).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y']);
  });

  const refused: readonly [string, string, () => Promise<string> | string][] = [
    ['a private key', 'value', () => setOf({ ...ec.secret, kid: 'k' })],
    ['a private RSA key', 'value', () => setOf({ ...rsa.secret, kid: 'k' })],
    [
      'a symmetric key',
      'value',
      async () => setOf({ ...(await exportJWK(await generateSecret('HS256', { extractable: true }))), kid: 'k' }),
    ],
    ['no kid', 'required', () => setOf(ec.open)],
    ['two of one kid', 'duplicate', () => setOf({ ...ec.open, kid: 'k' }, { ...rsa.open, kid: 'k' })],
    ['HS256 for a public key', 'value', () => setOf({ ...rsa.open, kid: 'k', alg: 'HS256' })],
    ['alg none', 'value', () => setOf({ ...rsa.open, kid: 'k', alg: 'none' })],
    ['an algorithm of another kind of key', 'value', () => setOf({ ...ec.open, kid: 'k', alg: 'RS384' })],
    ['a key to encrypt with', 'value', () => setOf({ ...rsa.open, kid: 'k', use: 'enc' })],
    [
      'RSA of 1024 bits',
      'value',
      () => setOf({ kty: 'RSA', e: 'AQAB', n: Buffer.alloc(128, 0xc1).toString('base64url'), kid: 'k' }),
    ],
    ['a curve the hub does not know', 'value', async () => setOf({ ...(await keyPair('ES512')).open, kid: 'k' })],
    ['a point that is not on its curve', 'value', () => setOf({ ...ec.open, x: ec.open.y, kid: 'k' })],
    ['no key', 'value', () => setOf()],
    ['eleven', 'value', () => setOf(...Array.from({ length: 11 }, (_, at) => ({ ...ec.open, kid: String(at) })))],
    ['a single JWK', 'structure', () => JSON.stringify({ ...ec.open, kid: 'k' })],
    ['an address of keys', 'structure', () => JSON.stringify('https://x.example/jwks')],
    ['no JSON', 'structure', () => '-----BEGIN PUBLIC KEY-----'],
    ['null among the keys', 'required', () => '{"keys":[null]}'],
  ];
  for (const [title, code, text] of refused) {
    it(`refused: ${title}`, async () => {
      const jwks = await text();
      assert.throws(() => parseClientKeys(jwks), { name: 'Problem', code });
    });
  }

  describe('the registration', () => {
    const read = (changes: Partial<ClientRequest>): ReturnType<typeof readClient> =>
      readClient({
        issuer: 'https://hub.test',
        id: 'x',
        kind: 'ai',
        organization: 'Organization/x',
        purposes: ['TREAT'],
        scope: 'system/*.rs',
        jwks: setOf({ ...ec.open, kid: 'k' }),
        ...changes,
      });

    it('purposes are bits, scopes a list', () => {
      const { purposes, scopes } = read({
        kind: 'hospital',
        purposes: ['TREAT', 'ETREAT'],
        scope: ' system/Patient.rs  system/Observation.cruds ',
      });
      assert.equal(purposes, purpose.treatment | purpose.emergency);
      assert.deepEqual(scopes, ['system/Patient.rs', 'system/Observation.cruds']);
    });

    const rows: readonly [string, Partial<ClientRequest>, string][] = [
      ['an id that a Consent cannot name', { id: 'a/b' }, 'value'],
      ['a kind that is none', { kind: 'portal' }, 'value'],
      ['an organization that is none', { organization: 'Patient/x' }, 'value'],
      ['an organization with a version', { organization: 'Organization/x/_history/1' }, 'value'],
      ['no purpose', { purposes: [] }, 'required'],
      ['an unknown purpose', { purposes: ['FUN'] }, 'code-invalid'],
      ['LEAKS 32: emergencies for an AI', { purposes: ['ETREAT'] }, 'code-invalid'],
      ['LEAKS 32: a payer that treats', { kind: 'payment', purposes: ['HPAYMT', 'TREAT'] }, 'code-invalid'],
      [
        'LEAKS 32: payment for an AI, which would see it without the minimum',
        { purposes: ['COVERAGE', 'HPAYMT'] },
        'code-invalid',
      ],
      [
        "LEAKS 32: the patient's own purpose for a hospital",
        { kind: 'hospital', purposes: ['PATRQT'] },
        'code-invalid',
      ],
      ['no scope', { scope: ' ' }, 'value'],
      ['a scope of users', { scope: 'user/*.rs' }, 'value'],
      ['the console', { scope: 'hub/ops' }, 'value'],
      ['a scope that cannot be evaluated', { scope: 'system/*.rs?code=x' }, 'value'],
    ];
    for (const [title, changes, code] of rows) {
      it(`refused: ${title}`, () => assert.throws(() => read(changes), { name: 'Problem', code }));
    }
  });
});
