/**
 * String parameters: starts-with by default, `:exact`, `:contains`.
 *
 * Across patients, starts-with goes to the GIN index by hashes of a few prefixes and is then tested on the text itself.
 *
 * @see https://hl7.org/fhir/R4/search.html#string
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import type { StringEntry } from '../../fhir/index/entry.ts';
import type { StringFilter } from '../../fhir/search-request.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { hasKey, hasToken } from './token.ts';

/** Lengths in characters at which a prefix is hashed. A Chinese name has 2 to 4; longer prefixes are tested on the text. */
const prefixLengths = [1, 2, 3, 5, 8];
/** Between parameter and text; FHIR strings have no control character but tab, CR and LF. */
const separator = '\u001f';
/** Longer texts are found by their beginning: an index is no archive. */
const lengthMax = 400;

/** @param isKeyed searched by the start of the text across patients */
export function indexString({ param, value, exact }: StringEntry, columns: IndexColumns, isKeyed: boolean): void {
  const text = storable(value);
  columns.strings.add(`${param}${separator}${text}`);
  if (exact !== undefined) columns.tokens.add(keyHash('exact', param, exact));
  if (!isKeyed) return;
  const characters = Array.from(text);
  for (const length of prefixLengths) {
    if (length > characters.length) break;
    columns.keys.add(keyHash('prefix', param, characters.slice(0, length).join('')));
  }
}

export function matchString({ index, match, values }: StringFilter, alias: string, isKeyed: boolean): Sql {
  if (match === 'exact') {
    return hasToken(
      values.map((value) => keyHash('exact', index, value)),
      alias,
    );
  }
  const texts = values.map(storable);
  const tests = texts.map((text) => comparisons[match](index + separator, text));
  const found = sql`exists (select from unnest(${raw(alias)}.strings) s (value) where ${join(tests, ' or ')})`;
  const prefixes = texts.map(longestPrefix).filter((prefix) => prefix !== undefined);
  if (match === 'contains' || match === 'ends' || !isKeyed || prefixes.length < texts.length) return found;
  const keys = prefixes.map((prefix) => keyHash('prefix', index, prefix));
  return sql`(${hasKey(keys, alias)} and ${found})`;
}

/** Over s.value, which begins with the parameter's name. */
const comparisons: Record<Exclude<StringFilter['match'], 'exact'>, (start: string, text: string) => Sql> = {
  starts: (start, text) => sql`starts_with(s.value, ${start + text})`,
  equals: (start, text) => sql`s.value = ${start + text}`,
  contains: (start, text) => sql`s.value like ${`${start}%${escapeLike(text)}%`}`,
  ends: (start, text) => sql`s.value like ${`${start}%${escapeLike(text)}`}`,
};

/** PostgreSQL has no text with U+0000, and FHIR none either: it is left out here and there alike. */
function storable(value: string): string {
  return value.slice(0, lengthMax).replaceAll('\u0000', '');
}

function longestPrefix(text: string): string | undefined {
  const characters = Array.from(text);
  const length = prefixLengths.findLast((candidate) => candidate <= characters.length);
  return length === undefined ? undefined : characters.slice(0, length).join('');
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, String.raw`\$&`);
}

/** The first text of a parameter in a row's order, for `_sort`; null when it has none. */
export function sortText(index: string, alias: string): Sql {
  const start = index + separator;
  return sql`(select min(substr(s.value, ${start.length + 1}::int)) from unnest(${raw(alias)}.strings) s (value)
    where starts_with(s.value, ${start}))`;
}
