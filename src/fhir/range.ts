/**
 * How a searched interval compares with a stored one. Dates are half-open [low, high) on both sides; numbers and quantities
 * are stored closed [low, high] and searched half-open (`eq`) or as a point (`gt` and the like).
 * The store compiles the same rules to SQL; this is their definition and its oracle.
 *
 * @see https://hl7.org/fhir/R4/search.html#prefix
 */
import type { Prefix, RangeValue } from './search-request.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

type Comparison = (searched: Interval, stored: Interval) => boolean;

/** FHIR R4 search.html#prefix for date: both intervals half-open. */
const dateComparisons: Record<Prefix, Comparison> = {
  eq: (searched, stored) => searched.low <= stored.low && stored.high <= searched.high,
  ne: (searched, stored) => stored.low < searched.low || stored.high > searched.high,
  // "the range above the search value intersects (i.e. overlaps) with the range of the target value"
  gt: (searched, stored) => stored.high > searched.high,
  lt: (searched, stored) => stored.low < searched.low,
  // "... or the range of the search value fully contains the range of the target value"
  ge: (searched, stored) => stored.high > searched.high || stored.low >= searched.low,
  le: (searched, stored) => stored.low < searched.low || stored.high <= searched.high,
  sa: (searched, stored) => stored.low >= searched.high,
  eb: (searched, stored) => stored.high <= searched.low,
  ap: (searched, stored) => stored.low < searched.high && stored.high > searched.low,
};

/** FHIR R4 search.html#prefix for number and quantity: the stored interval is closed. */
const numberComparisons: Record<Prefix, Comparison> = {
  eq: (searched, stored) => searched.low <= stored.low && stored.high < searched.high,
  ne: (searched, stored) => stored.low < searched.low || stored.high >= searched.high,
  gt: (searched, stored) => stored.high > searched.high,
  lt: (searched, stored) => stored.low < searched.low,
  ge: (searched, stored) => stored.high >= searched.high,
  le: (searched, stored) => stored.low <= searched.low,
  sa: (searched, stored) => stored.low > searched.high,
  eb: (searched, stored) => stored.high < searched.low,
  ap: (searched, stored) => stored.low < searched.high && stored.high >= searched.low,
};

export function matchesDate(searched: RangeValue, stored: Interval): boolean {
  return dateComparisons[searched.prefix](searched, stored);
}

export function matchesNumber(searched: RangeValue, stored: Interval): boolean {
  return numberComparisons[searched.prefix](searched, stored);
}
