/**
 * Passwords: argon2id off the event loop, so many at once and no more, and what a password must be.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
 * @see https://www.rfc-editor.org/rfc/rfc9106 argon2
 * @see https://pages.nist.gov/800-63-4/sp800-63b.html#password
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { Problem } from '../../fhir/problem.ts';

/** OWASP: 19 MiB, two passes, one lane. 50 ms of a core here. */
const cost = { memory: 19_456, passes: 2, parallelism: 1 };
const tagBytes = 32;
const saltBytes = 16;
/** Two of the four threads that Node has for such work: files and addresses are looked up on them too. 38 MiB at most. */
const runningMax = 2;
/** Some two seconds of waiting; a stranger who sends more makes others wait no longer than that. */
const waitingMax = 64;

export const passwordCharsMin = 10;
/** Beyond it nobody types; the hash takes any length. */
export const passwordCharsMax = 128;
const distinctCharsMin = 5;

const derive = promisify(argon2);
let running = 0;
const waiting: (() => void)[] = [];

/** @throws Problem throttled when too many wait */
async function bounded<T>(work: () => Promise<T>): Promise<T> {
  if (running >= runningMax) {
    if (waiting.length >= waitingMax) throw new Problem('throttled', 'too many people sign in at once');
    // Whoever ends hands its place on, so `running` stays.
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else {
    running++;
  }
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

/** NIST SP 800-63B: the same characters, however a keyboard composes them. */
function bytesOf(password: string): Buffer {
  return Buffer.from(password.normalize('NFKC'));
}

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/** @returns in the PHC string format: `$argon2id$v=19$m=19456,t=2,p=1$salt$tag` @throws Problem throttled */
export async function hashPassword(password: string): Promise<string> {
  const nonce = randomBytes(saltBytes);
  const tag = await bounded(() =>
    derive('argon2id', { message: bytesOf(password), nonce, tagLength: tagBytes, ...cost }),
  );
  const { memory, passes, parallelism } = cost;
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(nonce)}$${base64(tag)}`;
}

const phc = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Nobody's: what is checked when there is nothing to check, at the same cost. */
const nobodys = `$argon2id$v=19$m=${cost.memory},t=${cost.passes},p=${cost.parallelism}$${'A'.repeat(22)}$${'A'.repeat(43)}`;

/** @param hash undefined: the same work, and false @throws Problem throttled */
export async function verifyPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, memory, passes, parallelism, salt = '', tag = ''] = phc.exec(hash ?? nobodys) ?? [];
  const expected = Buffer.from(tag, 'base64');
  const found = await bounded(() =>
    derive('argon2id', {
      message: bytesOf(password),
      nonce: Buffer.from(salt, 'base64'),
      tagLength: expected.length,
      memory: Number(memory),
      passes: Number(passes),
      parallelism: Number(parallelism),
    }),
  );
  return timingSafeEqual(found, expected) && hash !== undefined;
}

/** Made with another cost than today's. */
export function isOutdated(hash: string): boolean {
  const [, memory, passes, parallelism] = phc.exec(hash) ?? [];
  return [memory, passes, parallelism].join() !== [cost.memory, cost.passes, cost.parallelism].join();
}

export type PasswordFault = 'passwordShort' | 'passwordLong' | 'passwordPlain' | 'passwordLogin';

/** Length, and nothing that is guessed first; no rules of composition (NIST SP 800-63B section 3.1.1.2). */
export function passwordFault(password: string, login: string): PasswordFault | undefined {
  const text = password.normalize('NFKC');
  const characters = Array.from(text);
  if (characters.length < passwordCharsMin) return 'passwordShort';
  if (characters.length > passwordCharsMax) return 'passwordLong';
  const lower = text.toLowerCase();
  if (login !== '' && lower.includes(login)) return 'passwordLogin';
  if (new Set(lower).size < distinctCharsMin || common.some((word) => isMadeOf(lower, word))) return 'passwordPlain';
  return undefined;
}

/** What lists of leaked passwords begin with, once long enough: these words, again and again or with a few digits. */
const common = [
  'password',
  'passwort',
  'qwertyuiop',
  'qwertzuiop',
  '1234567890',
  'abcdefghij',
  'iloveyou',
  'woaini',
  '1q2w3e4r5t',
];

function isMadeOf(text: string, word: string): boolean {
  return text.replaceAll(word, '').replace(/[\d!.]{0,6}$/, '') === '';
}
