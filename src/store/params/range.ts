/**
 * What dates, numbers and quantities share: an interval a row holds under a key, and one comparison per prefix.
 * The rules are those of fhir/range.ts, which is their definition and, in the tests, their oracle.
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import type { IndexColumns } from './columns.ts';

export function addRange(columns: IndexColumns, key: bigint, low: number, high: number): void {
  columns.rangeKeys.push(key);
  columns.rangeLows.push(low);
  columns.rangeHighs.push(high);
}

/** An interval under `key` for which `test` holds; `test` speaks of v.low and v.high. */
export interface RangeTest {
  readonly key: bigint;
  readonly test: Sql;
}

/** A row that meets any of these, in one walk over its intervals. */
export function hasAnyRange(alias: string, tests: readonly RangeTest[]): Sql {
  const row = raw(alias);
  const found = tests.map(({ key, test }) => sql`(v.key = ${String(key)}::bigint and ${test})`);
  return sql`exists (
    select from unnest(${row}.range_keys, ${row}.range_lows, ${row}.range_highs) v (key, low, high)
    where ${join(found, ' or ')})`;
}

/** A row with an interval under a key for which `test` holds. */
export function hasRange(alias: string, key: Sql, test: Sql): Sql {
  const row = raw(alias);
  return sql`exists (
    select from unnest(${row}.range_keys, ${row}.range_lows, ${row}.range_highs) v (key, low, high)
    where v.key = ${key} and ${test})`;
}

/** The lowest or highest bound of a row under `key`, for `_sort`; null when it has none. */
export function sortRange(alias: string, key: bigint, isDescending: boolean): Sql {
  const row = raw(alias);
  const bound = raw(isDescending ? 'max(v.high)' : 'min(v.low)');
  return sql`(select ${bound} from unnest(${row}.range_keys, ${row}.range_lows, ${row}.range_highs) v (key, low, high)
    where v.key = ${String(key)}::bigint)`;
}
