/**
 * Token parameters. Indexed as hashes of every form in which a token can be asked for (fhir/hash.ts), so a search is one
 * membership test whatever its form.
 *
 * @see https://hl7.org/fhir/R4/search.html#token
 */
import { join, plannedAnew, raw, sql, varying, type Sql } from '../../db/sql.ts';
import { tokenForms, tokenHash } from '../../fhir/hash.ts';
import type { TokenEntry } from '../../fhir/index/entry.ts';
import type { TokenFilter } from '../../fhir/search-request.ts';
import type { IndexColumns } from './columns.ts';

export function indexToken(entry: TokenEntry, columns: IndexColumns, isKeyed: boolean): void {
  for (const form of tokenForms(entry)) columns.tokens.add(form);
  if (isKeyed && entry.code !== undefined) columns.keys.add(tokenHash(entry.param, undefined, entry.code));
}

/** @param isKeyed the search goes through the `keys` index, which holds codes of any system */
export function matchToken(filter: TokenFilter, alias: string, isKeyed: boolean): Sql {
  const { index, values, isNegated } = filter;
  const found = hasToken(tokenHashes(filter), alias);
  if (isNegated) return sql`not ${found}`;
  const codes = values.flatMap(({ code }) => (code === undefined ? [] : [tokenHash(index, undefined, code)]));
  return isKeyed && codes.length === values.length ? sql`(${hasKey(codes, alias)} and ${found})` : found;
}

export function tokenHashes({ index, values }: TokenFilter): bigint[] {
  return values.map(({ system, code }) => tokenHash(index, system, code));
}

/** Beyond so many alternatives one comparison of two arrays is shorter than a comparison each. */
const alternativesMax = 20;

/** A row with any of these hashes: a loop over the array of a row that another condition has found. */
export function hasToken(hashes: readonly bigint[], alias: string): Sql {
  if (hashes.length === 0) return raw('false');
  if (hashes.length > alternativesMax) return sql`${raw(alias)}.tokens && ${hashes.map(String)}::bigint[]`;
  const tests = hashes.map((hash) => sql`${varying(String(hash), 'int8')}::bigint = any(${raw(alias)}.tokens)`);
  return sql`(${join(tests, ' or ')})`;
}

/**
 * Rows with any of these keys, by the GIN index. Not for a search inside a compartment: its btree prefix is narrower.
 * The hashes stand in the text, not in a parameter: whether a key is rare or common decides between this index and the order
 * of last change, and the planner must see it. They are numbers of ours; nothing a caller sent reaches the text.
 */
export function hasKey(keys: readonly bigint[], alias: string): Sql {
  return plannedAnew(raw(`${alias}.keys && '{${keys.join(',')}}'::bigint[]`));
}
