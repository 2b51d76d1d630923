/**
 * HL7v2 times to FHIR dates: precision and offset as sent, nothing shifted, nothing guessed. A time without offset takes
 * the zone of MSH-7 (HL7 v2.5.1 section 2.15.9.7), else that of the endpoint; when none is known only its date is certain.
 *
 * Parsed by hand: a regular expression and `Date` cost ten times as much, and a result has four or five of them.
 * @see https://hl7.org/fhir/R4/datatypes.html#dateTime
 */

/** A DTM: `YYYY[MM[DD[HH[MM[SS[.S+]]]]]][+/-ZZZZ]`. Its parts stay text, so its digits are those sent. */
export interface Dtm {
  readonly date: string;
  /** `HH:MM:SS[.S+]`; undefined when only a date was sent. */
  readonly time: string | undefined;
  readonly offset: string | undefined;
  /** True when the sender gave the hour without minutes: FHIR has no such precision. */
  readonly isHourOnly: boolean;
}

const zero = 48;

/** Digits of `text` from `at` as a number, or -1. */
function number(text: string, at: number, length: number): number {
  let value = 0;
  for (let index = at; index < at + length; index++) {
    const digit = text.charCodeAt(index) - zero;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Undefined for anything that is no DTM: a placeholder, a month 13, text. */
export function parseDtm(text: string): Dtm | undefined {
  let end = text.length;
  let offset: string | undefined;
  const sign = offsetAt(text);
  if (sign > 0) {
    offset = parseOffset(text, sign);
    if (offset === undefined) return undefined;
    end = sign;
  }
  const date = parseDate(text, Math.min(end, 8));
  if (date === undefined) return undefined;
  if (end <= 8) return { date, time: undefined, offset, isHourOnly: false };
  const time = parseTime(text, 8, end);
  return time === undefined ? undefined : { date, time, offset, isHourOnly: end === 10 };
}

function offsetAt(text: string): number {
  for (let index = text.length - 1; index >= 4; index--) {
    const code = text.charCodeAt(index);
    if (code === 43 || code === 45) return index;
  }
  return -1;
}

function parseOffset(text: string, at: number): string | undefined {
  if (text.length !== at + 5) return undefined;
  const [hours, minutes] = [number(text, at + 1, 2), number(text, at + 3, 2)];
  // R4 dateTime: offsets go to 14:00.
  if (hours < 0 || minutes < 0 || minutes > 59 || hours * 60 + minutes > 840) return undefined;
  return `${text.slice(at, at + 3)}:${text.slice(at + 3)}`;
}

function parseDate(text: string, end: number): string | undefined {
  if (end !== 4 && end !== 6 && end !== 8) return undefined;
  const year = number(text, 0, 4);
  if (year < 1) return undefined;
  if (end === 4) return text.slice(0, 4);
  const month = number(text, 4, 2);
  if (month < 1 || month > 12) return undefined;
  if (end === 6) return `${text.slice(0, 4)}-${text.slice(4, 6)}`;
  const day = number(text, 6, 2);
  if (day < 1 || day > daysIn(year, month)) return undefined;
  return `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}`;
}

/** `HHMM[SS[.S+]]` between two positions as `HH:MM:SS[.S+]`; seconds that were not sent are 00, as R4 asks. */
function parseTime(text: string, at: number, end: number): string | undefined {
  const length = end - at;
  if (length !== 2 && length !== 4 && length < 6) return undefined;
  const hour = number(text, at, 2);
  if (hour < 0 || hour > 23) return undefined;
  const hh = text.slice(at, at + 2);
  if (length === 2) return `${hh}:00:00`;
  const minute = number(text, at + 2, 2);
  if (minute < 0 || minute > 59) return undefined;
  const mm = text.slice(at + 2, at + 4);
  if (length === 4) return `${hh}:${mm}:00`;
  const second = number(text, at + 4, 2);
  if (second < 0 || second > 59) return undefined;
  const ss = text.slice(at + 4, at + 6);
  if (length === 6) return `${hh}:${mm}:${ss}`;
  if (text.charCodeAt(at + 6) !== 46 || length === 7 || number(text, at + 7, length - 7) < 0) return undefined;
  return `${hh}:${mm}:${ss}${text.slice(at + 6, end)}`;
}

/** A TM: `HH[MM[SS[.S+]]][+/-ZZZZ]` as FHIR `time`, which has no zone; undefined when it is none or has an offset. */
export function parseTm(text: string): string | undefined {
  return parseTime(text, 0, text.length);
}

/**
 * The offset that a zone has at a wall time, as `+08:00`. `zone` is an offset already, or an IANA name.
 * Where a clock is put back and a wall time occurs twice, it is the earlier one, always.
 * @throws RangeError for a zone that does not exist: configuration, checked before the first message.
 */
export function offsetIn(zone: string, date: string, time: string): string {
  if (zone.charCodeAt(0) === 43 || zone.charCodeAt(0) === 45) return zone;
  if (zone === 'UTC') return '+00:00';
  const key = `${zone} ${date}T${time.slice(0, 5)}`;
  const known = offsets.get(key);
  if (known !== undefined) return known;
  // Bounded: the minutes that are in use at one time; refilled at the cost of some microseconds each.
  if (offsets.size >= offsetsMax) offsets.clear();
  const offset = computeOffset(zone, Date.parse(`${date}T${time.slice(0, 8)}Z`));
  offsets.set(key, offset);
  return offset;
}
const offsets = new Map<string, string>();
const offsetsMax = 20_000;

function computeOffset(zone: string, wall: number): string {
  // A day before and a day after bracket any change of the clock; equal, there is none.
  const [before, after] = [offsetMinutes(zone, wall - dayMs), offsetMinutes(zone, wall + dayMs)];
  const fits = (minutes: number): boolean => offsetMinutes(zone, wall - minutes * 60_000) === minutes;
  // Neither fits when the clock was put forward over this wall time: then what held before it.
  const minutes = before !== after && !fits(before) && fits(after) ? after : before;
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
}
const dayMs = 86_400_000;

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

function offsetMinutes(zone: string, instant: number): number {
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    formats.set(zone, format);
  }
  const name = format.formatToParts(instant).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
  const match = /^GMT(?:([+-])(\d\d):(\d\d))?/.exec(name);
  const minutes = Number(match?.[2] ?? 0) * 60 + Number(match?.[3] ?? 0);
  return match?.[1] === '-' ? -minutes : minutes;
}
const formats = new Map<string, Intl.DateTimeFormat>();
