/**
 * Search of a type, of a compartment and of the whole server, by GET and by POST _search: one way in for all.
 *
 * @see https://hl7.org/fhir/R4/http.html#search
 */
import { visibility } from '../access/predicate/predicate.ts';
import type { Principal } from '../access/principal/principal.ts';
import { requireScope, requireScopeOfAny } from '../access/principal/scope.ts';
import { seenBy } from '../access/predicate/seen-by.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { parseSearch, parseSearchOfTypes, type SearchRequest } from '../fhir/search.ts';
import { samePerson, samePersons } from '../identity/link.ts';
import { includedMax, selectIncluded } from '../store/search/include.ts';
import { compartmentsOf, isAcross, patientsNamed } from '../store/search.ts';
import { asksForCodes } from '../store/search/resolve.ts';
import { ensureBase } from '../store/terminology/base.ts';
import { selectPage, type FoundRow } from '../store/select.ts';
import { renderedTypes } from './audit-event.ts';
import { searchUrl, toSearchset, type SearchsetEntry } from './bundle.ts';
import { cursorBinding } from './cursor.ts';
import { checkContentType, formMediaTypes, preferencesOf, type Incoming } from './incoming.ts';
import type { Call, Interaction, Plan } from './interaction.ts';
import { bodyFor } from './read.ts';
import { narrowWildcards, requireParams } from './search-rights.ts';
import { subsetOf } from './subset.ts';

export const search: Interaction = {
  code: 'search-type',
  isWrite: false,
  prepare: async (call) => planSearch(call, call.incoming.query),
};

export const searchByPost: Interaction = { ...search, prepare: planPosted };

/** `[base]?_type=...`, and a whole compartment: `[base]/Patient/x/*`. */
export const searchOfSystem: Interaction = { ...search, code: 'search-system' };

export const searchOfSystemByPost: Interaction = { ...searchByPost, code: 'search-system' };

async function planPosted(call: Call): Promise<Plan> {
  const { headers, query, text } = call.incoming;
  checkContentType(headers, formMediaTypes);
  // FHIR R4 http.html#search: parameters of the URL and of the body count alike.
  return planSearch(call, [query, await text()].filter((part) => part !== '').join('&'));
}

async function planSearch({ facade, principal, incoming }: Call, query: string): Promise<Plan> {
  const { base, cursorKey, now } = facade;
  const path = pathOf(incoming);
  const request = parse(principal, incoming, query, { base, now: now() });
  // Not in the search itself, which may read from a snapshot and write nothing.
  if (asksForCodes(request)) await ensureBase(facade.database);
  const types = request.branches?.flatMap((branch) => branch.types) ?? [request.type];
  const { parameters, cursor } = request;
  const seal = { key: cursorKey, boundTo: cursorBinding(principal, path, parameters) };
  const patients = patientsNamed(request);
  return {
    askedFor: patients,
    question: seal.boundTo,
    query: parameters.map(([name]) => name).join('&'),
    isSnapshot: isAcross(request) || request.branches !== undefined || request.includes.length > 0,
    run: async (tx) => {
      const context = principal.patient ?? principal.self;
      const [aliases, within] = await Promise.all([
        aliasesOf(tx, patients),
        context === undefined ? undefined : samePerson(tx, context),
      ]);
      const compartments = compartmentsOf(request, aliases, within);
      const visible = visibility(principal, {
        interaction: 's',
        types,
        ...(compartments === undefined ? {} : { patients: compartments }),
      });
      const visibilityOf = seenBy(principal);
      const page = await selectPage(tx, visible, request, {
        seal,
        aliases,
        within,
        visibilityOf,
        organization: principal.organization,
      });
      const included = await selectIncluded(tx, visibilityOf, page.rows, request.includes);
      const entryOf = (row: FoundRow): SearchsetEntry => ({
        type: row.type,
        id: row.id,
        body: subsetOf(request, bodyFor(principal, row)),
      });
      const body = toSearchset({
        base,
        entries: page.rows.map(entryOf),
        included: included.rows.map(entryOf),
        // A first page with nothing after it is the whole: its size needs no count.
        total: page.total ?? (cursor === undefined && page.next === undefined ? page.rows.length : undefined),
        self: searchUrl(base, path, parameters, cursor),
        next: page.next === undefined ? undefined : searchUrl(base, path, parameters, page.next),
        issues: included.isCut ? [...request.issues, cutIncludes()] : request.issues,
      });
      return { answer: { status: 200, body }, shown: [...page.rows, ...included.rows] };
    },
  };
}

/** Below the base: `Observation`, `Patient/x/Observation`, `Patient/x/*`, or nothing for the whole server. */
function pathOf({ type, compartment }: Incoming): string {
  return compartment === undefined ? type : `${compartment.type}/${compartment.id}/${type || '*'}`;
}

/** @throws Problem for what is asked wrongly, or not for this caller to ask */
function parse(
  principal: Principal,
  { type, headers, compartment }: Incoming,
  query: string,
  server: { readonly base: string; readonly now: number },
): SearchRequest {
  const options = { ...server, handling: preferencesOf(headers).handling };
  if (type !== '') requireScope(principal, type, 's');
  const asked =
    type === ''
      ? parseSearchOfTypes(query, { ...options, unserved: renderedTypes }, compartment)
      : parseSearch(type, query, options, compartment);
  if (asked.branches !== undefined) {
    requireScopeOfAny(
      principal,
      asked.branches.flatMap(({ types }) => types),
      's',
    );
  }
  const request = narrowWildcards(principal, asked);
  requireParams(principal, request);
  return request;
}

/** A search for one source patient of a person covers all of them; what is shown of them is up to each row. */
export function aliasesOf(tx: Tx, patients: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  return samePersons(tx, patients);
}

function cutIncludes(): Problem {
  return new Problem('too-costly', `not all included resources are in the answer: a page takes ${includedMax}`, {
    hint: 'Ask for smaller pages with _count, or search the included resources themselves.',
  });
}
