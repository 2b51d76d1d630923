/**
 * Codes that a person types from paper: invitations and recovery codes. 80 random bits in Crockford's base32, which has no
 * letters that are mistaken for digits; kept as a hash. Nobody guesses them, so a fast hash will do.
 *
 * @see https://www.crockford.com/base32.html
 */
import { hash, randomBytes } from 'node:crypto';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const codeChars = 16;

/** `8F3K-2M9Q-T5WX-0ABC` */
export function makeCode(random: (size: number) => Uint8Array = randomBytes): string {
  // 256 is a multiple of 32: every letter is as likely as the next.
  const letters = Array.from(random(codeChars), (byte) => alphabet.charAt(byte % alphabet.length)).join('');
  return letters.replace(/(.{4})(?=.)/g, '$1-');
}

/** As typed: small letters, spaces, O for 0, I and L for 1. Undefined: it is no code. */
export function readCode(typed: string): string | undefined {
  const letters = typed.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replaceAll(/[IL]/g, '1');
  return letters.length === codeChars && Array.from(letters).every((letter) => alphabet.includes(letter))
    ? letters
    : undefined;
}

/** What is kept of a code, whether it has its dashes or not. */
export function hashCode(code: string): string {
  return hash('sha256', code.replaceAll('-', ''), 'base64url');
}
