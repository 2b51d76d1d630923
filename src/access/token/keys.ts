/**
 * Signing keys of the hub: those of its own issuer, and those of the audit trail. Private JWKs in one file of the data
 * directory for each, readable by its owner alone, made at first use. The first key signs, all verify; to rotate, put a new
 * key before the old one.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7517
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { createOnce, replaceFile } from './key-file.ts';

export interface SigningKeys {
  readonly kid: string;
  readonly alg: 'ES256';
  readonly signingKey: CryptoKey;
  /** Public members only: what /oauth/jwks serves, and what whoever checks the audit trail keeps. */
  readonly jwks: { readonly keys: JWK[] };
}

/** Kept up to date with the file: another process may rotate them (`hub keys`). */
export interface IssuerKeys extends SigningKeys {
  refresh(): Promise<void>;
}

const alg = 'ES256';

export async function loadIssuerKeys(dataDir: string): Promise<IssuerKeys> {
  const path = join(dataDir, issuerFile);
  let current = await loadKeys(dataDir, issuerFile);
  let changedAt = (await stat(path)).mtimeMs;
  return {
    alg,
    get kid() {
      return current.kid;
    },
    get signingKey() {
      return current.signingKey;
    },
    get jwks() {
      return current.jwks;
    },
    refresh: async () => {
      const { mtimeMs } = await stat(path);
      if (mtimeMs === changedAt) return;
      current = await loadKeys(dataDir, issuerFile);
      changedAt = mtimeMs;
    },
  };
}
const issuerFile = 'issuer-keys.json';

/** More than any hub rotates in the day that its tokens live. */
const issuerKeysMax = 10;

/** Another key signs from now on; the former ones verify, until `believedAfter` is later than they were replaced. */
export async function rotateIssuerKeys(dataDir: string, now: Date, believedAfter: Date): Promise<string> {
  const keys = await readIssuerFile(dataDir);
  const key = { ...(await newKey()), created: now.toISOString() };
  const kept = keys.filter((_key, index) => {
    const replaced = index === 0 ? now.toISOString() : keys[index - 1]?.created;
    return replaced === undefined || Date.parse(replaced) > believedAfter.getTime();
  });
  await writeIssuerFile(dataDir, [key, ...kept].slice(0, issuerKeysMax));
  return key.kid as string;
}

/** Takes the key out; when it is the one that signs, or the last, another one is made. False: it is not here. */
export async function removeIssuerKey(dataDir: string, kid: string, now: Date): Promise<boolean> {
  const keys = await readIssuerFile(dataDir);
  const kept = keys.filter((key) => key.kid !== kid);
  if (kept.length === keys.length) return false;
  const isSigning = keys[0]?.kid === kid;
  await writeIssuerFile(dataDir, isSigning ? [{ ...(await newKey()), created: now.toISOString() }, ...kept] : kept);
  return true;
}

/** Without private members. */
export async function listIssuerKeys(dataDir: string): Promise<{ kid: string; created?: string; signs: boolean }[]> {
  const keys = await readIssuerFile(dataDir);
  return keys.map(({ kid = '', created }, index) => ({ kid, ...(created && { created }), signs: index === 0 }));
}

/** When it was made; the first key of a hub may not say. */
type StoredKey = JWK & { created?: string };

async function readIssuerFile(dataDir: string): Promise<StoredKey[]> {
  const text = await createOnce(dataDir, issuerFile, firstKeys);
  return (JSON.parse(text) as { keys: StoredKey[] }).keys;
}

function writeIssuerFile(dataDir: string, keys: readonly StoredKey[]): Promise<void> {
  return replaceFile(join(dataDir, issuerFile), JSON.stringify({ keys }));
}

/** Other keys than the issuer's: what one of them signed can never be taken for what the other did. */
export function loadAuditKeys(dataDir: string): Promise<SigningKeys> {
  return loadKeys(dataDir, 'audit-keys.json');
}

/** Loads the keys of this data directory, making them when there are none. Several processes may do so at once. */
async function loadKeys(dataDir: string, fileName: string): Promise<SigningKeys> {
  const text = await createOnce(dataDir, fileName, firstKeys);
  const { keys } = JSON.parse(text) as { keys: JWK[] };
  const first = keys[0];
  if (first?.kid === undefined)
    throw new Error(`${join(dataDir, fileName)} holds no key with a kid; remove the file to have new keys made`);
  return {
    kid: first.kid,
    alg,
    signingKey: (await importJWK(first, alg)) as CryptoKey,
    jwks: { keys: keys.map(publicPart) },
  };
}

async function firstKeys(): Promise<string> {
  return JSON.stringify({ keys: [await newKey()] });
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg, use: 'sig' };
}

function publicPart({ kty, crv, x, y, kid, alg: keyAlg, use }: JWK): JWK {
  return { kty, crv, x, y, kid, alg: keyAlg, use };
}
