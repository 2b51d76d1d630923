/**
 * URI parameters: equal to the letter, or above and below by whole segments of the path. What is above a URI can be listed, so
 * it is asked for by its hashes; what is below one is read from the body, because a hash for each segment of each profile and
 * source would be the larger part of an index.
 *
 * @see https://hl7.org/fhir/R4/search.html#uri
 */
import { join, sql, type Sql } from '../../db/sql.ts';
import { tokenHash } from '../../fhir/hash.ts';
import type { UriEntry } from '../../fhir/index/entry.ts';
import type { UriFilter } from '../../fhir/search-request.ts';
import { textsOf } from './body.ts';
import { keyHash, type IndexColumns } from './columns.ts';
import { hasKey, hasToken } from './token.ts';

export function indexUri({ param, value }: UriEntry, columns: IndexColumns): void {
  const hash = keyHash('uri', param, value);
  columns.tokens.add(hash);
  columns.keys.add(hash);
}

export function uriHashes({ index, relation, values }: UriFilter): bigint[] {
  const uris = relation === 'above' ? values.flatMap(segmentsOf) : values;
  return [...new Set(uris)].map((value) => keyHash('uri', index, value));
}

/** `http://x/a/b` is below itself, `http://x/a`, `http://x/a/`, `http://x` and `http://x/`. FHIR R4 search.html#uri: URLs, not URNs. */
function segmentsOf(uri: string): string[] {
  const [origin] = /^[a-z][a-z0-9+.-]*:\/\/[^/]*/i.exec(uri) ?? [];
  if (origin === undefined) return [uri];
  const found = [uri, origin];
  for (let at = uri.indexOf('/', origin.length); at >= 0; at = uri.indexOf('/', at + 1)) {
    found.push(uri.slice(0, at), uri.slice(0, at + 1));
  }
  return found;
}

function isBelow({ param, index, values }: UriFilter, type: string, alias: string): Sql {
  const tests = values.map((value) => {
    const stem = value.endsWith('/') ? value : `${value}/`;
    const isUrn = /^urn:/i.test(value);
    return isUrn ? sql`v.text = ${value}` : sql`(v.text = ${value} or starts_with(v.text, ${stem}))`;
  });
  const has = hasToken([tokenHash(index, undefined, undefined)], alias);
  return sql`(${has} and exists (select from ${textsOf(param, type, alias)} v where ${join(tests, ' or ')}))`;
}

/** @param type of the row; @param isKeyed searched across patients, by the `keys` index */
export function matchUri(filter: UriFilter, type: string, alias: string, isKeyed: boolean): Sql {
  if (filter.relation === 'below') return isBelow(filter, type, alias);
  const hashes = uriHashes(filter);
  return isKeyed ? hasKey(hashes, alias) : hasToken(hashes, alias);
}
