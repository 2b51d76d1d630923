/**
 * The values of a search parameter: escapes, prefixes, precision, and how each type reads its text.
 *
 * @see https://hl7.org/fhir/R4/search.html#escaping
 */
import { readDate } from '../dates.ts';
import { foldString } from '../fold.ts';
import { idPattern } from '../ids.ts';
import { Problem } from '../problem.ts';
import { readCanonical, readReferenceAt } from '../reference.ts';
import type {
  NearValue,
  Prefix,
  QuantityValue,
  RangeValue,
  ReferenceValue,
  SearchParam,
  TokenValue,
} from '../search-request.ts';
import { typeCode } from '../types.ts';

/** Splits at a separator that no backslash stands before. The parts keep their escapes. */
export function splitEscaped(text: string, separator: ',' | '|' | '$'): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === separator) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** `\,` `\|` `\$` `\\` are the characters themselves; any other backslash stays what it is. */
export function unescapeValue(text: string): string {
  return text.includes('\\') ? text.replace(/\\([\\,|$])/g, '$1') : text;
}

export function escapeValue(text: string): string {
  return text.replace(/[\\,|$]/g, '\\$&');
}

/** `code`, `system|code`, `|code` (no system), `system|` (any code). */
export function readToken(text: string, param: SearchParam): TokenValue {
  const [first = '', second, ...rest] = splitEscaped(text, '|').map(unescapeValue);
  if (second === undefined) return { code: first };
  if (rest.length > 0 || (first === '' && second === '')) {
    throw malformed(param, 'Write code, system|code, |code or system|.');
  }
  return second === '' ? { system: first } : { system: first, code: second };
}

/** A code in its hierarchy: only its system says which. */
export function readSystemCode(text: string, param: SearchParam): { system: string; code: string } {
  const { system = '', code } = readToken(text, param);
  if (system === '' || code === undefined) throw malformed(param, 'Write system|code.');
  return { system, code };
}

/** A ValueSet of this server as `ValueSet/id`, any other as its canonical URL. FHIR R4 search.html#modifiers "relative or absolute". */
export function readValueSet(text: string, base: string): string {
  const value = unescapeValue(text);
  const found = readReferenceAt(value, base);
  return found?.type === 'ValueSet' && found.url === undefined ? `ValueSet/${found.id}` : value;
}

/** `:of-type` is `[type system]|[type code]|[value]`; the index holds it as one token (index-entry.ts). */
export function readOfType(text: string, param: SearchParam): TokenValue {
  const [system = '', code = '', value = '', ...rest] = splitEscaped(text, '|').map(unescapeValue);
  if (code === '' || value === '' || rest.length > 0)
    throw malformed(param, 'Write system|code|value, all three of them.');
  return { ...(system === '' ? {} : { system }), code: `${code}|${value}` };
}

/**
 * `23`, `Patient/23`, an absolute URL, or a canonical. An id alone takes the parameter's type when it has but one.
 * @param type from a modifier such as `:Patient`
 */
export function readReferenceValue(
  text: string,
  param: SearchParam,
  type: string | undefined,
  base: string,
): ReferenceValue {
  const value = unescapeValue(text);
  const known = type ?? (param.target?.length === 1 ? param.target[0] : undefined);
  if (idPattern.test(value)) return known === undefined ? { id: value } : { type: known, id: value };
  const found = readReferenceAt(value, base);
  if (found?.fragment === undefined && found !== undefined) {
    if (type !== undefined && found.type !== undefined && found.type !== type) {
      throw malformed(param, `The modifier says ${type}; the value names another type.`);
    }
    return found.url !== undefined && found.type === undefined ? readCanonical(found.url) : found;
  }
  throw malformed(param, 'Write an id, Type/id, or an absolute URL.');
}

const prefixPattern = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[\d.+-])/;

function readPrefix(text: string): { prefix: Prefix; rest: string } {
  const prefix = prefixPattern.exec(text)?.[1] as Prefix | undefined;
  return prefix === undefined ? { prefix: 'eq', rest: text } : { prefix, rest: text.slice(2) };
}

/** @param now epoch milliseconds, for `ap` */
export function readDateValue(text: string, param: SearchParam, now: number): RangeValue {
  const { prefix, rest } = readPrefix(unescapeValue(text));
  // A plus sign that was not percent-encoded arrives as a space (application/x-www-form-urlencoded).
  const found = readDate(rest.replace(/ (?=\d\d:\d\d$)/, '+'));
  if (found === undefined) throw malformed(param, 'Write [prefix]YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ.');
  if (prefix !== 'ap') return { prefix, low: found.low, high: found.high };
  // FHIR R4 search.html#prefix: "for a date, 10% of the gap between now and the date".
  const margin = 0.1 * Math.abs(now - (found.low + found.high) / 2);
  return { prefix, low: found.low - margin, high: found.high + margin };
}

