/**
 * The search grammar: a query string becomes a {@link SearchRequest}. What is known but not served is refused with a Problem,
 * never ignored; what is unknown is ignored with an issue (lenient) or refused (strict).
 *
 * One file for each question: what chooses resources (search-filters.ts), across references (search-chain.ts), what else is in
 * the answer (search-include.ts), and how it comes (search-results.ts).
 *
 * @see https://hl7.org/fhir/R4/search.html
 */
import { Problem } from './problem.ts';
import { parseCriterion } from './search/chain.ts';
import { compartmentFilter, type Compartment } from './search/compartment.ts';
import { pairsOf, type SearchContext, type SearchOptions } from './search/context.ts';
import { requireWhole, takeInclude } from './search/include.ts';
import type { Filter, Include, SearchRequest } from './search-request.ts';
import { parseResults, takeResult } from './search/results.ts';
import { typeCode } from './types.ts';

export type * from './search-request.ts';
export type { Compartment } from './search/compartment.ts';
export type { SearchOptions } from './search/context.ts';
export { paramsRead } from './search/chain.ts';
export { includesOf, revIncludesOf } from './search/include.ts';
export { isSearchable } from './search/filters.ts';
export { countDefault, countMax, parsePartsOfRead } from './search/results.ts';
export { parseSearchOfTypes } from './search/types.ts';

/** @throws Problem not-supported, value, invalid; not-found for an unknown type */
export function parseSearch(
  type: string,
  query: string | URLSearchParams,
  options: SearchOptions,
  compartment?: Compartment,
): SearchRequest {
  if (typeCode(type) === undefined)
    throw new Problem('not-found', 'no such resource type', { expression: type.slice(0, 64) });
  const context: SearchContext = { ...options, type, issues: [], parameters: [] };
  const filters: Filter[] = compartment === undefined ? [] : [compartmentFilter(compartment, [type])];
  const includes: Include[] = [];
  const results = new Map<string, string>();
  for (const [name, value] of pairsOf(query)) {
    if (takeResult(name, value, results, context) || takeInclude(name, value, includes, context)) continue;
    const filter = parseCriterion(name, value, context);
    if (filter === undefined) continue;
    filters.push(filter);
    context.parameters.push([name, value]);
  }
  const shape = parseResults(results, context);
  requireWhole(includes, shape.summary);
  return { type, filters, includes, ...shape, parameters: context.parameters, issues: context.issues };
}
