/**
 * What is kept sealed at rest: AES-256-GCM under a key of the installation, bound to what it belongs to, so that a sealed text
 * moved to another row does not open. The name of the key stands before it, so that keys can be changed one by one (rotate.ts).
 *
 * @see https://nvlpubs.nist.gov/nistpubs/Legacy/SP/nistspecialpublication800-38d.pdf a random 96-bit IV each time
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes, type KeyObject } from 'node:crypto';

export interface Sealer {
  /** @param boundTo what the text belongs to; must be the same to open it */
  seal(text: string, boundTo: string): string;
  /** Undefined for what was not sealed by a key that is known, for this. */
  open(sealed: string, boundTo: string): string | undefined;
  /** A keyed hash (HMAC-SHA-256, base64url), for what must be recognised and not read. Others with another key. */
  mark(text: string): string;
  /** The name of the key that seals. */
  keyId(): string;
}

/** Keys of 32 random bytes: the first seals, all open. */
export type Keyring = () => readonly [KeyObject, ...KeyObject[]];

const algorithm = 'aes-256-gcm';
const ivBytes = 12;
const tagBytes = 16;
const keyIdChars = 8;

/** What seals and what marks are derived from a key, so that neither says anything of the other. */
interface Derived {
  readonly id: string;
  readonly sealing: Buffer;
  readonly marking: Buffer;
}

function derive(key: KeyObject): Derived {
  const of = (use: string): Buffer => createHmac('sha256', key).update(use).digest();
  return { id: of('id').toString('hex').slice(0, keyIdChars), sealing: of('seal'), marking: of('mark') };
}

export function keyIdOf(key: KeyObject): string {
  return derive(key).id;
}

export function openSealer(keyring: Keyring): Sealer {
  const known = new WeakMap<KeyObject, Derived>();
  const derived = (key: KeyObject): Derived => {
    const found = known.get(key) ?? derive(key);
    known.set(key, found);
    return found;
  };
  return {
    seal: (text, boundTo) => {
      const { id, sealing } = derived(keyring()[0]);
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv(algorithm, sealing, iv).setAAD(Buffer.from(boundTo));
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return `${id}.${Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    open: (sealed, boundTo) => {
      const [id, body = ''] = sealed.split('.');
      const key = keyring()
        .map(derived)
        .find((one) => one.id === id);
      const bytes = Buffer.from(body, 'base64url');
      if (key === undefined || bytes.length < ivBytes + tagBytes) return undefined;
      const decipher = createDecipheriv(algorithm, key.sealing, bytes.subarray(0, ivBytes), {
        authTagLength: tagBytes,
      })
        .setAAD(Buffer.from(boundTo))
        .setAuthTag(bytes.subarray(ivBytes, ivBytes + tagBytes));
      try {
        return Buffer.concat([decipher.update(bytes.subarray(ivBytes + tagBytes)), decipher.final()]).toString();
      } catch {
        return undefined;
      }
    },
    mark: (text) => createHmac('sha256', derived(keyring()[0]).marking).update(text).digest('base64url'),
    keyId: () => derived(keyring()[0]).id,
  };
}
