/**
 * What a search must know before it can be compiled: the codes of a value set, what stands under or above a code, what lies in
 * a hierarchy of places. Each becomes the plain filter that it stands for. A search without any is returned as it is.
 *
 * @see https://hl7.org/fhir/R4/search.html#modifiers :in, :not-in, :above, :below
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { indexEntries } from '../../fhir/params.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type {
  Branch,
  CodesFilter,
  Filter,
  HierarchyFilter,
  ReferenceFilter,
  SearchRequest,
  TokenFilter,
} from '../../fhir/search-request.ts';
import { splitCanonical } from '../../fhir/terminology.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { compileSearch } from '../search.ts';
import { codesIn } from '../terminology/compose.ts';
import { codesAbove, codesBelow } from '../terminology/hierarchy.ts';
import { openLibrary, type Library, type Name } from '../terminology/library.ts';
import type { VisibilityOf } from '../visibility.ts';

/** Codes one filter may stand for: every row that is looked at is compared with all of them. */
const codesMax = 1_000;
/** A hospital with its buildings, floors, rooms and beds; a region of hospitals is searched one by one. */
const placesMax = 1_000;
/** Country, region, group, hospital, campus, building, wing, floor, ward, room, bed: and some. */
const levelsMax = 16;

export interface ResolveOptions {
  /** Of the caller, `Organization/x`: whose value sets count beside the published ones. */
  readonly organization?: string | undefined;
  readonly visibilityOf: VisibilityOf;
}

/** @throws Problem value (value set not known), not-supported (code system not loaded), too-costly */
export async function resolveSearch(db: Tx, request: SearchRequest, options: ResolveOptions): Promise<SearchRequest> {
  const { filters, branches } = request;
  if (!filters.some(isOpen) && !branches?.some((branch) => branch.filters.some(isOpen))) return request;
  const resolver: Resolver = { db, options };
  const resolved = { ...request, filters: await resolveAll(filters, resolver) };
  return branches === undefined ? resolved : { ...resolved, branches: await resolveBranches(branches, resolver) };
}

async function resolveBranches(branches: readonly Branch[], resolver: Resolver): Promise<Branch[]> {
  const resolved: Branch[] = [];
  for (const branch of branches) resolved.push({ ...branch, filters: await resolveAll(branch.filters, resolver) });
  return resolved;
}

/** Whether the search must know value sets or hierarchies of codes. */
export function asksForCodes({ filters, branches = [] }: Pick<SearchRequest, 'filters' | 'branches'>): boolean {
  return [...filters, ...branches.flatMap((branch) => branch.filters)].some(isOpen);
}

interface Resolver {
  readonly db: Tx;
  readonly options: ResolveOptions;
  library?: Library;
}

function isOpen(filter: Filter): boolean {
  switch (filter.kind) {
    case 'codes':
    case 'hierarchy':
      return true;
    case 'group':
      return filter.filters.some(isOpen);
    case 'chain':
      return filter.targets.some((target) => isOpen(target.filter));
    case 'has':
      return isOpen(filter.filter);
    default:
      return false;
  }
}

async function resolveAll(filters: readonly Filter[], resolver: Resolver): Promise<Filter[]> {
  const resolved: Filter[] = [];
  for (const filter of filters) resolved.push(isOpen(filter) ? await resolve(filter, resolver) : filter);
  return resolved;
}

async function resolve(filter: Filter, resolver: Resolver): Promise<Filter> {
  switch (filter.kind) {
    case 'codes':
      return resolveCodes(filter, resolver);
    case 'hierarchy':
      return resolveHierarchy(filter, resolver);
    case 'group':
      return { ...filter, filters: await resolveAll(filter.filters, resolver) };
    case 'chain': {
      const inner = await resolveAll(
        filter.targets.map((target) => target.filter),
        resolver,
      );
      return { ...filter, targets: filter.targets.map(({ type }, at) => ({ type, filter: inner[at] as Filter })) };
    }
    case 'has':
      return { ...filter, filter: await resolve(filter.filter, resolver) };
    default:
      return filter;
  }
}

