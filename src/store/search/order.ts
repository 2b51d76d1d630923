/**
 * The order of a page and the place in it: sort keys as SQL, and the condition "after this position".
 *
 * @see https://hl7.org/fhir/R4/search.html#sort
 */
import { join, raw, sql, varying, type Sql } from '../../db/sql.ts';
import { tokenHash } from '../../fhir/hash.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Branch, SearchParam, SearchRequest, SortKey } from '../../fhir/search-request.ts';
import type { Position } from './cursor.ts';
import { findTexts } from '../params/body.ts';
import { dateKey } from '../params/date.ts';
import { numberKey } from '../params/number.ts';
import { sortRange } from '../params/range.ts';
import { sortText } from '../params/string.ts';
import { hasToken } from '../params/token.ts';
import { mainDateOf } from '../place.ts';

export interface OrderKey {
  /** Over the columns of the row with this alias. */
  readonly value: (alias: string) => Sql;
  readonly cast: 'timestamptz' | 'float8' | 'text' | 'int2';
  readonly isDescending: boolean;
  /** A row without the value comes last, in both directions. */
  readonly isNullable: boolean;
}

/** More keys than anyone reads by; each is a column of every comparison. */
const sortKeysMax = 4;

/**
 * Without `_sort`: a patient's rows newest first by their main date, other searches by last change.
 * @throws Problem not-supported for a parameter whose values have no order in the index
 */
export function orderOf({ type, sort }: Pick<SearchRequest, 'type' | 'sort'>, isScoped: boolean): OrderKey[] {
  if (sort.length > sortKeysMax) throw new Problem('too-costly', `at most ${sortKeysMax} sort keys are served`);
  if (sort.length > 0) return sort.map((key) => orderKey(type, key));
  const column = isScoped ? 'date_low' : 'last_updated';
  return [{ ...columnKey(column, 'timestamptz'), isDescending: true }];
}

/**
 * The order of a search over several types, for each of its branches: an id alone names no row there, so the type is a key
 * as well.
 * @throws Problem not-supported for values that the types do not compare alike
 */
export function ordersOf(branches: readonly Branch[]): OrderKey[][] {
  const orders = branches.map(({ types: [type = ''], sort }) => orderOf({ type, sort }, false));
  const kinds = new Set(orders.map((keys) => keys.map(({ cast }) => cast).join()));
  if (kinds.size > 1) {
    throw new Problem('not-supported', 'the types have no common order by this', {
      expression: '_sort',
      hint: 'Sort by _lastUpdated or _id.',
    });
  }
  return orders.map((keys) => [
    ...keys.map((key) => ({ ...key, isNullable: orders.some((other) => other[keys.indexOf(key)]?.isNullable) })),
    { ...columnKey('type', 'int2'), isDescending: isIdDescending(keys) },
  ]);
}

function orderKey(type: string, { param, isDescending }: SortKey): OrderKey {
  const { code } = param;
  if (code === '_id') return { ...columnKey('id', 'text'), isDescending };
  if (code === '_lastUpdated') return { ...columnKey('last_updated', 'timestamptz'), isDescending };
  if (code === mainDateOf(type)) return mainDateKey(isDescending);
  switch (param.expression === undefined ? 'special' : param.type) {
    case 'string':
      return { value: (alias) => sortText(code, alias), cast: 'text', isDescending, isNullable: true };
    case 'date':
      return rangeKey(dateKey(code), isDescending);
    case 'number':
    case 'quantity':
      return rangeKey(numberKey(code), isDescending);
    case 'token':
    case 'reference':
    case 'uri':
      return { value: (alias) => sortBody(param, type, alias), cast: 'text', isDescending, isNullable: true };
    default:
      throw new Problem('not-supported', `_sort by ${code} is not served: ${param.type} values have no order`, {
        hint: 'Sort by a parameter of another type.',
      });
  }
}

/**
 * Undated rows hold -infinity, so descending they come last by themselves, and the btree serves the page: that is how records
 * are read. Ascending they would come first; then the rows are sorted.
 */
