/**
 * The search grammar: a query string becomes a {@link SearchRequest}. What is known but not served is refused with a Problem,
 * never ignored; what is unknown is ignored with an issue (lenient) or refused (strict).
 *
 * One file for each question: what chooses resources (search-filters.ts) and what shapes the answer (search-results.ts).
 *
 * @see https://hl7.org/fhir/R4/search.html
 */
import { Problem } from './problem.ts';
import { searchParams } from './params.ts';
import { details, ignore, type SearchContext, type SearchOptions } from './search-context.ts';
import { filterOf, printable, unserved } from './search-filters.ts';
import type { Filter, SearchRequest } from './search-request.ts';
import { parseResults, takeResult } from './search-results.ts';
import { splitEscaped } from './search-values.ts';
import { typeCode } from './types.ts';

export type * from './search-request.ts';
export type { SearchOptions } from './search-context.ts';
export { isSearchable } from './search-filters.ts';
export { countDefault, countMax } from './search-results.ts';

/** More parameters than any real query has; each costs the database a condition. */
const parametersMax = 64;
/** Alternatives of one parameter: enough for a worklist of patients, bounded for the planner. */
const valuesMax = 500;

/** @throws Problem not-supported, value, invalid; not-found for an unknown type */
export function parseSearch(type: string, query: string | URLSearchParams, options: SearchOptions): SearchRequest {
  if (typeCode(type) === undefined)
    throw new Problem('not-found', 'no such resource type', { expression: type.slice(0, 64) });
  const pairs = [...new URLSearchParams(query)];
  if (pairs.length > parametersMax) {
    throw new Problem('too-costly', `a search takes at most ${parametersMax} parameters`);
  }
  const context: SearchContext = { ...options, type, issues: [], parameters: [] };
  const filters: Filter[] = [];
  const results = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (takeResult(name, value, results, context)) continue;
    const filter = parseFilter(name, value, context);
    if (filter !== undefined) filters.push(filter);
  }
  return { type, filters, ...parseResults(results, context), parameters: context.parameters, issues: context.issues };
}

/** Known to R4 and not served here: refused, because ignoring one would widen or change the answer. */
const unservedParameters: Record<string, string> = {
  _include: 'Search the referenced type in a second request.',
  _revinclude: 'Search the referring type in a second request.',
  _has: 'Search the referring type in a second request.',
  _contained: 'Contained resources are found with their container.',
  _containedType: 'Contained resources are found with their container.',
  _filter: 'Use search parameters.',
  _content: 'Use search parameters.',
  _text: 'Use search parameters.',
  _query: 'Use search parameters.',
  _list: 'Read the List and search by _id.',
  _type: 'Search one type at a time.',
};

/** undefined when lenient handling ignored it. */
function parseFilter(name: string, value: string, context: SearchContext): Filter | undefined {
  const [code = '', ...modifiers] = name.split(':');
  const hint = Object.hasOwn(unservedParameters, code) ? unservedParameters[code] : undefined;
  if (hint !== undefined && !(code === '_contained' && value === 'false')) throw unserved(name, hint);
  if (name.includes('.')) throw unserved(name, 'Search the referenced type first, then by its id.');
  const param = searchParams(context.type).get(code);
  if (param === undefined)
    return ignore(new Problem('not-supported', 'unknown search parameter', details(name, context)), context);
  if (modifiers.length > 1)
    throw new Problem('invalid', 'a parameter takes one modifier', { expression: printable(name) });
  // FHIR R4 search.html#errors: a parameter without a value says nothing, and is no condition.
  if (value === '')
    return ignore(new Problem('invalid', 'search parameter without a value', details(name, context)), context);
  const texts = splitEscaped(value, ',').filter((text) => text !== '');
  if (texts.length === 0 || texts.length > valuesMax) {
    throw new Problem('value', `a parameter takes 1 to ${valuesMax} values`, { expression: param.code });
  }
  const filter = filterOf(param, modifiers[0], texts, context);
  context.parameters.push([name, value]);
  return filter;
}
