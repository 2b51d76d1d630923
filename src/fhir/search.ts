/**
 * The search grammar: a query string becomes a {@link SearchRequest}. What is known but not served is refused with a Problem,
 * never ignored; what is unknown is ignored with an issue (lenient) or refused (strict).
 *
 * @see https://hl7.org/fhir/R4/search.html
 */
import { Problem } from './problem.ts';
import { searchParams } from './params.ts';
import type { Filter, SearchParam, SearchRequest, SortKey } from './search-request.ts';
import {
  isTypeModifier,
  readDateValue,
  readNumberValue,
  readOfType,
  readQuantityValue,
  readReferenceValue,
  readStringValue,
  readToken,
  splitEscaped,
  unescapeValue,
} from './search-values.ts';
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

/** A caller's own text goes into a message only when it looks like a parameter's name. */
function printable(name: string): string {
  return /^[\w:.-]{1,64}$/.test(name) ? name : '(parameter)';
}

function unserved(name: string, hint: string): Problem {
  return new Problem('not-supported', 'this search parameter is not served', { expression: printable(name), hint });
}

function ignore(problem: Problem, context: Context): undefined {
  if (context.handling === 'strict') throw problem;
  context.issues.push(problem);
  return undefined;
}

function filterOf(
  param: SearchParam,
  modifier: string | undefined,
  texts: readonly string[],
  context: Context,
): Filter {
  const index = param.code;
  if (modifier === 'missing') return { kind: 'missing', param, index, isMissing: readMissing(texts, param) };
  switch (param.type) {
    case 'token':
      return tokenFilter(param, modifier, texts);
    case 'reference':
      return referenceFilter(param, modifier, texts, context);
    case 'string': {
      const match = modifier ?? 'starts';
      if (match !== 'exact' && match !== 'contains' && modifier !== undefined) throw badModifier(param, modifier);
      const kind = match as 'starts' | 'exact' | 'contains';
      return {
        kind: 'string',
        param,
        index,
        match: kind,
        values: texts.map((text) => readStringValue(text, kind === 'exact')),
      };
    }
    case 'date':
      refuseModifier(param, modifier);
      return { kind: 'date', param, index, values: texts.map((text) => readDateValue(text, param, context.now)) };
    case 'number':
      refuseModifier(param, modifier);
      return { kind: 'number', param, index, values: texts.map((text) => readNumberValue(text, param)) };
    case 'quantity':
      refuseModifier(param, modifier);
      return { kind: 'quantity', param, index, values: texts.map((text) => readQuantityValue(text, param)) };
    case 'uri':
      refuseModifier(param, modifier);
      return { kind: 'uri', param, index, values: texts.map(unescapeValue) };
    default:
      throw unserved(param.code, 'Search by its components, one parameter each.');
  }
}

function readMissing(texts: readonly string[], param: SearchParam): boolean {
  const [text, ...rest] = texts;
  if (rest.length > 0 || (text !== 'true' && text !== 'false')) {
    throw new Problem('value', ':missing takes true or false', { expression: `${param.code}:missing` });
  }
  return text === 'true';
}

function tokenFilter(param: SearchParam, modifier: string | undefined, texts: readonly string[]): Filter {
  const index = param.code;
  switch (modifier) {
    case undefined:
    case 'not': {
      const values = texts.map((text) => readToken(text, param));
      return { kind: 'token', param, index, isNegated: modifier === 'not', values };
    }
    case 'text': {
      const values = texts.map((text) => readStringValue(text, false));
      return { kind: 'string', param, index: `${index}:text`, match: 'contains', values };
    }
    case 'of-type': {
      const values = texts.map((text) => readOfType(text, param));
      return { kind: 'token', param, index: `${index}:of-type`, isNegated: false, values };
    }
    default:
      throw badModifier(param, modifier);
  }
}

function referenceFilter(
  param: SearchParam,
  modifier: string | undefined,
  texts: readonly string[],
  context: Context,
): Filter {
  const index = param.code;
  if (modifier === 'identifier') {
    const values = texts.map((text) => readToken(text, param));
    return { kind: 'token', param, index: `${index}:identifier`, isNegated: false, values };
  }
  if (modifier !== undefined) {
    if (!isTypeModifier(modifier)) throw badModifier(param, modifier);
    if (param.target !== undefined && !param.target.includes(modifier)) {
      throw new Problem('invalid', `${param.code} never points to ${modifier}`, {
        expression: `${param.code}:${modifier}`,
      });
    }
  }
  const values = texts.map((text) => readReferenceValue(text, param, modifier, context.base));
  return { kind: 'reference', param, index, values };
}

function refuseModifier(param: SearchParam, modifier: string | undefined): void {
  if (modifier !== undefined) throw badModifier(param, modifier);
}

/** FHIR R4 search.html#modifiers: a server rejects a modifier that it does not support for the parameter. */
function badModifier(param: SearchParam, modifier: string): Problem {
  return new Problem('not-supported', `${param.code} is not served with this modifier`, {
    expression: printable(`${param.code}:${modifier}`),
    hint: modifiersOf[param.type] ?? 'This parameter takes :missing alone.',
  });
}

const modifiersOf: Partial<Record<SearchParam['type'], string>> = {
  token: 'Tokens take :not, :text, :of-type and :missing.',
  reference: 'References take a resource type, :identifier and :missing.',
  string: 'Strings take :exact, :contains and :missing.',
};

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
