/**
 * A parsed search as conditions over one alias of `resource`. Whether the search is of one patient's record decides the
 * plan: then it walks the btree prefix (bucket, patient, type), whatever the size of the table.
 */
import { join, sql, type Sql } from '../db/sql.ts';
import { patientCompartment } from '../fhir/definitions.ts';
import { tokenHash } from '../fhir/hash.ts';
import { idPattern } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import type {
  ChainFilter,
  Filter,
  GroupFilter,
  HasFilter,
  MissingFilter,
  ReferenceFilter,
  ReferenceValue,
  SearchRequest,
  TokenFilter,
} from '../fhir/search-request.ts';
import { typeCode } from '../fhir/types.ts';
import { isCurrent, matchChain, matchHas, type Subject } from './search/chain.ts';
import { isMember } from './compartment-rows.ts';
import { isLink, type LinkFilter } from './search/gather.ts';
import { isIdentifiedBy } from './identifier.ts';
import { matchElement } from './params/composite.ts';
import { matchDate } from './params/date.ts';
import { matchNear } from './params/near.ts';
import { matchNumber } from './params/number.ts';
import { matchQuantity } from './params/quantity.ts';
import { matchReference, type Aliases } from './params/reference.ts';
import { matchString } from './params/string.ts';
import { matchText } from './params/text.ts';
import { hasToken, matchToken } from './params/token.ts';
import { matchUri } from './params/uri.ts';
import { isCompartmentParam, isInDirectory, isKeyed, isReferenceKeyed, mainDateOf } from './place.ts';
import { isAmong } from './locate.ts';

/** Patients a search may name at once: a page is merged from one btree scan each. */
const patientsMax = 200;

/**
 * Everything a row must meet but the compartment and who may see it.
 * @throws Problem not-supported for a type R4 does not have
 */
export function compileSearch(filters: readonly Filter[], subject: Subject): Sql {
  if (typeCode(subject.type) === undefined) {
    throw new Problem('not-supported', `${subject.type} is no R4 resource type`);
  }
  return join([isCurrent(subject), ...filters.map((filter) => matchFilter(filter, subject))], ' and ');
}

/** Ids of the Patients a search names: the caller asks identity for the other records of the same persons. */
export function patientsNamed({ filters, branches }: SearchRequest): string[] {
  const all = [...leaves(branches?.flatMap((branch) => branch.filters) ?? filters)];
  const named = all.flatMap((filter) => {
    if (filter.kind === 'compartment') return filter.param.code === 'Patient' ? [filter.id] : [];
    if (filter.kind !== 'reference') return [];
    return filter.values.filter((value) => isPatient(value, filter.param.target)).map(({ id }) => id);
  });
  return [...new Set(named.filter((id) => id !== undefined))];
}

/** Every filter that groups, chains and reverse chains are made of, however deep. */
function* leaves(filters: readonly Filter[]): Generator<Exclude<Filter, GroupFilter | ChainFilter | HasFilter>> {
  for (const filter of filters) {
    if (filter.kind === 'group') yield* leaves(filter.filters);
    else if (filter.kind === 'chain') yield* leaves(filter.targets.map((target) => target.filter));
    else if (filter.kind === 'has') yield* leaves([filter.filter]);
    else yield filter;
  }
}

/** The filters that every match meets. */
function* conditionsOf(filters: readonly Filter[]): Generator<Filter> {
  for (const filter of filters) {
    if (filter.kind === 'group' && filter.join === 'and' && !filter.isNegated) yield* conditionsOf(filter.filters);
    else yield filter;
  }
}

/**
 * Source patients whose compartments hold every match; undefined when any row of the type may match.
 * @param within the only compartments the caller is served from, if it is so bound
 */
export function compartmentsOf(
  request: Pick<SearchRequest, 'type' | 'filters'>,
  aliases: Aliases,
  within?: readonly string[],
): readonly string[] | undefined {
  const named = compartmentsNamed(request, aliases);
  return within === undefined ? named : (named?.filter((id) => within.includes(id)) ?? within);
}

function compartmentsNamed(
  { type, filters }: Pick<SearchRequest, 'type' | 'filters'>,
  aliases: Aliases,
): string[] | undefined {
  const scope = [...conditionsOf(filters)].find((filter): filter is ReferenceFilter => {
    if (filter.kind !== 'reference' || !isCompartmentParam(type, filter.index)) return false;
    return filter.values.every((value) => isPatient(value, filter.param.target));
  });
  if (scope === undefined) return undefined;
  const patients = new Set(scope.values.flatMap(({ id = '' }) => aliases.get(id) ?? [id]));
  if (patients.size > patientsMax) throw new Problem('too-costly', `at most ${patientsMax} patients at once`);
  return [...patients];
}

function isPatient(value: ReferenceFilter['values'][number], target: readonly string[] | undefined): boolean {
  if (value.id === undefined || value.url !== undefined) return false;
  return value.type === undefined ? target?.length === 1 && target[0] === 'Patient' : value.type === 'Patient';
}