const numberPattern = /^[+-]?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;

export function readNumberValue(text: string, param: SearchParam): RangeValue {
  const { prefix, rest } = readPrefix(unescapeValue(text));
  const match = numberPattern.exec(rest);
  const value = Number(rest);
  if (match === null || !Number.isFinite(value)) throw malformed(param, 'Write [prefix] and a decimal number.');
  if (prefix === 'ap') {
    // FHIR R4 search.html#prefix: "the recommended value for the approximation is 10% of the stated value".
    const margin = Math.max(0.1 * Math.abs(value), halfUnit(match));
    return { prefix, low: exact(value - margin), high: exact(value + margin) };
  }
  // FHIR R4 search.html#prefix: with the comparisons "the implicit precision of the number is ignored".
  if (prefix !== 'eq' && prefix !== 'ne') return { prefix, low: value, high: value };
  return { prefix, low: exact(value - halfUnit(match)), high: exact(value + halfUnit(match)) };
}

/**
 * Half of the last significant digit's unit: 100 is [99.5, 100.5), 100.00 is [99.995, 100.005).
 * For 1e2 R4 search.html#number gives [95, 105): an exponent's value is precise to a tenth of its last digit.
 */
function halfUnit([, , fraction = '', exponent]: RegExpExecArray): number {
  const power = exponent === undefined ? 0 : Number(exponent) - 1;
  return 0.5 * 10 ** (power - fraction.length);
}

/** Without the noise of binary fractions: 5.4 - 0.05 is 5.35. */
function exact(value: number): number {
  return Number(value.toPrecision(15));
}

/** `[prefix]number`, `number|system|code`, or `number||code`. */
export function readQuantityValue(text: string, param: SearchParam): QuantityValue {
  const [number = '', system = '', code = '', ...rest] = splitEscaped(text, '|').map(unescapeValue);
  if (rest.length > 0) throw malformed(param, 'Write number, number|system|code or number||code.');
  return {
    ...readNumberValue(number, param),
    ...(system === '' ? {} : { system }),
    ...(code === '' ? {} : { code }),
  };
}

export function readStringValue(text: string, isExact: boolean): string {
  const value = unescapeValue(text);
  return isExact ? value : foldString(value);
}

/** What is near when nothing says how near: a town and its surroundings. */
const nearDefaultMetres = 10_000;
const metresOf: Readonly<Record<string, number>> = { km: 1000, m: 1, '[mi_us]': 1609.347, '[mi_i]': 1609.344 };

/**
 * `latitude|longitude`, with `|distance|unit` behind it; the unit is a UCUM code, km unless said.
 * @see https://hl7.org/fhir/R4/location.html#search
 */
export function readNear(text: string, param: SearchParam): NearValue {
  const [latitudeText = '', longitudeText = '', distanceText = '', unit = '', ...rest] = splitEscaped(text, '|').map(
    unescapeValue,
  );
  const [latitude, longitude] = [readDegrees(latitudeText, 90), readDegrees(longitudeText, 180)];
  const metres = metresOf[unit === '' ? 'km' : unit];
  const distance = distanceText === '' ? nearDefaultMetres : Number(distanceText) * (metres ?? Number.NaN);
  if (latitude === undefined || longitude === undefined || !(distance >= 0) || rest.length > 0) {
    throw malformed(param, 'Write latitude|longitude|distance|unit; units are km, m, [mi_us] and [mi_i].');
  }
  return { latitude, longitude, distance };
}

function readDegrees(text: string, max: number): number | undefined {
  const degrees = numberPattern.test(text) ? Number(text) : Number.NaN;
  return Math.abs(degrees) <= max ? degrees : undefined;
}

/** True for a name of a resource type, as a reference's modifier may be. */
export function isTypeModifier(modifier: string): boolean {
  return typeCode(modifier) !== undefined;
}

/** The value itself is never repeated: it may be patient data, and messages are logged. */
function malformed(param: SearchParam, hint: string): Problem {
  return new Problem('value', `the value of ${param.code} cannot be read as ${param.type}`, {
    hint,
    expression: param.code,
  });
}
