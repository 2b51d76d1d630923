/** search-type, by GET and by POST _search: one way in for both. @see https://hl7.org/fhir/R4/http.html#search */
import { mayFilter } from '../access/minimum.ts';
import { visibility } from '../access/predicate.ts';
import type { Principal } from '../access/principal.ts';
import { requireScope } from '../access/scope.ts';
import { seenBy } from '../access/seen-by.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { paramsRead, parseSearch, type Include, type SearchRequest } from '../fhir/search.ts';
import { samePerson, samePersons } from '../identity/link.ts';
import { includedMax, selectIncluded } from '../store/include.ts';
import { compartmentsOf, isAcross, patientsNamed } from '../store/search.ts';
import { selectPage, type FoundRow } from '../store/select.ts';
import { searchUrl, toSearchset, type SearchsetEntry } from './bundle.ts';
import { cursorBinding } from './cursor.ts';
import { checkContentType, formMediaTypes, preferencesOf } from './incoming.ts';
import type { Call, Interaction, Plan } from './interaction.ts';
import { bodyFor } from './read.ts';
import { subsetOf } from './subset.ts';

export const search: Interaction = {
  code: 'search-type',
  isWrite: false,
  prepare: async (call) => planSearch(call, call.incoming.query),
};

export const searchByPost: Interaction = {
  ...search,
  prepare: async (call) => {
    const { headers, query, text } = call.incoming;
    checkContentType(headers, formMediaTypes);
    // FHIR R4 http.html#search: parameters of the URL and of the body count alike.
    return planSearch(call, [query, await text()].filter((part) => part !== '').join('&'));
  },
};

function planSearch({ facade, principal, incoming }: Call, query: string): Plan {
  const { type } = incoming;
  requireScope(principal, type, 's');
  const { base, cursorKey, now } = facade;
  const request = parseSearch(type, query, { handling: preferencesOf(incoming.headers).handling, base, now: now() });
  requireParams(principal, request);
  const { parameters, cursor } = request;
  const seal = { key: cursorKey, boundTo: cursorBinding(principal, type, parameters) };
  const patients = patientsNamed(request);
  return {
    askedFor: patients,
    query: parameters.map(([name]) => name).join('&'),
    isSnapshot: isAcross(request) || request.includes.length > 0,
    run: async (tx) => {
      const context = principal.patient ?? principal.self;
      const [aliases, within] = await Promise.all([
        aliasesOf(tx, patients),
        context === undefined ? undefined : samePerson(tx, context),
      ]);
      const compartments = compartmentsOf(request, aliases, within);
      const visible = visibility(principal, {
        interaction: 's',
        types: [type],
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
      const included = await selectIncluded(tx, visibilityOf, page.rows, includesFor(principal, request));
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
        self: searchUrl(base, type, parameters, cursor),
        next: page.next === undefined ? undefined : searchUrl(base, type, parameters, page.next),
        issues: included.isCut ? [...request.issues, cutIncludes()] : request.issues,
      });
      return { answer: { status: 200, body }, shown: [...page.rows, ...included.rows] };
    },
  };
}

/** A search for one source patient of a person covers all of them; what is shown of them is up to each row. */
export function aliasesOf(tx: Tx, patients: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  return samePersons(tx, patients);
}

/**
 * A filter or a sort tells as much as the element it reads, at every step of a chain; so does a reference that is followed.
 * @throws Problem forbidden
 */
export function requireParams(principal: Principal, { type, filters, sort, includes }: SearchRequest): void {
  const read = [
    ...filters.flatMap((filter) => [...paramsRead(type, filter)]),
    ...sort.map(({ param }) => ({ type, code: param.code })),
    ...includes.filter(({ isWildcard }) => !isWildcard).flatMap(paramsFollowed),
  ];
  for (const { type: owner, code } of read) {
    if (!mayFilter(principal, owner, code)) {
      throw new Problem('forbidden', 'the token does not allow to search by this parameter', { expression: code });
    }
  }
}

function paramsFollowed({ source, params }: Include): { type: string; code: string }[] {
  return params.map(({ code }) => ({ type: source, code }));
}

/** A wildcard stands for the references that this caller may follow. */
function includesFor(principal: Principal, { includes }: SearchRequest): Include[] {
  return includes.map((include) => ({
    ...include,
    params: include.params.filter(({ code }) => mayFilter(principal, include.source, code)),
  }));
}

function cutIncludes(): Problem {
  return new Problem('too-costly', `not all included resources are in the answer: a page takes ${includedMax}`, {
    hint: 'Ask for smaller pages with _count, or search the included resources themselves.',
  });
}
