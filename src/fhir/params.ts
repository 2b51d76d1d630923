/**
 * The search parameters of R4, and what a resource says to the index under each of them. Each expression is compiled to a
 * closure at first use of its resource type; the few outside the compiled subset go through FHIRPath.
 *
 * @see https://hl7.org/fhir/R4/searchparameter-registry.html
 */
import { searchParamDefinitions } from './definitions.ts';
import { compileComposites } from './index/composites.ts';
import { evaluate } from './fhirpath.ts';
import { Collection, type ValueLimit } from './index/collection.ts';
import type { IndexEntry } from './index/entry.ts';
import { indexLeaf, type IndexContext } from './index/values.ts';
import { compilePath, joinVisits, type Leaf, type Visit } from './index/path.ts';
import { Problem } from './problem.ts';
import type { SearchComponent, SearchParam } from './search-request.ts';
import { resourceTypes, type AnyResource } from './types.ts';
import type { SearchParamDefinition } from './definitions/shape.ts';

const byType = new Map<string, ReadonlyMap<string, SearchParam>>();

/** The parameters of a resource type by code, those of every resource (`_id`, `_lastUpdated` ...) included; empty for an unknown type. */
export function searchParams(type: string): ReadonlyMap<string, SearchParam> {
  let params = byType.get(type);
  if (params === undefined) {
    params = new Map(resourceTypes.includes(type) ? paramsOf(type) : []);
    byType.set(type, params);
  }
  return params;
}

export function searchParam(type: string, code: string): SearchParam | undefined {
  return searchParams(type).get(code);
}

/** A parameter beside R4's own (custom-params.ts). */
export interface CustomParam extends SearchParamDefinition {
  /** Rows that were stored before it are not all indexed yet: until then it finds nothing rather than half. */
  readonly isPartial: boolean;
}

let custom: readonly CustomParam[] = [];

/** Those set last; the same array until others are set. */
export function customParams(): readonly CustomParam[] {
  return custom;
}

/**
 * Takes the place of all that were set before. Parameters are the vocabulary of a process, like R4's definitions: the store
 * sets them when they change.
 */
export function setCustomParams(params: readonly CustomParam[]): void {
  custom = params;
  byType.clear();
  indexers.clear();
}

function* paramsOf(type: string): Generator<[string, SearchParam]> {
  for (const definition of custom) {
    if (!definition.base.includes(type)) continue;
    yield [definition.code, { ...paramOf(definition, type), ...(definition.isPartial ? { isPartial: true } : {}) }];
  }
  for (const definition of searchParamDefinitions()) {
    const isOfType = definition.base.some((base) => base === type || base === 'Resource' || base === 'DomainResource');
    if (isOfType) yield [definition.code, paramOf(definition, type)];
  }
}

function paramOf(definition: SearchParamDefinition, type: string): SearchParam {
  const expression = definition.expression === undefined ? undefined : expressionFor(definition, type);
  const components: SearchComponent[] | undefined = definition.components?.map(({ expression: path, ...param }) => ({
    param,
    expression: path,
  }));
  return {
    code: definition.code,
    type: definition.type,
    url: definition.url,
    ...(expression === undefined ? {} : { expression }),
    ...targetOf(definition, expression),
    ...(components === undefined ? {} : { components }),
  };
}

/** The types a reference may point to; `where(resolve() is Patient)` leaves but one of them. */
function targetOf(definition: SearchParamDefinition, expression: string | undefined): { target?: readonly string[] } {
  const alternatives = expression
    ?.split(' | ')
    .map((alternative) => /\.where\(resolve\(\) is (\w+)\)/.exec(alternative)?.[1]);
  const [only] = alternatives ?? [];
  if (only !== undefined && alternatives?.every((type) => type === only)) return { target: [only] };
  return definition.target === undefined ? {} : { target: definition.target };
}

/** The alternatives of a shared expression that speak of this type: `Patient.name | Person.name`. */
export function expressionFor(definition: SearchParamDefinition, type: string): string {
  const expression = definition.expression as string;
  if (definition.base.length <= 1) return expression;
  const starts = new RegExp(`^\\(*(${type}|Resource|DomainResource)\\.`);
  return expression
    .split(' | ')
    .filter((alternative) => starts.test(alternative.trim()))
    .join(' | ');
}

const indexers = new Map<string, Visit<IndexContext> | undefined>();

/**
 * What a resource says to the index. `_id` and `_lastUpdated` are among the entries when the resource carries them; the
 * store may keep those in columns instead.
 * @param limit shared by what is indexed together (a resource and what it contains)
 * @throws Problem too-long beyond the limit ({@link limitedTo})
 */
export function indexEntries(resource: AnyResource, limit?: ValueLimit): IndexEntry[] {
  const type = resource.resourceType;
  let index = indexers.get(type);
  if (index === undefined && !indexers.has(type)) {
    const params = [...searchParams(type).values()];
    const visits = [...params.map((param) => compileParam(param, type)), ...compileComposites(params, type)];
    index = joinVisits(visits.filter((visit) => visit !== undefined));
    indexers.set(type, index);
  }
  const collection = new Collection(limit);
  index?.(resource, { root: resource, entries: collection });
  return collection.entries;
}

/** The limit for a resource of this type; its Problem names the parameter that has most of the values. */
export function limitedTo(max: number, type: string): ValueLimit {
  return {
    max,
    used: 0,
    refuse: (entries) => {
      const byCode = Map.groupBy(entries, ({ param }) => param.split(':')[0] as string);
      const [[code] = ['']] = [...byCode].toSorted(([, one], [, other]) => other.length - one.length);
      return new Problem('too-long', `a resource has at most ${max} values to be searched by`, {
        expression: searchParam(type, code)?.expression ?? (code.includes('.') ? code : type),
        hint: 'Send it in several resources, or without what nobody searches for.',
      });
    },
  };
}

/** The closure of one parameter; undefined for composites, and those that stand on no element (`_text`, `_content`, `_query`). */
export function compileParam(param: SearchParam, type: string): Visit<IndexContext> | undefined {
  if (param.expression === undefined || param.type === 'composite') return undefined;
  const leaf: Leaf<IndexContext> = (valueType, valueSet) => indexLeaf(param.code, param.type, valueType, valueSet);
  return compilePath(param.expression, type, type, leaf) ?? compileFallback(param, leaf);
}

/** Full FHIRPath, a hundred times slower: `Patient.deceased` is the one R4 parameter that needs it. */
function compileFallback(param: SearchParam, leaf: Leaf<IndexContext>): Visit<IndexContext> {
  return (value, context) => {
    const found = evaluate(param.expression as string, context.root.resourceType, value, context.root);
    for (const { type, value: held } of found) leaf(type, undefined)?.(held, context);
  };
}
