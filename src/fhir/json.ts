/**
 * JSON that keeps the digits of numbers: FHIR R4 decimals have a precision (`1.50` is not `1.5`).
 * A number that JavaScript would print differently is held as a raw number and written back as it came.
 *
 * @see https://hl7.org/fhir/R4/datatypes.html#decimal
 */
import { Problem } from './problem.ts';

/** A number literal kept as text. Created only by {@link decimal} and {@link parseJson}. */
export interface RawNumber {
  readonly rawJSON: string;
}

interface LosslessJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
}
// Node 24 has both functions (V8 11.4+); TypeScript's library does not declare them yet.
const json = JSON as unknown as LosslessJson;

/** Deeper bodies than this are refused before anything walks them. R4 resources stay far below. */
export const jsonDepthMax = 64;

/** Characters of a decimal: far beyond what anything measures or costs, and within what PostgreSQL's numeric takes. */
export const decimalLengthMax = 100;

/** A decimal with exactly these digits. @throws Problem value when the text is no JSON number. */
export function decimal(text: string): RawNumber | number {
  const simple = simpleDecimal(text);
  if (simple !== undefined) return simple;
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) throw new Problem('value', 'not a decimal');
  return keepDigits(text, Number(text));
}

/**
 * As `decimal`, for a number as nearly all are written: digits, perhaps a point and digits. Undefined for any other text.
 * Read by hand, because a pattern and a comparison with what JavaScript prints take four times as long.
 */
export function simpleDecimal(text: string): RawNumber | number | undefined {
  const { length } = text;
  if (length > exactDigits) return undefined;
  let point = length;
  for (let at = 0; at < length; at++) {
    const char = text.charCodeAt(at);
    if (char >= 0x30 && char <= 0x39) continue;
    if (char !== 0x2e || point < length) return undefined;
    point = at;
  }
  const fraction = length - point - 1;
  // No digits before the point or after it, or a zero before other digits: no JSON number.
  if (point === 0 || fraction === 0 || (point > 1 && text.charCodeAt(0) === 0x30)) return undefined;
  if (fraction < 0) return Number(text);
  if (text.charCodeAt(length - 1) === 0x30) return json.rawJSON(text);
  return fraction <= plainFraction ? Number(text) : undefined;
}
/** A double holds this many decimal digits, and prints them again. */
const exactDigits = 15;
/** JavaScript prints 0.000001 as it is, and 0.0000001 as 1e-7. */
const plainFraction = 6;

export function isRawNumber(value: unknown): value is RawNumber {
  return json.isRawJSON(value);
}

/** The numeric value of a number or a raw number; NaN for anything else. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  return isRawNumber(value) ? Number(value.rawJSON) : Number.NaN;
}

/**
 * Parses JSON; numbers keep their digits, at the cost of a slower walk only where a body needs it.
 * @throws Problem structure: no JSON, nested deeper than {@link jsonDepthMax}, or a key that would reach a prototype
 */
export function parseJson(text: string): unknown {
  return parse(text, scan(text).needsRaw);
}

/**
 * As `parseJson`, for what somebody sends: a name that stands twice in one object is refused. JSON.parse would take the last,
 * another reader the first (RFC 8259 section 4), and so two of them would see two records.
 */
export function parseReceivedJson(text: string): unknown {
  const { needsRaw, members } = scan(text);
  const value = parse(text, needsRaw);
  if (countMembers(value, needsRaw) !== members) {
    throw new Problem('structure', 'an object has two members of the same name', {
      hint: describeRepeated(text),
    });
  }
  return value;
}

/**
 * As `parseJson`, for what is no resource: numbers are JavaScript's.
 * @throws Problem structure, as `parseJson`
 */
export function parsePlainJson(text: string): unknown {
  scan(text);
  return plainNumbers(parse(text, false));
}

