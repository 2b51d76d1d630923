/**
 * URI parameters: equal to the letter.
 *
 * @see https://hl7.org/fhir/R4/search.html#uri
 */
import type { Sql } from '../../db/sql.ts';
import type { UriEntry } from '../../fhir/index-entry.ts';
import type { UriFilter } from '../../fhir/search-request.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { hasKey, hasToken } from './token.ts';

export function indexUri({ param, value }: UriEntry, columns: IndexColumns): void {
  const hash = keyHash('uri', param, value);
  columns.tokens.add(hash);
  columns.keys.add(hash);
}

export function uriHashes({ index, values }: UriFilter): bigint[] {
  return values.map((value) => keyHash('uri', index, value));
}

export function matchUri(filter: UriFilter, alias: string, isKeyed: boolean): Sql {
  const hashes = uriHashes(filter);
  return isKeyed ? hasKey(hashes, alias) : hasToken(hashes, alias);
}
