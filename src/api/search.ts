/** search-type, by GET and by POST _search: one way in for both. @see https://hl7.org/fhir/R4/http.html#search */
import { mayFilter } from '../access/minimum.ts';
import { visibility } from '../access/predicate.ts';
import type { Principal } from '../access/principal.ts';
import { requireScope } from '../access/scope.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { paramsRead, parseSearch, type SearchRequest } from '../fhir/search.ts';
import { samePerson } from '../identity/link.ts';
import { compartmentsOf, patientsNamed } from '../store/search.ts';
import { selectPage } from '../store/select.ts';
import type { Visibility } from '../store/visibility.ts';
import { searchUrl, toSearchset } from './bundle.ts';
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
  requireFilters(principal, request);
  const { parameters, cursor, issues } = request;
  const seal = { key: cursorKey, boundTo: cursorBinding(principal, type, parameters) };
  const patients = patientsNamed(request);
  return {
    askedFor: patients,
    query: parameters.map(([name]) => name).join('&'),
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
      const page = await selectPage(tx, visible, request, {
        seal,
        aliases,
        within,
        visibilityOf: seenBy(principal),
        organization: principal.organization,
      });
      const body = toSearchset({
        base,
        entries: page.rows.map((row) => ({
          type: row.type,
          id: row.id,
          body: subsetOf(request, bodyFor(principal, row)),
        })),
        // A first page with nothing after it is the whole: its size needs no count.
        total: page.total ?? (cursor === undefined && page.next === undefined ? page.rows.length : undefined),
        self: searchUrl(base, type, parameters, cursor),
        next: page.next === undefined ? undefined : searchUrl(base, type, parameters, page.next),
        issues,
      });
      return { answer: { status: 200, body }, shown: page.rows };
    },
  };
}

/** A search for one source patient of a person covers all of them; what is shown of them is up to each row. */
export async function aliasesOf(tx: Tx, patients: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const groups = await Promise.all(patients.map(async (patient) => [patient, await samePerson(tx, patient)] as const));
  return new Map(groups);
}

/**
 * Who may see rows of a type on the way of a chain. A type that no scope covers has none to be seen: the same answer as if
 * there were none (LEAKS 2, 52).
 */
export function seenBy(principal: Principal): (type: string) => Visibility {
  const known = new Map<string, Visibility>();
  return (type) => {
    const visible = known.get(type) ?? visibility(principal, { interaction: 's', types: [type] });
    known.set(type, visible);
    return visible;
  };
}

/** A filter or a sort tells as much as the element it reads, at every step of a chain. @throws Problem forbidden */
export function requireFilters(principal: Principal, { type, filters, sort }: SearchRequest): void {
  const read = [
    ...filters.flatMap((filter) => [...paramsRead(type, filter)]),
    ...sort.map(({ param }) => ({ type, code: param.code })),
  ];
  for (const { type: owner, code } of read) {
    if (!mayFilter(principal, owner, code)) {
      throw new Problem('forbidden', 'the token does not allow to search by this parameter', { expression: code });
    }
  }
}
