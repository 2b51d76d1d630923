/**
 * A search over several types: `[base]?_type=Patient,Observation&...` and `[base]/Patient/x/*`. A parameter must be one of each
 * of them; what one of them does not know, the search does not know.
 *
 * @see https://hl7.org/fhir/R4/search.html#searchall
 */
import { Problem } from '../problem.ts';
import { parseCriterion } from './chain.ts';
import { compartmentFilter, membersOf, type Compartment } from './compartment.ts';
import { pairsOf, type SearchContext, type SearchOptions } from './context.ts';
import { requireWhole, takeInclude } from './include.ts';
import type { Branch, Filter, Include, SearchRequest, SortKey } from '../search-request.ts';
import { parseResults, takeResult } from './results.ts';
import { resourceTypes, typeCode } from '../types.ts';

/** Types that may have parameters of their own in one search: each is a query by itself. */
const ownTypesMax = 16;

/** Parameters that every type has and that mean the same for each. */
const common = new Set(['_id', '_lastUpdated', '_tag', '_profile', '_security', '_source']);

/**
 * @param unserved types whose resources the store does not hold
 * @throws Problem as `parseSearch`; too-costly when nothing says which types, or too many have parameters of their own
 */
export function parseSearchOfTypes(
  query: string,
  options: SearchOptions & { readonly unserved: ReadonlySet<string> },
  compartment?: Compartment,
): SearchRequest {
  const pairs = pairsOf(query);
  const types = typesSearched(pairs, options.unserved, compartment);
  const context: TypesContext = { ...options, issues: [], parameters: [] };
  const results = new Map<string, string>();
  const includes: Include[] = [];
  const criteria: [string, string][] = [];
  for (const [name, value] of pairs) {
    const first = { ...context, type: types[0] as string };
    if (name === '_type') context.parameters.push([name, value]);
    else if (!takeResult(name, value, results, first) && !takeIncludes(name, value, { types, includes, context })) {
      criteria.push([name, value]);
    }
  }
  const isCommonAlone = criteria.every(([name]) => isCommon(name)) && isCommonSort(results.get('_sort'));
  const groups = isCommonAlone ? [types] : eachOf(types);
  const filters = readCriteria(criteria, groups, context);
  const { sorts, ...shape } = readShape(results, groups, context);
  requireWhole(includes, shape.summary);
  const branches = groups.map((group, at): Branch => ({
    types: group,
    filters: [...(compartment === undefined ? [] : [compartmentFilter(compartment, group)]), ...(filters[at] ?? [])],
    sort: sorts[at] ?? [],
  }));
  const { parameters, issues } = context;
  return { type: '', filters: [], branches, includes, ...shape, parameters, issues };
}

type TypesContext = Omit<SearchContext, 'type'>;
type Pairs = readonly (readonly [string, string])[];
/** Types that are searched alike. */
type Groups = readonly (readonly string[])[];

/** @throws Problem too-costly when nothing says which types, and no id which resources */
function typesSearched(pairs: Pairs, unserved: ReadonlySet<string>, compartment: Compartment | undefined): string[] {
  const named = typesNamed(pairs, unserved);
  const members = compartment && membersOf(compartment).filter((type) => !unserved.has(type));
  if (named !== undefined) return inside(named, members);
  if (members !== undefined) return members;
  if (!pairs.some(([name, value]) => name === '_id' && value !== '')) {
    throw new Problem('too-costly', 'a search of the whole server needs its types', {
      expression: '_type',
      hint: 'Name them: _type=Patient,Observation.',
    });
  }
  return resourceTypes.filter((type) => !unserved.has(type));
}

/** For each group the filters that all of them know. */
function readCriteria(criteria: Pairs, groups: Groups, context: TypesContext): Filter[][] {
  const filters = groups.map((): Filter[] => []);
  for (const [name, value] of criteria) {
    const found = parseForAll(name, value, groups, context);
    if (found === undefined) continue;
    context.parameters.push([name, value]);
    found.forEach((filter, at) => filters[at]?.push(filter));
  }
  return filters;
}

/** The shape of the answer, and for each group the keys of the order that all of them know. */
function readShape(
  results: ReadonlyMap<string, string>,
  groups: Groups,
  context: TypesContext,
): ReturnType<typeof parseResults> & { readonly sorts: readonly SortKey[][] } {
  const issues: Problem[] = [];
  const shapes = groups.map(([type = '']) => parseResults(results, { ...context, issues, type }));
  const named = new Map(issues.map((problem) => [problem.expression?.join(), problem]));
  context.issues.push(...named.values());
  const isKnown = ({ param: { code } }: SortKey): boolean =>
    shapes.every(({ sort }) => sort.some(({ param }) => param.code === code));
  const [first] = shapes as [(typeof shapes)[number]];
  return { ...first, sort: [], sorts: shapes.map(({ sort }) => sort.filter(isKnown)) };
}

/** @throws Problem value for what is no type, not-supported for what is not searched here */
function typesNamed(pairs: Pairs, unserved: ReadonlySet<string>): string[] | undefined {
  const values = pairs.filter(([name, value]) => name === '_type' && value !== '').map(([, value]) => value);
  const [value] = values;
  if (value === undefined) return undefined;
  if (values.length > 1) throw new Problem('invalid', '_type may stand once', { expression: '_type' });
  const types = [...new Set(value.split(','))];
  if (types.some((type) => typeCode(type) === undefined)) {
    throw new Problem('value', '_type names what is no resource type of R4', { expression: '_type' });
  }
  const other = types.find((type) => unserved.has(type));
  if (other !== undefined) {
    throw new Problem('not-supported', `${other} is not searched together with other types`, {
      expression: '_type',
      hint: `Search it by itself: [base]/${other}?patient=[id].`,
    });
  }
  return types;
}

/** @throws Problem value when none of the named types is a member */
function inside(named: readonly string[], members: readonly string[] | undefined): string[] {
  const types = named.filter((type) => members?.includes(type) ?? true);
  if (types.length === 0)
    throw new Problem('value', '_type names no type of this compartment', { expression: '_type' });
  return types;
}

function isCommon(name: string): boolean {
  return common.has(name.split(':', 1)[0] as string);
}

function isCommonSort(sort = ''): boolean {
  return sort.split(',').every((name) => name === '' || common.has(name.replace(/^-/, '')));
}

function eachOf(types: readonly string[]): string[][] {
  if (types.length > ownTypesMax) {
    throw new Problem('too-costly', `parameters of single types are searched in ${ownTypesMax} types at once`, {
      expression: '_type',
      hint: 'Name fewer types, or search by parameters of every type: _id, _lastUpdated, _tag, _profile, _security.',
    });
  }
  return types.map((type) => [type]);
}

/** `_include=*` means every reference of each type. */
function takeIncludes(
  name: string,
  value: string,
  { types, includes, context }: { types: readonly string[]; includes: Include[]; context: TypesContext },
): boolean {
  if (!/^_(rev)?include(:|$)/.test(name)) return false;
  if (value !== '*') return takeInclude(name, value, includes, { ...context, type: types[0] as string });
  for (const type of types) takeInclude(name, value, includes, { ...context, type, parameters: [] });
  context.parameters.push([name, value]);
  return true;
}

/** A filter for each group; undefined when one of them does not know the parameter, which lenient handling names once. */
function parseForAll(name: string, value: string, groups: Groups, context: TypesContext): Filter[] | undefined {
  const filters: Filter[] = [];
  for (const [type = ''] of groups) {
    const filter = parseCriterion(name, value, { ...context, type });
    if (filter === undefined) return undefined;
    filters.push(filter);
  }
  return filters;
}