async function resolveCodes(filter: CodesFilter, resolver: Resolver): Promise<TokenFilter> {
  const { param, index, relation, isNegated } = filter;
  resolver.library ??= await openLibrary(resolver.db, resolver.options.organization);
  const { library } = resolver;
  const expression = `${param.code}:${relation}`;
  const found = [];
  for (const value of filter.values) {
    try {
      if ('valueSet' in value) found.push(...(await codesIn(library, nameOf(value.valueSet), codesMax)));
      else found.push(...(await (relation === 'below' ? codesBelow : codesAbove)(library, value, codesMax)));
    } catch (error) {
      throw error instanceof Problem ? atExpression(error, expression) : error;
    }
  }
  if (found.length > codesMax) throw new Problem('too-costly', `at most ${codesMax} codes at once`, { expression });
  return { kind: 'token', param, index, isNegated, values: found };
}

function nameOf(text: string): Name {
  return text.startsWith('ValueSet/') ? { id: text.slice('ValueSet/'.length) } : splitCanonical(text);
}

/** A value set that is not there is a value that cannot be searched by; `not-found` speaks of what the URL names. */
function atExpression({ code, message, hint }: Problem, expression: string): Problem {
  return new Problem(code === 'not-found' ? 'value' : code, message, {
    expression,
    hint: hint ?? 'Value sets are those of R4, those an operator has loaded (hub terminology load), and your own.',
  });
}

async function resolveHierarchy(filter: HierarchyFilter, resolver: Resolver): Promise<ReferenceFilter> {
  const { param, index, type, relation } = filter;
  const found = new Set(filter.ids);
  let level: readonly string[] = filter.ids;
  for (let depth = 0; depth < levelsMax && level.length > 0; depth++) {
    const next =
      relation === 'below' ? await childrenOf(level, filter, resolver) : await parentsOf(level, filter, resolver);
    level = next.filter((id) => !found.has(id));
    for (const id of level) found.add(id);
    if (found.size > placesMax) {
      throw new Problem('too-costly', `more than ${placesMax} resources stand ${relation} this one`, {
        expression: `${param.code}:${relation}`,
      });
    }
  }
  return { kind: 'reference', param, index, values: [...found].map((id) => ({ type, id })) };
}

async function childrenOf(ids: readonly string[], filter: HierarchyFilter, resolver: Resolver): Promise<string[]> {
  const { parent, type } = filter;
  const values = ids.map((id) => ({ type, id }));
  const rows = await selectRows({ kind: 'reference', param: parent, index: parent.code, values }, filter, resolver);
  return rows.map(({ id }) => id);
}

async function parentsOf(ids: readonly string[], filter: HierarchyFilter, resolver: Resolver): Promise<string[]> {
  const { parent, type } = filter;
  const values = ids.map((code) => ({ code }));
  const byId: TokenFilter = { kind: 'token', param: parent, index: '_id', isNegated: false, values };
  const rows = await selectRows(byId, filter, resolver);
  return rows
    .flatMap(({ body }) => indexEntries(parseJson(body) as AnyResource))
    .flatMap((entry) =>
      entry.kind === 'reference' && entry.param === parent.code && entry.type === type && entry.url === undefined
        ? [entry.id as string]
        : [],
    );
}

/** Those the caller may see: a hidden place hides what is only known through it. */
async function selectRows(
  filter: Filter,
  { type }: HierarchyFilter,
  { db, options }: Resolver,
): Promise<{ id: string; body: string }[]> {
  const { visibilityOf } = options;
  const where = compileSearch([filter], { type, alias: 'h', isFound: false, aliases: new Map(), visibilityOf });
  return db.query(sql`
    select h.id, h.body from resource h where ${where} and ${visibilityOf([type]).where('h')} limit ${placesMax + 1}`);
}
