/**
 * Tokens as 64-bit numbers. A resource carries the hashes of its tokens as one array, a search asks for membership, and
 * consent rules that name codes use the same numbers, so what a rule covers and what a search finds cannot drift.
 *
 * @see https://hl7.org/fhir/R4/search.html#token
 */
import { hash } from 'node:crypto';
import { ucum } from './ucum.ts';

/**
 * The hash of one form of a token: first 8 bytes of SHA-256 over the length-prefixed parts, signed.
 * @param param name in the index: `code`, `identifier:of-type`, `subject:identifier`
 * @param system '' when the token has no system; undefined for "any system"
 * @param code undefined for "any code" of the system; with system undefined too it says "has any value" (`:missing`)
 */
export function tokenHash(param: string, system: string | undefined, code: string | undefined): bigint {
  return hash64(`${part(param)}${part(system)}${part(code === undefined ? undefined : foldCode(system, code))}`);
}

/** The first 8 bytes of SHA-256, signed. */
export function hash64(text: string): bigint {
  if (text.length > recentCharsMax) return digestOf(text);
  let found = recent.get(text);
  if (found === undefined) {
    found = digestOf(text);
    if (recent.size >= recentMax) recent.clear();
    recent.set(text, found);
  }
  return found;
}

function digestOf(text: string): bigint {
  // One shot, as a text of bytes: 0.7 us; 1.5 through hexadecimal digits, 3 as a Buffer, 4.5 by createHash.
  const digest = hash('sha256', text, 'binary');
  for (let at = 0; at < 8; at++) leading.setUint8(at, digest.charCodeAt(at));
  return leading.getBigInt64(0);
}

// The same statuses, codes and systems come with every resource: a look-up is a tenth of a hash.
const recentMax = 20_000;
// What is longer does not come with every resource, and a string of FHIR may have a million characters.
const recentCharsMax = 300;
const recent = new Map<string, bigint>();
const leading = new DataView(new ArrayBuffer(8));

// Length-prefixed, so ('ab','c') and ('a','bc') differ; `*` stands for any and no length looks like it.
function part(value: string | undefined): string {
  return value === undefined ? '*' : `${value.length}:${value}`;
}

/**
 * FHIR R4 search.html#token: "When in doubt, servers SHOULD treat tokens in a case-insensitive manner, on the grounds that
 * including undesired data has less safety implications than excluding desired behavior." UCUM is not in doubt: mg is not Mg.
 */
function foldCode(system: string | undefined, code: string): string {
  return system === ucum ? code : code.toLowerCase();
}

export interface Token {
  readonly param: string;
  readonly system?: string;
  readonly code?: string;
}

/**
 * Every form under which a token is stored: (system, code), (any system, code), (system, any code).
 * A search for one token is one {@link tokenHash}: `sys|code`, `code`, `|code`, `sys|` each name exactly one form.
 */
export function tokenForms(token: Token): bigint[] {
  const { param, system = '', code } = token;
  if (code === undefined) return [tokenHash(param, system, undefined)];
  const forms = [tokenHash(param, system, code), tokenHash(param, undefined, code)];
  // (no system, any code) is a question nobody can ask: `|` alone is no token.
  if (system !== '') forms.push(tokenHash(param, system, undefined));
  return forms;
}
