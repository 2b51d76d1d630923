/** Keys that live as long as a test. */
import { createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import type { Keyring } from '../../../src/access/secrets/seal.ts';

/** Of these, or of one of its own. */
export function keyringOf(...keys: readonly KeyObject[]): Keyring {
  const [first = createSecretKey(randomBytes(32)), ...others] = keys;
  return () => [first, ...others];
}
