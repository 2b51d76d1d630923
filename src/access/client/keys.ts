/**
 * The public keys a client registers (RFC 7517), checked once by the operator's command. Each answers for one algorithm
 * only. The keys themselves are kept, never an address: the hub fetches nothing that data names (LEAKS 41).
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
 */
import { createPublicKey } from 'node:crypto';
import type { JWK } from 'jose';
import { Problem } from '../../fhir/problem.ts';

/**
 * SMART wants RS384 and ES384; the others are what libraries sign with by default. RFC 8725 section 3.1: this list, not
 * the header, decides.
 */
export const assertionAlgorithms = ['RS384', 'ES384', 'RS256', 'ES256', 'PS256', 'PS384', 'EdDSA', 'Ed25519'];

/** Enough to have the next key in place long before the last one goes. */
const keysMax = 10;
const kidCharsMax = 256;
/** RFC 7518 section 3.3. */
const rsaBitsMin = 2048;
/** Verifying takes longer with each bit, and nobody needs more. */
const rsaBitsMax = 8192;
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** A key as it is stored: public members only. */
export type ClientKey = JWK & { readonly kid: string; readonly alg: string };

/** @throws Problem structure, required, value, duplicate with the place in the set */
export function parseClientKeys(text: string): ClientKey[] {
  const entries = readSet(text);
  if (entries.length === 0 || entries.length > keysMax) {
    throw new Problem('value', `a client has 1 to ${keysMax} keys`, { expression: 'keys' });
  }
  const keys = entries.map(readKey);
  const twice = keys.find(({ kid }, index) => keys.findIndex((key) => key.kid === kid) !== index);
  if (twice !== undefined) throw new Problem('duplicate', 'two keys have the same kid', { expression: 'keys' });
  return keys;
}

function readSet(text: string): unknown[] {
  let set: unknown;
  try {
    set = JSON.parse(text);
  } catch (cause) {
    throw new Problem('structure', 'the key set is not JSON', { cause });
  }
  const keys = (set as { keys?: unknown } | null)?.keys;
  if (Array.isArray(keys)) return keys;
  throw new Problem('structure', 'this is no key set', { hint: 'A JWKS is {"keys":[{"kty":...,"kid":...}]}.' });
}

function readKey(entry: unknown, index: number): ClientKey {
  const expression = `keys[${index}]`;
  const key = (typeof entry === 'object' && entry !== null ? entry : {}) as JWK;
  if (privateMembers.some((name) => name in key)) {
    throw new Problem('value', 'this is a private or a symmetric key', {
      expression,
      hint: 'Register the public part only. A private key that was handed over is no longer one: make another.',
    });
  }
  const { kty, kid, use, key_ops: operations } = key;
  if (typeof kid !== 'string' || kid === '' || kid.length > kidCharsMax) {
    throw new Problem('required', 'a key has a kid, which the assertions name', { expression: `${expression}.kid` });
  }
  if ((use !== undefined && use !== 'sig') || (operations !== undefined && !operations.includes('verify'))) {
    throw new Problem('value', 'the key is not for signatures', { expression });
  }
  const fitting = algorithmsOf(key, expression);
  const alg = key.alg ?? fitting[0];
  if (alg === undefined || !fitting.includes(alg)) {
    throw new Problem('value', 'the hub takes no such key', {
      expression,
      hint: `RSA, EC P-256 or P-384, OKP Ed25519; algorithms ${assertionAlgorithms.join(', ')}.`,
    });
  }
  const { crv, x, y, n, e } = key;
  const members = kty === 'RSA' ? { kty, n, e } : kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x };
  return { ...members, kid, alg, use: 'sig' };
}

/** What a key of this kind may sign with; the first is meant when the key does not say. */
function algorithmsOf(key: JWK, expression: string): string[] {
  let bits: number | undefined;
  try {
    bits = createPublicKey({ key, format: 'jwk' }).asymmetricKeyDetails?.modulusLength;
  } catch (cause) {
    throw new Problem('value', 'this is no key', { expression, cause });
  }
  switch (key.kty) {
    case 'RSA':
      if (bits !== undefined && bits >= rsaBitsMin && bits <= rsaBitsMax) return ['RS384', 'RS256', 'PS384', 'PS256'];
      throw new Problem('value', `an RSA key has ${rsaBitsMin} to ${rsaBitsMax} bits`, { expression });
    case 'EC':
      return key.crv === 'P-384' ? ['ES384'] : key.crv === 'P-256' ? ['ES256'] : [];
    default:
      return key.crv === 'Ed25519' ? ['EdDSA', 'Ed25519'] : [];
  }
}
