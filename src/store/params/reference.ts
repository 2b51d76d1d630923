/**
 * Reference parameters: `Type/id`, an id alone, an absolute URL, a canonical with or without its version.
 *
 * @see https://hl7.org/fhir/R4/search.html#reference
 */
import { sql, type Sql } from '../../db/sql.ts';
import type { ReferenceEntry } from '../../fhir/index/entry.ts';
import type { ReferenceFilter, ReferenceValue } from '../../fhir/search-request.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { hasKey, hasToken } from './token.ts';

/** For each Patient id the ids of all source patients of the same person, itself included. */
export type Aliases = ReadonlyMap<string, readonly string[]>;

export function indexReference(entry: ReferenceEntry, columns: IndexColumns, isKeyed: boolean): void {
  const { param, type, id, url, version } = entry;
  const add = (text: string, isKey: boolean): void => {
    const hash = keyHash('reference', param, text);
    columns.tokens.add(hash);
    if (isKey) columns.keys.add(hash);
  };
  if (url !== undefined) {
    // Another server's resource: `Patient/23` here is not that one, though its URL ends alike.
    add(url, isKeyed);
    if (version !== undefined) add(`${url}|${version}`, false);
  } else if (type !== undefined && id !== undefined) {
    add(`${type}/${id}`, isKeyed);
    add(id, false);
  }
}

/** @param isKeyed the search goes through the `keys` index, which holds full references and URLs without version */
export function matchReference(filter: ReferenceFilter, alias: string, isKeyed: boolean, aliases: Aliases): Sql {
  const { index, values } = filter;
  const found = hasToken(referenceHashes(filter, aliases), alias);
  if (!isKeyed) return found;
  const keys = referenceHashes({ index, values: values.map((value) => ({ ...value, version: undefined })) }, aliases);
  return sql`(${hasKey(keys, alias)} and ${found})`;
}

export function referenceHashes(
  { index, values }: Pick<ReferenceFilter, 'index' | 'values'>,
  aliases: Aliases,
): bigint[] {
  const texts = new Set(values.flatMap((value) => formsOf(value, aliases)));
  return [...texts].map((text) => keyHash('reference', index, text));
}

function formsOf({ type, id, url, version }: ReferenceValue, aliases: Aliases): string[] {
  if (url !== undefined) return [version === undefined ? url : `${url}|${version}`];
  if (id === undefined) return [];
  const ids = type === undefined || type === 'Patient' ? (aliases.get(id) ?? [id]) : [id];
  return ids.map((one) => (type === undefined ? one : `${type}/${one}`));
}