function parse(text: string, needsRaw: boolean): unknown {
  try {
    const isPlain = !needsRaw && !mayReachPrototype.test(text);
    return isPlain ? JSON.parse(text) : json.parse(text, keepRaw);
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    throw new Problem('structure', 'the body is not valid JSON', { hint: 'Send one JSON object in UTF-8.', cause });
  }
}
// The key itself, or an escaped underscore that could hide it; a text that merely speaks of it passes the closer look.
const mayReachPrototype = /__proto__|\\u005f/i;

/**
 * One pass before parsing: refuses depth, so that nothing recursive (the reviver, validation) ever sees a deep body, tells
 * whether JSON.parse alone would change a number (`1.50`, `1e3`, 17 digits), and counts the members of all objects.
 */
function scan(text: string): { needsRaw: boolean; members: number } {
  let depth = 0;
  let members = 0;
  let needsRaw = false;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) {
      at = endOfString(text, at);
    } else if (char === 0x3a) {
      members++;
    } else if (char === 0x7b || char === 0x5b) {
      if (++depth > jsonDepthMax) {
        throw new Problem('structure', `the body is nested deeper than ${jsonDepthMax} levels`);
      }
    } else if (char === 0x7d || char === 0x5d) {
      depth--;
    } else if (char === 0x2d || (char >= 0x30 && char <= 0x39)) {
      const end = endOfNumber(text, at);
      needsRaw ||= String(Number(text.slice(at, end))) !== text.slice(at, end);
      at = end - 1;
    }
  }
  return { needsRaw, members };
}

function countMembers(value: unknown, mayBeRaw: boolean): number {
  if (typeof value !== 'object' || value === null || (mayBeRaw && isRawNumber(value))) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countMembers(item, mayBeRaw);
    return count;
  }
  for (const name in value) count += 1 + countMembers((value as Record<string, unknown>)[name], mayBeRaw);
  return count;
}

/** Names the first member that its object already has; a name is shown when it looks like an element's. */
function describeRepeated(text: string): string {
  const objects: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') objects.push(new Set());
    else if (char === '}' || char === ']') objects.pop();
    else if (char === '"') {
      const end = endOfString(text, at);
      const isName = /^\s*:/.test(text.slice(end + 1, end + 1 + spaceMax));
      const name = isName ? (JSON.parse(text.slice(at, end + 1)) as string) : '';
      if (isName && objects.at(-1)?.has(name)) return `Send ${/^\w{1,64}$/.test(name) ? name : 'each name'} once.`;
      if (isName) objects.at(-1)?.add(name);
      at = end;
    }
  }
  return 'Send each name once.';
}
/** White space looked at between a name and its colon, for the sake of a hint. */
const spaceMax = 16;

/** The same value with plain JavaScript numbers, for libraries that compute; values without raw numbers are returned as they are. */
export function plainNumbers(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (isRawNumber(value)) return Number(value.rawJSON);
  if (Array.isArray(value)) {
    const items = value.map(plainNumbers);
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  let copy: Record<string, unknown> | undefined;
  for (const [key, held] of Object.entries(value)) {
    const plain = plainNumbers(held);
    if (plain !== held) (copy ??= { ...value })[key] = plain;
  }
  return copy ?? value;
}

/** A copy of its own; numbers keep their digits. */
export function copyJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return value;
  if (Array.isArray(value)) return value.map(copyJson);
  return Object.fromEntries(Object.entries(value).map(([key, held]) => [key, copyJson(held)]));
}

/** Index of the quote that closes the string opened at `start`; the text's end when none does. */
export function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end >= 0) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && isNumberChar(text.charCodeAt(end))) end++;
  return end;
}

/** Digits, point, signs, e and E. */
function isNumberChar(char: number): boolean {
  return (char >= 0x30 && char <= 0x39) || char === 0x2e || char === 0x2b || char === 0x2d || (char | 0x20) === 0x65;
}

function keepRaw(key: string, value: unknown, context: { source?: string }): unknown {
  if (key === '__proto__') throw new Problem('structure', 'the body has a key that no FHIR element has');
  return typeof value === 'number' && context.source !== undefined ? keepDigits(context.source, value) : value;
}

function keepDigits(text: string, value: number): RawNumber | number {
  return String(value) === text ? value : json.rawJSON(text);
}
