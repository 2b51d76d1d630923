/**
 * The second factor: codes of six digits that an app makes of a shared key and the time.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6238
 * @see https://github.com/google/google-authenticator/wiki/Key-Uri-Format what apps read
 */
import { Secret, TOTP } from 'otpauth';

/** What every app understands, whatever the URI says: SHA-1, six digits, 30 seconds. */
const periodSeconds = 30;
/** RFC 6238 section 5.2: the code before this one and the one after it, for clocks and slow fingers. */
const stepsAround = 1;
/** RFC 4226 section 4: "the length of the shared secret MUST be at least 128 bits", 160 recommended. */
const keyBytes = 20;

/** @returns base32, as people type it */
export function makeTotpKey(): string {
  return new Secret({ size: keyBytes }).base32;
}

/** For whom there is no key: the same work, no result. */
const nobodysKey = new Secret({ buffer: new ArrayBuffer(keyBytes) }).base32;

/**
 * The time step whose code this is; undefined when it is none of those around `now`.
 * @param key undefined: the same work, and undefined
 */
export function totpStepOf(code: string, key: string | undefined, now: number): number | undefined {
  const delta = totpOf(key ?? nobodysKey).validate({ token: code, timestamp: now, window: stepsAround });
  return delta === null || key === undefined ? undefined : Math.floor(now / 1000 / periodSeconds) + delta;
}

/** The code of this moment. */
export function totpCode(key: string, now: number): string {
  return totpOf(key).generate({ timestamp: now });
}

export function totpUri(key: string, issuer: string, label: string): string {
  return new TOTP({ secret: key, issuer, label, period: periodSeconds }).toString();
}

function totpOf(key: string): TOTP {
  return new TOTP({ secret: key, period: periodSeconds });
}
