/** A search asked of a resource that is not stored yet, by the same index values that would be stored of it. */
import type { SearchRequest } from '../fhir/search.ts';
import type { AnyResource } from '../fhir/types.ts';
import { indexColumns } from './index-columns.ts';
import { tokenHashes } from './params/token.ts';

/** Only conditions by token can be asked so (an identifier, nearly always); by anything else it describes nothing. */
export function isDescribed(resource: AnyResource, { type, filters }: SearchRequest): boolean {
  if (resource.resourceType !== type) return false;
  const { tokens } = indexColumns(resource);
  return filters.every((filter) => {
    if (filter.kind !== 'token' || filter.isNegated) return false;
    if (filter.index === '_id') return filter.values.some(({ code }) => code === resource.id);
    return tokenHashes(filter).some((hash) => tokens.has(hash));
  });
}
