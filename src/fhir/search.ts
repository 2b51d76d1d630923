/**
 * The search grammar: a query string becomes a {@link SearchRequest}. What is known but not served is refused with a Problem,
 * never ignored; what is unknown is ignored with an issue (lenient) or refused (strict).
 *
 * @see https://hl7.org/fhir/R4/search.html
 */
import { Problem } from './problem.ts';
import { searchParams } from './params.ts';
import type { Filter, SearchParam, SearchRequest, SortKey } from './search-request.ts';
import { filterOf, printable, unserved } from './search-filters.ts';
import { splitEscaped } from './search-values.ts';
import { typeCode } from './types.ts';

export type * from './search-request.ts';

export interface SearchOptions {
  /** `Prefer: handling=`; R4 leaves the default to the server: lenient. */
  readonly handling: 'strict' | 'lenient';
  /** The server's FHIR base URL without a slash at the end: its absolute references are its relative ones. */
  readonly base: string;
  /** Epoch milliseconds, for `ap` on dates. */
  readonly now: number;
}

/** A page a client reads comfortably when it asks for no size. */
export const countDefault = 50;
/** The largest page: keeps one answer's memory and lock time small. */
export const countMax = 1000;
/** More parameters than any real query has; each costs the database a condition. */
const parametersMax = 64;
/** Alternatives of one parameter: enough for a worklist of patients, bounded for the planner. */
const valuesMax = 500;
/** Keys of one `_sort`: each is a column of the keyset cursor. */
const sortKeysMax = 4;

/** @throws Problem not-supported, value, invalid; not-found for an unknown type */
export function parseSearch(type: string, query: string | URLSearchParams, options: SearchOptions): SearchRequest {
  if (typeCode(type) === undefined)
    throw new Problem('not-found', 'no such resource type', { expression: type.slice(0, 64) });
  const pairs = [...new URLSearchParams(query)];
  if (pairs.length > parametersMax) {
    throw new Problem('too-costly', `a search takes at most ${parametersMax} parameters`);
  }
  const context: Context = { ...options, type, params: searchParams(type), issues: [], parameters: [] };
  const filters: Filter[] = [];
  const results = new Map<string, string>();
  for (const [name, value] of pairs) {
    if (resultParameters.has(name)) takeResult(name, value, results, context);
    else if (!silentParameters.has(name)) {
      const filter = parseFilter(name, value, context);
      if (filter !== undefined) filters.push(filter);
    }
  }
  return { type, filters, ...parseResults(results, context), parameters: context.parameters, issues: context.issues };
}

interface Context extends SearchOptions {
  readonly type: string;
  readonly params: ReadonlyMap<string, SearchParam>;
  readonly issues: Problem[];
  readonly parameters: [string, string][];
}

/** Whether the grammar reads values of this parameter; the CapabilityStatement lists these and no others. */
export function isSearchable(param: SearchParam): boolean {
  return param.expression !== undefined && param.type !== 'composite' && param.type !== 'special';
}

const resultParameters = new Set(['_count', '_sort', '_total', '_summary', '_elements', '_cursor']);
/** Formats of the answer: whoever writes it reads them. */
const silentParameters = new Set(['_format', '_pretty']);
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

function takeResult(name: string, value: string, results: Map<string, string>, context: Context): void {
  if (results.has(name)) throw new Problem('invalid', `${name} may stand once`, { expression: name });
  results.set(name, value);
  if (name !== '_cursor') context.parameters.push([name, value]);
}

/** undefined when lenient handling ignored it. */
function parseFilter(name: string, value: string, context: Context): Filter | undefined {
  const [code = '', ...modifiers] = name.split(':');
  const hint = Object.hasOwn(unservedParameters, code) ? unservedParameters[code] : undefined;
  if (hint !== undefined && !(code === '_contained' && value === 'false')) throw unserved(name, hint);
  if (name.includes('.')) throw unserved(name, 'Search the referenced type first, then by its id.');
  const param = context.params.get(code);
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

function details(name: string, context: Context): { expression: string; hint: string } {
  return { expression: printable(name), hint: `The CapabilityStatement lists the parameters of ${context.type}.` };
}

function ignore(problem: Problem, context: Context): undefined {
  if (context.handling === 'strict') throw problem;
  context.issues.push(problem);
  return undefined;
}

function parseResults(
  results: ReadonlyMap<string, string>,
  context: Context,
): Pick<SearchRequest, 'sort' | 'count' | 'total' | 'summary' | 'elements' | 'cursor'> {
  const summary = oneOf('_summary', results.get('_summary'), ['true', 'text', 'data', 'count', 'false'] as const);
  const elements = results.get('_elements');
  const cursor = results.get('_cursor');
  return {
    sort: parseSort(results.get('_sort'), context),
    // FHIR R4 search.html#count: a count of 0 is treated the same as _summary=count.
    count: summary === 'count' ? 0 : parseCount(results.get('_count')),
    total: oneOf('_total', results.get('_total'), ['none', 'estimate', 'accurate'] as const) ?? 'none',
    ...(summary === undefined ? {} : { summary }),
    ...(elements === undefined ? {} : { elements: elements.split(',').filter((name) => name !== '') }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

function oneOf<T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new Problem('value', `${name} is one of ${allowed.join(', ')}`, { expression: name });
  return found;
}

function parseCount(text: string | undefined): number {
  if (text === undefined) return countDefault;
  if (!/^\d{1,9}$/.test(text))
    throw new Problem('value', '_count is a whole number from 0 on', { expression: '_count' });
  return Math.min(Number(text), countMax);
}

function parseSort(text: string | undefined, context: Context): SortKey[] {
  if (text === undefined || text === '') return [];
  const names = text.split(',');
  if (names.length > sortKeysMax) throw new Problem('too-costly', `_sort takes at most ${sortKeysMax} parameters`);
  return names.flatMap((name) => {
    const isDescending = name.startsWith('-');
    const param = context.params.get(isDescending ? name.slice(1) : name);
    if (param !== undefined && isSearchable(param)) return [{ param, isDescending }];
    ignore(new Problem('not-supported', 'cannot sort by this', details(`_sort:${name}`, context)), context);
    return [];
  });
}