function mainDateKey(isDescending: boolean): OrderKey {
  if (isDescending) return { ...columnKey('date_low', 'timestamptz'), isDescending };
  const value = (alias: string): Sql => raw(`case when ${alias}.date_high is not null then ${alias}.date_low end`);
  return { value, cast: 'timestamptz', isDescending, isNullable: true };
}

/** Values of which the index has hashes alone are read from the body. */
function sortBody(param: SearchParam, type: string, alias: string): Sql {
  const texts = findTexts(param, type, alias);
  return texts === undefined
    ? sortTruth(param.code, alias)
    : sql`(select min(lower(v.text) collate "C") from ${texts} v)`;
}

/** What no path leads to is a condition (`Patient.deceased`): false, then true. */
function sortTruth(code: string, alias: string): Sql {
  const [isFalse, isTrue] = ['false', 'true'].map((value) => hasToken([tokenHash(code, undefined, value)], alias));
  return sql`(case when ${isFalse} then 'false' when ${isTrue} then 'true' end)`;
}

function columnKey(column: string, cast: OrderKey['cast']): Omit<OrderKey, 'isDescending'> {
  return { value: (alias) => raw(`${alias}.${column}`), cast, isNullable: false };
}

function rangeKey(key: bigint, isDescending: boolean): OrderKey {
  return { value: (alias) => sortRange(alias, key, isDescending), cast: 'float8', isDescending, isNullable: true };
}

/** Ties are ordered by id, in the direction of the last key, so that one btree scan serves a page. */
function isIdDescending(keys: readonly OrderKey[]): boolean {
  return keys.at(-1)?.isDescending ?? false;
}

/** @param value how the i-th key is written where this stands */
export function orderBy(keys: readonly OrderKey[], value: (key: OrderKey, index: number) => Sql, id: Sql): Sql {
  const parts = keys.map((key, index) => {
    const nulls = key.isNullable ? ' nulls last' : '';
    return sql`${value(key, index)} ${raw((key.isDescending ? 'desc' : 'asc') + nulls)}`;
  });
  parts.push(sql`${id} ${raw(isIdDescending(keys) ? 'desc' : 'asc')}`);
  return join(parts, ', ');
}

/** Rows strictly after the position, in the order of `orderBy`. */
export function isAfter(keys: readonly OrderKey[], position: Position, alias: string): Sql {
  const id = raw(`${alias}.id`);
  const idDescending = isIdDescending(keys);
  const isUniform = keys.every((key) => !key.isNullable && key.isDescending === idDescending);
  const bound = keys.map((key, index) => sql`${varying(position.keys[index] ?? null, key.cast)}::${raw(key.cast)}`);
  if (isUniform) {
    // One row comparison: a btree starts right at the position.
    const columns = join([...keys.map((key) => key.value(alias)), id], ', ');
    const bounds = join([...bound, sql`${varying(position.id, 'text')}::text`], ', ');
    return sql`(${columns}) ${raw(idDescending ? '<' : '>')} (${bounds})`;
  }
  const alternatives: Sql[] = [];
  const equal: Sql[] = [];
  keys.forEach((key, index) => {
    const [value, limit, isNull] = [key.value(alias), bound[index] as Sql, position.keys[index] === null];
    // Nothing comes after a missing value but other missing values, by the keys that follow.
    if (!isNull) {
      const beyond = sql`${value} ${raw(key.isDescending ? '<' : '>')} ${limit}`;
      const after = key.isNullable ? sql`(${beyond} or ${value} is null)` : beyond;
      alternatives.push(join([...equal, after], ' and '));
    }
    equal.push(isNull ? sql`${value} is null` : sql`${value} = ${limit}`);
  });
  alternatives.push(join([...equal, sql`${id} ${raw(idDescending ? '<' : '>')} ${position.id}::text`], ' and '));
  return sql`(${join(alternatives, ' or ')})`;
}
