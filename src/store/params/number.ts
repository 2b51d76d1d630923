/**
 * Number parameters. Quantities compare alike and use the same test.
 *
 * @see https://hl7.org/fhir/R4/search.html#number
 */
import { sql, type Sql } from '../../db/sql.ts';
import type { NumberEntry } from '../../fhir/index/entry.ts';
import type { NumberFilter, Prefix, RangeValue } from '../../fhir/search-request.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { addRange, hasAnyRange, type RangeTest } from './range.ts';

export function numberKey(param: string): bigint {
  return keyHash('range', param);
}

export function indexNumber({ param, low, high }: NumberEntry, columns: IndexColumns): void {
  addRange(columns, numberKey(param), low, high);
}

export function matchNumber(filter: NumberFilter, alias: string): Sql {
  return hasAnyRange(alias, numberTests(filter));
}

export function numberTests({ index, values }: NumberFilter): RangeTest[] {
  return values.map((value) => ({ key: numberKey(index), test: comparesNumber(value) }));
}

/** fhir/range.ts `matchesNumber` over v.low and v.high: the stored interval is closed. */
export function comparesNumber({ prefix, low, high }: RangeValue): Sql {
  return comparisons[prefix](sql`${low}::float8`, sql`${high}::float8`);
}

const comparisons: Record<Prefix, (low: Sql, high: Sql) => Sql> = {
  eq: (low, high) => sql`v.low >= ${low} and v.high < ${high}`,
  ne: (low, high) => sql`(v.low < ${low} or v.high >= ${high})`,
  gt: (_, high) => sql`v.high > ${high}`,
  lt: (low) => sql`v.low < ${low}`,
  ge: (_, high) => sql`v.high >= ${high}`,
  le: (low) => sql`v.low <= ${low}`,
  sa: (_, high) => sql`v.low > ${high}`,
  eb: (low) => sql`v.high < ${low}`,
  ap: (low, high) => sql`v.low < ${high} and v.high >= ${low}`,
};
