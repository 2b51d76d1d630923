/**
 * The primitive types: what a JSON value must look like to be one. Each check gives a reason, or undefined when all is well.
 *
 * @see https://hl7.org/fhir/R4/datatypes.html#primitive
 */
import { readDate, type DatePrecision } from './dates.ts';
import { decimalLengthMax, isRawNumber, numberOf } from './json.ts';
import { idPattern } from './ids.ts';
import { narrativeProblem } from './narrative.ts';

type PrimitiveCheck = (value: unknown) => string | undefined;

/** FHIR R4 datatypes.html#string: "strings SHALL NOT exceed 1MB (1024*1024 characters) in size". */
const stringMax = 1024 * 1024;

const textOf =
  (check: (text: string) => string | undefined): PrimitiveCheck =>
  (value) => {
    if (typeof value !== 'string') return 'expected a JSON string';
    if (value === '') return 'a string is never empty';
    // Half a surrogate pair is no character: no encoding could send it back.
    return value.isWellFormed() ? check(value) : 'a string is Unicode text';
  };

const matching = (pattern: RegExp, reason: string): PrimitiveCheck =>
  textOf((text) => (pattern.test(text) ? undefined : reason));

// Control characters other than tab, line feed and carriage return.
// oxlint-disable-next-line no-control-regex -- those characters are the rule
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;

const string = textOf((text) => {
  if (text.length > stringMax) return 'a string holds at most 1,048,576 characters';
  if (control.test(text)) return 'a string holds no control characters';
  return text.trim() === '' ? 'a string holds more than white space' : undefined;
});

const dated = (isAllowed: (precision: DatePrecision, text: string) => boolean, reason: string): PrimitiveCheck =>
  textOf((text) => {
    const found = readDate(text);
    return found !== undefined && isAllowed(found.precision, text) ? undefined : reason;
  });

// FHIR R4 datatypes.html#dateTime: with hours a zone SHALL be there, and seconds SHALL be provided.
const isTimed = (precision: DatePrecision, text: string): boolean =>
  (precision === 'second' || precision === 'millisecond') && /(Z|[+-]\d\d:\d\d)$/.test(text);
const isDay = (precision: DatePrecision): boolean =>
  precision === 'year' || precision === 'month' || precision === 'day';

const integer =
  (low: number, reason: string): PrimitiveCheck =>
  (value) => {
    const number = typeof value === 'number' ? value : Number.NaN;
    return Number.isInteger(number) && number >= low && number <= 2_147_483_647 ? undefined : reason;
  };

// oxlint-disable-next-line no-control-regex -- those characters are the rule
const unbroken = /^[^\s\u0000-\u001f]*$/;
const uri = matching(unbroken, 'a URI holds no white space and no control characters');
// oxlint-disable-next-line no-control-regex -- those characters are the rule
const codePattern = /^[^\s\u0000-\u001f]+( [^\s\u0000-\u001f]+)*$/;

const checks: Record<string, PrimitiveCheck> = {
  base64Binary: textOf((text) => (isBase64(text) ? undefined : 'not base64')),
  boolean: (value) => (typeof value === 'boolean' ? undefined : 'expected true or false'),
  canonical: uri,
  code: matching(codePattern, 'a code has no white space around it and single spaces inside'),
  date: dated(isDay, 'not a date: YYYY, YYYY-MM or YYYY-MM-DD'),
  dateTime: dated(
    (precision, text) => isDay(precision) || isTimed(precision, text),
    'not a dateTime: a date, or YYYY-MM-DDThh:mm:ss with a zone',
  ),
  decimal: (value) => (typeof value === 'number' || isRawNumber(value) ? finite(value) : 'expected a JSON number'),
  id: matching(idPattern, 'an id is 1 to 64 of A-Z a-z 0-9 - .'),
  instant: dated(isTimed, 'not an instant: YYYY-MM-DDThh:mm:ss with a zone'),
  integer: integer(-2_147_483_648, 'expected a whole number of 32 bits'),
  markdown: string,
  oid: matching(/^urn:oid:[0-2](\.(0|[1-9]\d*))+$/, 'not an OID: urn:oid:1.2.3'),
  positiveInt: integer(1, 'expected a whole number from 1 on'),
  string,
  time: matching(/^([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?$/, 'not a time: hh:mm:ss'),
  unsignedInt: integer(0, 'expected a whole number from 0 on'),
  uri,
  url: uri,
  uuid: matching(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'not a UUID: urn:uuid: and lower-case hex'),
  xhtml: textOf((text) => (control.test(text) ? 'XHTML holds no control characters' : narrativeProblem(text))),
};

/** undefined for a type that is no primitive. */
export function primitiveCheck(type: string): PrimitiveCheck | undefined {
  return Object.hasOwn(checks, type) ? checks[type] : undefined;
}

function finite(value: unknown): string | undefined {
  if (isRawNumber(value) && value.rawJSON.length > decimalLengthMax)
    return `a decimal is written in at most ${decimalLengthMax} characters`;
  return Number.isFinite(numberOf(value)) ? undefined : 'a decimal is within the range of a double';
}

/** Linear on any input; white space between the groups is allowed. */
function isBase64(text: string): boolean {
  const compact = /\s/.test(text) ? text.replace(/\s+/g, '') : text;
  return compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact);
}
