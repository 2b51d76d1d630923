/**
 * Signing keys of the hub's own issuer: private JWKs in one file of the data directory, readable by its owner alone,
 * made at first use. The first key signs, all verify; to rotate, put a new key before the old one.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7517
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';

export interface IssuerKeys {
  readonly kid: string;
  readonly alg: 'ES256';
  readonly signingKey: CryptoKey;
  /** What /oauth/jwks serves: public members only. */
  readonly jwks: { readonly keys: JWK[] };
}

const fileName = 'issuer-keys.json';
const alg = 'ES256';

/** Loads the keys of this data directory, making them when there are none. Several processes may do so at once. */
export async function loadIssuerKeys(dataDir: string): Promise<IssuerKeys> {
  const path = join(dataDir, fileName);
  const text = (await readIfPresent(path)) ?? (await createOnce(dataDir, path));
  const { keys } = JSON.parse(text) as { keys: JWK[] };
  const first = keys[0];
  if (first?.kid === undefined)
    throw new Error(`${path} holds no key with a kid; remove the file to have new keys made`);
  return {
    kid: first.kid,
    alg,
    signingKey: (await importJWK(first, alg)) as CryptoKey,
    jwks: { keys: keys.map(publicPart) },
  };
}

async function readIfPresent(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Written whole under another name, then linked: link(2) fails when the name exists, so the first process wins. */
async function createOnce(dataDir: string, path: string): Promise<string> {
  await mkdir(dataDir, { recursive: true });
  const mine = `${path}.${randomUUID()}`;
  await writeFile(mine, JSON.stringify({ keys: [await newKey()] }), { mode: 0o600, flag: 'wx' });
  try {
    await link(mine, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(mine);
  }
  return readFile(path, 'utf8');
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg, use: 'sig' };
}

function publicPart({ kty, crv, x, y, kid, alg: keyAlg, use }: JWK): JWK {
  return { kty, crv, x, y, kid, alg: keyAlg, use };
}
