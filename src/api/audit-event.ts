/** AuditEvent: the patient's own log, rendered from the audit trail. @see https://profiles.ihe.net/ITI/BALP/ */
import { auditEventOf, auditEventsOf } from '../access/audit-event.ts';
import { requireScope } from '../access/scope.ts';
import { Problem } from '../fhir/problem.ts';
import { parseSearch, type SearchRequest } from '../fhir/search.ts';
import { searchUrl, toSearchset } from './bundle.ts';
import { checkContentType, formMediaTypes, preferencesOf } from './incoming.ts';
import type { Call, Interaction, Plan } from './interaction.ts';

const type = 'AuditEvent';
/** Types that no row of the store has. */
export const renderedTypes: ReadonlySet<string> = new Set([type]);

export const auditEventRead: Interaction = {
  code: 'read',
  isWrite: false,
  prepare: async ({ principal, incoming }) => {
    requireScope(principal, type, 'r');
    return {
      run: async (tx) => {
        const event = await auditEventOf(tx, principal, incoming.id);
        if (event === undefined) throw new Problem('not-found', 'unknown or hidden');
        return { answer: { status: 200, body: JSON.stringify(event) }, shown: [own(principal.self)] };
      },
    };
  },
};

export const auditEventSearch: Interaction = {
  code: 'search-type',
  isWrite: false,
  prepare: async (call) => planSearch(call, call.incoming.query),
};

export const auditEventSearchByPost: Interaction = {
  ...auditEventSearch,
  prepare: async (call) => {
    const { headers, query, text } = call.incoming;
    checkContentType(headers, formMediaTypes);
    return planSearch(call, [query, await text()].filter((part) => part !== '').join('&'));
  },
};

function planSearch({ facade, principal, incoming }: Call, query: string): Plan {
  requireScope(principal, type, 's');
  const { base, now } = facade;
  const { parameters, issues, cursor, count, ...request } = parseSearch(type, query, {
    handling: preferencesOf(incoming.headers).handling,
    base,
    now: now(),
  });
  const patient = patientOf(request);
  return {
    query: parameters.map(([name]) => name).join('&'),
    run: async (tx) => {
      const page = await auditEventsOf(tx, principal, {
        count,
        ...(patient && { patient }),
        ...(cursor && { cursor }),
      });
      const body = toSearchset({
        base,
        entries: page.events.map((event) => ({ type, id: event.id as string, body: JSON.stringify(event) })),
        total: cursor === undefined && page.next === undefined ? page.events.length : undefined,
        self: searchUrl(base, type, parameters, cursor),
        next: page.next === undefined ? undefined : searchUrl(base, type, parameters, page.next),
        issues,
      });
      return { answer: { status: 200, body }, shown: page.events.map(() => own(principal.self)) };
    },
  };
}

function own(patient: string | undefined): { patient: string | undefined; decidedBy: string } {
  return { patient, decidedBy: 'self' };
}

/** The log is kept by patient and time; it answers no other question. @throws Problem not-supported */
function patientOf({
  filters,
  sort,
  summary,
  elements,
  includes,
}: Omit<SearchRequest, 'parameters' | 'issues' | 'count'>): string | undefined {
  const refused =
    filters.find((filter) => filter.kind !== 'reference' || filter.index !== 'patient') ??
    // Newest first is the order it has: asking for it is asking for nothing.
    sort.find(({ param, isDescending }) => param.code !== 'date' || !isDescending);
  if (refused !== undefined || summary !== undefined || elements !== undefined || includes.length > 0) {
    throw new Problem('not-supported', 'the access log is searched by patient alone, newest first', {
      ...(refused && { expression: refused.param.code }),
      hint: 'Ask for AuditEvent?patient=Patient/[id], with _count and the next link.',
    });
  }
  const [filter, ...more] = filters;
  if (filter?.kind !== 'reference') return undefined;
  const [value, ...others] = filter.values;
  if (more.length > 0 || others.length > 0)
    throw new Problem('not-supported', 'one patient at a time', { expression: 'patient' });
  return value?.id;
}
