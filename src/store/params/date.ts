/**
 * Date parameters. The main date of a type has columns of its own, which the btree orders by; other dates are ranges in
 * epoch milliseconds; `_lastUpdated` is the row's column.
 *
 * @see https://hl7.org/fhir/R4/search.html#date
 */
import { join, raw, sql, varying, type Sql } from '../../db/sql.ts';
import type { DateEntry } from '../../fhir/index/entry.ts';
import type { DateFilter, Prefix } from '../../fhir/search-request.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { addRange, hasAnyRange, type RangeTest } from './range.ts';

export function dateKey(param: string): bigint {
  return keyHash('range', param);
}

/** @param mainDate the parameter that has the columns; several values of it (a Timing's events) become their hull */
export function indexDate({ param, low, high }: DateEntry, columns: IndexColumns, mainDate: string | undefined): void {
  if (param !== mainDate) {
    addRange(columns, dateKey(param), low, high);
    return;
  }
  columns.dateLow = columns.dateHigh === undefined ? low : Math.min(columns.dateLow, low);
  columns.dateHigh = Math.max(columns.dateHigh ?? Number.NEGATIVE_INFINITY, high);
}

export function matchDate(filter: DateFilter, alias: string, mainDate: string | undefined): Sql {
  const { index, values } = filter;
  if (index !== '_lastUpdated' && index !== mainDate) return hasAnyRange(alias, dateTests(filter));
  if (index === '_lastUpdated') return matchInstant(values, raw(`${alias}.last_updated`));
  const tests = values.map(({ prefix, low, high }) => {
    const main = comparisons[prefix](raw(`${alias}.date_low`), raw(`${alias}.date_high`), instant(low), instant(high));
    return sql`(${raw(alias)}.date_high is not null and ${main})`;
  });
  return sql`(${join(tests, ' or ')})`;
}

/**
 * @param at a column of instants in whole milliseconds; with `latest` the earliest of several instants
 * @param latest the latest of them: whether one that lies between may be searched for
 */
export function matchInstant(values: DateFilter['values'], at: Sql, latest = at): Sql {
  const tests = values.map(({ prefix, low, high }) =>
    instantComparisons[prefix]({ at, latest }, instant(low), instant(high)),
  );
  return sql`(${join(tests, ' or ')})`;
}

/** Of a date that has no columns of its own. */
export function dateTests({ index, values }: DateFilter): RangeTest[] {
  return values.map(({ prefix, low, high }) => ({
    key: dateKey(index),
    test: comparisons[prefix](raw('v.low'), raw('v.high'), milliseconds(low), milliseconds(high)),
  }));
}

const milliseconds = (ms: number): Sql => sql`${ms}::float8`;
const instant = (ms: number): Sql => sql`${varying(timestampOf(ms), 'timestamptz')}::timestamptz`;

/** Epoch milliseconds as PostgreSQL reads them, open ends included. It has no year 0, where zones may lead from the year 1. */
export function timestampOf(ms: number): string {
  if (ms === Number.POSITIVE_INFINITY) return 'infinity';
  if (ms === Number.NEGATIVE_INFINITY) return '-infinity';
  // The end of 9999, the last year of R4, is +010000-01-01 to JavaScript and 10000-01-01 to PostgreSQL.
  return new Date(Math.max(ms, yearOneMs)).toISOString().replace(/^\+0/, '');
}
const yearOneMs = Date.parse('0001-01-01T00:00:00Z');

/** fhir/range.ts `matchesDate`: stored [low, high) and searched [from, to). */
type Comparison = (low: Sql, high: Sql, from: Sql, to: Sql) => Sql;
const comparisons: Record<Prefix, Comparison> = {
  eq: (low, high, from, to) => sql`(${low} >= ${from} and ${high} <= ${to})`,
  ne: (low, high, from, to) => sql`(${low} < ${from} or ${high} > ${to})`,
  gt: (_low, high, _from, to) => sql`${high} > ${to}`,
  lt: (low, _high, from) => sql`${low} < ${from}`,
  ge: (low, high, from, to) => sql`(${high} > ${to} or ${low} >= ${from})`,
  le: (low, high, from, to) => sql`(${low} < ${from} or ${high} <= ${to})`,
  sa: (low, _high, _from, to) => sql`${low} >= ${to}`,
  eb: (_low, high, from) => sql`${high} <= ${from}`,
  ap: (low, high, from, to) => sql`(${low} < ${to} and ${high} > ${from})`,
};

/** The same rules for an instant, which fills a whole millisecond, in a form that a btree serves. */
const instantComparisons: Record<Prefix, (of: { at: Sql; latest: Sql }, from: Sql, to: Sql) => Sql> = {
  eq: ({ at, latest }, from, to) => sql`(${latest} >= ${from} and ${at} < ${to})`,
  ne: ({ at, latest }, from, to) => sql`(${at} < ${from} or ${latest} >= ${to})`,
  gt: ({ latest }, _from, to) => sql`${latest} >= ${to}`,
  lt: ({ at }, from) => sql`${at} < ${from}`,
  ge: ({ latest }, from) => sql`${latest} >= ${from}`,
  le: ({ at }, _from, to) => sql`${at} < ${to}`,
  sa: ({ latest }, _from, to) => sql`${latest} >= ${to}`,
  eb: ({ at }, from) => sql`${at} < ${from}`,
  ap: ({ at, latest }, from, to) => sql`(${latest} >= ${from} and ${at} < ${to})`,
};
