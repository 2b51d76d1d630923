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

/** A decimal with exactly these digits. @throws Problem value when the text is no JSON number. */
export function decimal(text: string): RawNumber | number {
  if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text)) throw new Problem('value', 'not a decimal');
  return keepDigits(text, Number(text));
}

export function isRawNumber(value: unknown): value is RawNumber {
  return json.isRawJSON(value);
}

/** The numeric value of a number or a raw number; NaN for anything else. */
export function numberOf(value: unknown): number {
  if (typeof value === 'number') return value;
  return isRawNumber(value) ? Number(value.rawJSON) : Number.NaN;
}

/** Parses JSON; numbers keep their digits, at the cost of a slower walk only where a body needs it. */
export function parseJson(text: string): unknown {
  try {
    // A fraction ending in 0, an exponent, or 16+ digits is what JSON.parse alone would change.
    return needsRaw.test(text) ? json.parse(text, keepRaw) : JSON.parse(text);
  } catch (cause) {
    throw new Problem('structure', 'the body is not valid JSON', { hint: 'Send one JSON object in UTF-8.', cause });
  }
}
const needsRaw = /[0-9.]0[\s,}\]]|\d[eE][+-]?\d|\d{16}|-0[\s,}\]]|\d\.\d{15}/;

function keepRaw(_key: string, value: unknown, context: { source?: string }): unknown {
  return typeof value === 'number' && context.source !== undefined ? keepDigits(context.source, value) : value;
}

function keepDigits(text: string, value: number): RawNumber | number {
  return String(value) === text ? value : json.rawJSON(text);
}
