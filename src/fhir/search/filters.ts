/**
 * One search parameter, its modifier and its values as a {@link Filter}: what each parameter type takes. Which parameters a
 * query string holds, and how they combine, is search.ts; how a value's text is read, search-values.ts.
 *
 * @see https://hl7.org/fhir/R4/search.html#ptypes
 */
import { searchParam } from '../params.ts';
import { Problem } from '../problem.ts';
import { compositeFilter, compositeMissing } from './composite.ts';
import type { Filter, SearchParam } from '../search-request.ts';
import { parseText, type TextQuery } from './text.ts';
import {
  isTypeModifier,
  readDateValue,
  readNear,
  readNumberValue,
  readOfType,
  readQuantityValue,
  readReferenceValue,
  readStringValue,
  readSystemCode,
  readToken,
  readValueSet,
  unescapeValue,
} from './values.ts';

export interface FilterContext {
  /** Of the resources that are searched. */
  readonly type: string;
  /** The server's FHIR base URL: its absolute references are its relative ones. */
  readonly base: string;
  /** Epoch milliseconds, for `ap` on dates. */
  readonly now: number;
}

/** Whether the grammar reads values of this parameter; the CapabilityStatement lists these and no others. */
export function isSearchable(param: SearchParam): boolean {
  return param.expression !== undefined || Object.hasOwn(textSources, param.code);
}

/**
 * @param texts alternatives, still with their escapes; at least one
 * @throws Problem value, not-supported (modifier), invalid (a type the reference never has)
 */
export function filterOf(
  param: SearchParam,
  modifier: string | undefined,
  texts: readonly string[],
  context: FilterContext,
): Filter {
  requireReady(param);
  const index = param.code;
  const source = textSources[index];
  if (source !== undefined) {
    refuseModifier(param, modifier);
    return { kind: 'text', param, index, source, query: textQuery(texts, index) };
  }
  if (modifier === 'missing') {
    const isMissing = readMissing(texts, param);
    return param.type === 'composite'
      ? compositeMissing(param, isMissing, context.type)
      : { kind: 'missing', param, index, isMissing };
  }
  switch (param.type) {
    case 'token':
      return tokenFilter(param, modifier, texts, context);
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
        values: texts.flatMap((text) => readStringValues(text, kind)),
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
      if (modifier !== 'above' && modifier !== 'below') refuseModifier(param, modifier);
      return {
        kind: 'uri',
        param,
        index,
        relation: (modifier ?? 'equal') as 'equal' | 'above' | 'below',
        values: texts.map(unescapeValue),
      };
    case 'composite':
      refuseModifier(param, modifier);
      return compositeFilter(param, texts, context.type, (part, text) => filterOf(part, undefined, [text], context));
    default:
      if (param.code !== 'near') throw unserved(param.code, 'Use other search parameters.');
      refuseModifier(param, modifier);
      return { kind: 'near', param, index, values: texts.map((text) => readNear(text, param)) };
  }
}

/** `wang xiaoming` is also asked for in one word, as the index has the pinyin of 王小明. */
function readStringValues(text: string, match: 'starts' | 'exact' | 'contains'): string[] {
  const value = readStringValue(text, match === 'exact');
  return match === 'starts' && /^[a-z]+(?: [a-z]+)+$/.test(value) ? [value, value.replaceAll(' ', '')] : [value];
}

/**
 * A parameter that is new to the hub answers when every stored resource is indexed by it: half an answer looks like a whole.
 * @throws Problem transient
 */
export function requireReady({ code, isPartial = false }: SearchParam): void {
  if (!isPartial) return;
  throw new Problem('transient', 'stored resources are still being indexed by this parameter', {
    expression: printable(code),
    hint: 'Ask again later; an operator sees how far it is: hub reindex --status.',
  });
}

const textSources: Readonly<Record<string, 'narrative' | 'content'>> = { _text: 'narrative', _content: 'content' };

function textQuery(texts: readonly string[], index: string): TextQuery {
  const of = texts.map((text) => parseText(unescapeValue(text), index));
  return of.length === 1 ? (of[0] as TextQuery) : { kind: 'or', of };
}

function readMissing(texts: readonly string[], param: SearchParam): boolean {
  const [text, ...rest] = texts;
  if (rest.length > 0 || (text !== 'true' && text !== 'false')) {
    throw new Problem('value', ':missing takes true or false', { expression: `${param.code}:missing` });
  }
  return text === 'true';
}

function tokenFilter(
  param: SearchParam,
  modifier: string | undefined,
  texts: readonly string[],
  context: FilterContext,
): Filter {
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
    case 'in':
    case 'not-in': {
      const values = texts.map((text) => ({ valueSet: readValueSet(text, context.base) }));
      return { kind: 'codes', param, index, relation: 'in', isNegated: modifier === 'not-in', values };
    }
    case 'above':
    case 'below': {
      const values = texts.map((text) => readSystemCode(text, param));
      return { kind: 'codes', param, index, relation: modifier, isNegated: false, values };
    }
    default:
      throw badModifier(param, modifier);
  }
}

function referenceFilter(
  param: SearchParam,
  modifier: string | undefined,
  texts: readonly string[],
  context: FilterContext,
): Filter {
  const index = param.code;
  if (modifier === 'identifier') {
    const values = texts.map((text) => readToken(text, param));
    return { kind: 'token', param, index: `${index}:identifier`, isNegated: false, values };
  }
  if (modifier === 'below' || modifier === 'above') return hierarchyFilter(param, modifier, texts, context);
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

/**
 * FHIR R4 search.html#recursive: where references of a type to itself make a strict hierarchy, `:below` and `:above` follow
 * them. These are R4's: what a resource of the type is part of.
 */
const hierarchies: Readonly<Record<string, string>> = {
  Encounter: 'part-of',
  Location: 'partof',
  Organization: 'partof',
  Procedure: 'part-of',
};

function hierarchyFilter(
  param: SearchParam,
  relation: 'below' | 'above',
  texts: readonly string[],
  context: FilterContext,
): Filter {
  const values = texts.map((text) => readReferenceValue(text, param, undefined, context.base));
  const types = new Set(values.map(({ type, url }) => (url === undefined ? type : undefined)));
  const [type] = types;
  const parent = searchParam(type ?? '', hierarchies[type ?? ''] ?? '');
  if (types.size > 1 || type === undefined || parent === undefined) {
    throw new Problem('not-supported', `:${relation} follows references where they make a hierarchy`, {
      expression: `${param.code}:${relation}`,
      hint: `Write Type/id; hierarchies are those of ${Object.keys(hierarchies).join(', ')}.`,
    });
  }
  const ids = values.flatMap(({ id }) => (id === undefined ? [] : [id]));
  return { kind: 'hierarchy', param, index: param.code, relation, type, parent, ids };
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
  token: 'Tokens take :not, :text, :of-type, :in, :not-in, :above, :below and :missing.',
  reference: 'References take a resource type, :identifier, :above, :below and :missing.',
  uri: 'URIs take :above, :below and :missing.',
  string: 'Strings take :exact, :contains and :missing.',
};

/** A caller's own text goes into a message only when it looks like a parameter's name. */
export function printable(name: string): string {
  return /^[\w:.-]{1,64}$/.test(name) ? name : '(parameter)';
}

export function unserved(name: string, hint: string): Problem {
  return new Problem('not-supported', 'this search parameter is not served', { expression: printable(name), hint });
}
