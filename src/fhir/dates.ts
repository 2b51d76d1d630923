/**
 * FHIR dates as half-open intervals of epoch milliseconds: `2024-03` is all of March. What has no zone is read as UTC, the
 * same on both sides of a search.
 *
 * @see https://hl7.org/fhir/R4/datatypes.html#dateTime
 */
import { Problem } from './problem.ts';

export type DatePrecision = 'year' | 'month' | 'day' | 'minute' | 'second' | 'millisecond';

export interface DateInterval {
  /** Inclusive, epoch milliseconds. */
  readonly low: number;
  /** Exclusive. */
  readonly high: number;
  readonly precision: DatePrecision;
}

// Minutes without seconds are allowed in a search value, not in a resource (R4 search.html#date).
const pattern = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** undefined for text that is no FHIR date, and for days that do not exist. */
export function readDate(text: string): DateInterval | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, yearText, monthText, dayText, hourText, minuteText, secondText, fraction, zone] = match;
  const year = Number(yearText);
  // Not a year of R4's pattern, nor of PostgreSQL's.
  if (year === 0) return undefined;
  if (monthText === undefined) return interval(utc(year, 1, 1), utc(year + 1, 1, 1), 'year');
  const month = Number(monthText);
  if (month < 1 || month > 12) return undefined;
  if (dayText === undefined) return interval(utc(year, month, 1), utc(year, month + 1, 1), 'month');
  const day = Number(dayText);
  const start = utc(year, month, day);
  if (day < 1 || new Date(start).getUTCDate() !== day) return undefined;
  if (hourText === undefined) return interval(start, start + dayMs, 'day');
  const [hour, minute, second] = [Number(hourText), Number(minuteText), Number(secondText ?? 0)];
  // 60 is a leap second (R4 datatypes.html#instant).
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  const offset = zone === undefined || zone === 'Z' ? 0 : offsetMs(zone);
  if (offset === undefined) return undefined;
  const time = start + (hour * 60 + minute) * minuteMs - offset;
  if (secondText === undefined) return interval(time, time + minuteMs, 'minute');
  const atSecond = time + second * 1000;
  if (fraction === undefined) return interval(atSecond, atSecond + 1000, 'second');
  // Milliseconds are what the index keeps; finer digits are within one of them, coarser ones span several.
  const digits = Math.min(fraction.length, 3);
  const at = atSecond + Math.trunc(Number(`0.${fraction.slice(0, 3)}`) * 1000 + 1e-6);
  return interval(at, at + 10 ** (3 - digits), 'millisecond');
}

/** @throws Problem value */
export function parseDate(text: string): DateInterval {
  const found = readDate(text);
  if (found === undefined) {
    throw new Problem('value', 'not a FHIR date', { hint: 'Write 2024, 2024-03, 2024-03-31 or 2024-03-31T08:00:00Z.' });
  }
  return found;
}

const dayMs = 86_400_000;
const minuteMs = 60_000;

function interval(low: number, high: number, precision: DatePrecision): DateInterval {
  return { low, high, precision };
}

/** Date.UTC takes years below 100 for 19xx. */
function utc(year: number, month: number, day: number): number {
  if (year >= 100) return Date.UTC(year, month - 1, day);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getTime();
}

/** R4's pattern allows up to 14:00. */
function offsetMs(zone: string): number | undefined {
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4))];
  if (minutes > 59 || hours * 60 + minutes > 14 * 60) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes) * minuteMs;
}

/** A Period as an interval; an open end is infinite; undefined when neither end is a date. */
export function periodInterval(period: { start?: unknown; end?: unknown }): { low: number; high: number } | undefined {
  const start = typeof period.start === 'string' ? readDate(period.start) : undefined;
  const end = typeof period.end === 'string' ? readDate(period.end) : undefined;
  if (start === undefined && end === undefined) return undefined;
  // FHIR R4 datatypes.html#Period: the end includes any matching date or time, so 2012-02-03 ends with that day.
  return { low: start?.low ?? -Infinity, high: end?.high ?? Infinity };
}

/** A Timing as the outer limits of what it schedules (R4 search.html#date); undefined when it names no date. */
export function timingInterval(timing: {
  event?: unknown;
  repeat?: unknown;
}): { low: number; high: number } | undefined {
  let low = Infinity;
  let high = -Infinity;
  const widen = (found: { low: number; high: number } | undefined): void => {
    if (found === undefined) return;
    low = Math.min(low, found.low);
    high = Math.max(high, found.high);
  };
  for (const event of Array.isArray(timing.event) ? timing.event : []) {
    if (typeof event === 'string') widen(readDate(event));
  }
  const bounds = (timing.repeat as { boundsPeriod?: object } | undefined)?.boundsPeriod;
  if (typeof bounds === 'object' && bounds !== null) widen(periodInterval(bounds));
  return low > high ? undefined : { low, high };
}
