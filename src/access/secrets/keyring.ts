/**
 * The keys that seal what is secret at rest: one file of the data directory, readable by its owner alone, shared by the processes
 * of an installation. It is looked at before each use, so that all of them follow a rotation at once.
 */
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createOnce, replaceFile, unlessMissing } from '../token/key-file.ts';
import { keyIdOf, type Keyring } from './seal.ts';

const fileName = 'secret-keys.json';
/** The one key of earlier versions: what it sealed opens. */
const formerName = 'account-key';
const keyBytes = 32;

export interface SecretKey {
  readonly id: string;
  readonly created: string;
  readonly key: KeyObject;
}

interface StoredKey {
  readonly created: string;
  /** base64url, as `k` of RFC 7518 section 6.4. */
  readonly k: string;
}

/** Made at first use. */
export async function openKeyring(dataDir: string): Promise<Keyring> {
  await readSecretKeys(dataDir);
  const path = join(dataDir, fileName);
  let state = '';
  let keys: ReturnType<Keyring>;
  return () => {
    const { ino, mtimeMs } = statSync(path);
    if (state !== `${ino} ${mtimeMs}`) {
      keys = parse(readFileSync(path, 'utf8')).map(({ key }) => key) as unknown as typeof keys;
      state = `${ino} ${mtimeMs}`;
    }
    return keys;
  };
}

/** The one that seals first. */
export async function readSecretKeys(dataDir: string): Promise<SecretKey[]> {
  const first = async (): Promise<string> => {
    const former = await readFile(join(dataDir, formerName)).catch(unlessMissing);
    return write([newKey(former?.length === keyBytes ? former : undefined)]);
  };
  return parse(await createOnce(dataDir, fileName, first));
}

/** Another key seals from now on; those before it open. */
export async function addSecretKey(dataDir: string): Promise<void> {
  const keys = await readSecretKeys(dataDir);
  await replaceFile(join(dataDir, fileName), write([newKey(), ...keys.map(stored)]));
}

/** What they sealed does not open any more. The one that seals stays. */
export async function removeSecretKeys(dataDir: string, ids: ReadonlySet<string>): Promise<void> {
  const keys = await readSecretKeys(dataDir);
  const kept = keys.filter(({ id }, index) => index === 0 || !ids.has(id));
  if (kept.length < keys.length) await replaceFile(join(dataDir, fileName), write(kept.map(stored)));
}

function newKey(bytes = randomBytes(keyBytes)): StoredKey {
  return { created: new Date().toISOString(), k: bytes.toString('base64url') };
}

function stored({ created, key }: SecretKey): StoredKey {
  return { created, k: key.export().toString('base64url') };
}

function write(keys: readonly StoredKey[]): string {
  return JSON.stringify({ keys });
}

function parse(text: string): SecretKey[] {
  const { keys } = JSON.parse(text) as { keys: StoredKey[] };
  if (keys.length === 0) throw new Error(`${fileName} holds no key: restore it from its backup`);
  return keys.map(({ created, k }) => {
    const key = createSecretKey(Buffer.from(k, 'base64url'));
    return { id: keyIdOf(key), created, key };
  });
}
