/**
 * The parameters that shape the answer instead of choosing resources: size, order, total, parts of the resources.
 *
 * @see https://hl7.org/fhir/R4/search.html#return
 */
import { searchParams } from '../params.ts';
import { Problem } from '../problem.ts';
import { details, ignore, type SearchContext } from './context.ts';
import { isSearchable, requireReady } from './filters.ts';
import type { SearchRequest, SortKey } from '../search-request.ts';

/** A page a client reads comfortably when it asks for no size. */
export const countDefault = 50;
/** The largest page: keeps one answer's memory and lock time small. */
export const countMax = 1000;
/** Keys of one `_sort`: each is a column of the keyset cursor. */
const sortKeysMax = 4;

const names = new Set(['_count', '_sort', '_total', '_summary', '_elements', '_cursor']);
/** Formats of the answer: whoever writes it reads them. */
const silent = new Set(['_format', '_pretty']);

/** @returns false for a parameter that chooses resources */
export function takeResult(name: string, value: string, results: Map<string, string>, context: SearchContext): boolean {
  if (silent.has(name)) return true;
  if (!names.has(name)) return false;
  if (results.has(name)) throw new Problem('invalid', `${name} may stand once`, { expression: name });
  results.set(name, value);
  if (name !== '_cursor') context.parameters.push([name, value]);
  return true;
}

export function parseResults(
  results: ReadonlyMap<string, string>,
  context: SearchContext,
): Pick<SearchRequest, 'sort' | 'count' | 'total' | 'summary' | 'elements' | 'cursor'> {
  const { summary, elements } = parseParts(results);
  const cursor = results.get('_cursor');
  return {
    sort: parseSort(results.get('_sort'), context),
    // FHIR R4 search.html#count: a count of 0 is treated the same as _summary=count.
    count: summary === 'count' ? 0 : parseCount(results.get('_count')),
    total: oneOf('_total', results.get('_total'), ['none', 'estimate', 'accurate'] as const) ?? 'none',
    ...(summary === undefined ? {} : { summary }),
    ...(elements === undefined ? {} : { elements }),
    ...(cursor === undefined ? {} : { cursor }),
  };
}

/** Which part of each resource. @throws Problem value */
export function parseParts(
  values: Pick<ReadonlyMap<string, string>, 'get'>,
): Pick<SearchRequest, 'summary' | 'elements'> {
  const summary = oneOf('_summary', values.get('_summary'), ['true', 'text', 'data', 'count', 'false']);
  const elements = values.get('_elements');
  return {
    ...(summary === undefined ? {} : { summary }),
    ...(elements === undefined ? {} : { elements: elements.split(',').filter((name) => name !== '') }),
  };
}

/** The same where nothing is counted. @throws Problem value */
export function parsePartsOfRead(values: Pick<ReadonlyMap<string, string>, 'get'>): ReturnType<typeof parseParts> {
  const parts = parseParts(values);
  if (parts.summary !== 'count') return parts;
  // R4 search.html#summary: "search only".
  throw new Problem('value', '_summary=count is for searches', { expression: '_summary' });
}

function oneOf<const T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T | undefined {
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

function parseSort(text: string | undefined, context: SearchContext): SortKey[] {
  if (text === undefined || text === '') return [];
  const names = text.split(',');
  if (names.length > sortKeysMax) throw new Problem('too-costly', `_sort takes at most ${sortKeysMax} parameters`);
  return names.flatMap((name) => {
    const isDescending = name.startsWith('-');
    const param = searchParams(context.type).get(isDescending ? name.slice(1) : name);
    if (param !== undefined && isSearchable(param)) {
      requireReady(param);
      return [{ param, isDescending }];
    }
    ignore(new Problem('not-supported', 'cannot sort by this', details(`_sort:${name}`, context)), context);
    return [];
  });
}