export function matchFilter(filter: Filter, subject: Subject): Sql {
  const { type, alias, isFound, aliases } = subject;
  switch (filter.kind) {
    case 'token':
      if (filter.index === '_id') return matchId(filter, subject);
      if (!isFound && isIdentified(filter, type)) return matchIdentifier(filter, type, alias);
      return matchToken(filter, alias, !isFound && isKeyed(type, 'token', filter.index));
    case 'reference':
      return matchReference(filter, alias, !isFound && isKeyedReference(filter, type), aliases);
    case 'string':
      return matchString(filter, alias, !isFound && isInDirectory(type));
    case 'date':
      return matchDate(filter, alias, mainDateOf(type));
    case 'number':
      return matchNumber(filter, alias);
    case 'quantity':
      return matchQuantity(filter, alias);
    case 'uri':
      if (filter.relation === 'below') requireFew(subject, filter);
      return matchUri(filter, type, alias, !isFound);
    case 'text':
      requireFew(subject, filter);
      return matchText(filter, alias);
    case 'near':
      return matchNear(filter, alias);
    case 'missing':
      return matchMissing(filter, alias);
    case 'element':
      return matchElement(filter, alias, aliases);
    case 'chain':
      return matchChain(filter, subject, matchFilter);
    case 'has':
      return matchHas(filter, subject, matchFilter);
    case 'compartment':
      return isMember(filter, subject);
  }
  if (filter.kind === 'group') return matchGroup(filter, subject);
  throw new Error(`${filter.kind} is resolved before it is compiled (resolve.ts)`);
}

/**
 * What is read from bodies is asked of rows that a compartment has found, or of types outside of compartments: those are few.
 * @throws Problem too-costly
 */
function requireFew({ type, isFound }: Subject, { param }: Filter): void {
  if (isFound || !Object.hasOwn(patientCompartment(), type)) return;
  throw new Problem('too-costly', `${param.code} is not searched in this way across patients`, {
    expression: param.code,
    hint: 'Name a patient: patient=[id].',
  });
}

function matchGroup({ filters, join: joint, isNegated }: GroupFilter, subject: Subject): Sql {
  const conditions = filters.map((filter) => matchFilter(filter, subject));
  const all = sql`(${join(conditions, joint === 'and' ? ' and ' : ' or ')})`;
  return isNegated ? sql`not ${all}` : all;
}

/** An id alone may be of any type, and is no key. */
function isKeyedReference({ index, values }: ReferenceFilter, type: string): boolean {
  const isWhole = ({ url, type: target }: ReferenceValue): boolean => url !== undefined || target !== undefined;
  return values.every((value) => isWhole(value) && isReferenceKeyed(type, index, value));
}

/** Across patients the planner can begin with this condition, by an index. */
function isIndexed(filter: Filter, type: string): boolean {
  switch (filter.kind) {
    case 'token':
      if (filter.isNegated || filter.values.some(({ code }) => code === undefined)) return false;
      return filter.index === '_id' || isIdentified(filter, type) || isKeyed(type, 'token', filter.index);
    case 'reference':
      return isKeyedReference(filter, type);
    case 'string':
      return (filter.match === 'starts' || filter.match === 'equals') && isInDirectory(type);
    default:
      return filter.kind === 'uri';
  }
}

/** `_total=estimate` is answered exactly. */
export function isCounted({ total, count, summary }: SearchRequest): boolean {
  return total !== 'none' || count === 0 || summary === 'count';
}

/** Whether a search follows references. */
export function isAcross({ filters }: Pick<SearchRequest, 'filters'>): boolean {
  return filters.some(followsReferences);
}

function followsReferences(filter: Filter): boolean {
  return filter.kind === 'group' ? filter.filters.some(followsReferences) : isLink(filter);
}

/**
 * Of a search across patients the chain to begin with, at its far end; undefined when an index of the rows themselves is the
 * better beginning, or no chain must hold. A chain that ends in an identifier leads to few rows, whatever else is asked.
 */
export function beginningOf({ type, filters }: Pick<SearchRequest, 'type' | 'filters'>): LinkFilter | undefined {
  const conditions = [...conditionsOf(filters)];
  const links = conditions.filter(isLink);
  const few = links.find((link) => [...endsOf(link, type)].every((end) => isOfFew(end.filter)));
  if (few !== undefined || conditions.some((filter) => isIndexed(filter, type))) return few;
  return links.find((link) => [...endsOf(link, type)].every((end) => isIndexed(end.filter, end.type))) ?? links[0];
}

/** The conditions at the far end, one for each type an untyped chain leads to. */
function* endsOf(filter: Filter, type: string): Generator<{ filter: Filter; type: string }> {
  if (filter.kind === 'has') yield* endsOf(filter.filter, filter.type);
  else if (filter.kind === 'chain') for (const target of filter.targets) yield* endsOf(target.filter, target.type);
  else yield { filter, type };
}

function isOfFew(filter: Filter): boolean {
  if (filter.kind === 'compartment') return true;
  if (filter.kind !== 'token' || filter.isNegated || filter.values.some(({ code }) => code === undefined)) return false;
  return filter.index === '_id' || filter.index === 'identifier';
}

/** FHIR R4 search.html#missing */
function matchMissing({ index, isMissing }: MissingFilter, alias: string): Sql {
  const present = hasToken([tokenHash(index, undefined, undefined)], alias);
  return isMissing ? sql`not ${present}` : present;
}

/** People, organizations and places by business identifier: the identifier index knows their bucket. */
function isIdentified({ index, isNegated, values }: TokenFilter, type: string): boolean {
  return index === 'identifier' && isInDirectory(type) && !isNegated && values.every(({ code }) => code !== undefined);
}

function matchIdentifier(filter: TokenFilter, type: string, alias: string): Sql {
  const hashes = filter.values.map(({ system, code }) => tokenHash(filter.index, system, code));
  return sql`(${isIdentifiedBy(hashes, type, alias)} and ${hasToken(hashes, alias)})`;
}

/** `_id` says where the row is, as a read does. */
function matchId({ values, isNegated }: TokenFilter, { type, types = [type], alias }: Subject): Sql {
  const ids = values.map(({ code = '' }) => code).filter((id) => idPattern.test(id));
  const found = isAmong(types, ids, alias);
  return isNegated ? sql`not ${found}` : found;
}
