/** AuditEvent: the patient's own log, rendered from the audit trail. @see https://profiles.ihe.net/ITI/BALP/ */
import { renderAuditEvent } from '../access/audit/event.ts';
import { openPosition, readLog, readLogRow, sealPosition } from '../access/audit/log.ts';
import { compileBlockFilters, compileLogFilter, servedParams } from '../access/audit/search.ts';
import { basisOf, type Principal } from '../access/principal/principal.ts';
import { requireScope } from '../access/principal/scope.ts';
import { Problem } from '../fhir/problem.ts';
import { parseSearch, type SearchRequest } from '../fhir/search.ts';
import { searchUrl, toSearchset } from './bundle.ts';
import { cursorBinding } from './cursor.ts';
import { checkContentType, formMediaTypes, preferencesOf } from './incoming.ts';
import type { Call, Interaction, Plan } from './interaction.ts';

const type = 'AuditEvent';
/** Types that no row of the store has, and the search parameters they have. */
export const renderedParams: ReadonlyMap<string, ReadonlySet<string>> = new Map([[type, servedParams]]);
export const renderedTypes: ReadonlySet<string> = new Set(renderedParams.keys());

export const auditEventRead: Interaction = {
  code: 'read',
  isWrite: false,
  prepare: async ({ facade, principal, incoming }) => {
    requireScope(principal, type, 'r');
    return {
      run: async (tx) => {
        const row = await readLogRow(tx, principal, incoming.id);
        if (row === undefined) throw new Problem('not-found', 'unknown or hidden');
        const body = JSON.stringify(renderAuditEvent(row, facade.base));
        return { answer: { status: 200, body }, shown: [own(principal)] };
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
  requireServed(request);
  const where = request.filters.map(compileLogFilter);
  const blocks = compileBlockFilters(request.filters);
  const isOldestFirst = request.sort[0]?.isDescending === false;
  const seal = { key: facade.cursorKey, boundTo: cursorBinding(principal, type, parameters) };
  const after = openPosition(cursor, seal);
  return {
    query: parameters.map(([name]) => name).join('&'),
    run: async (tx) => {
      const page = await readLog(tx, principal, { where, blocks, count, isOldestFirst, after });
      const events = page.rows.map((row) => renderAuditEvent(row, base));
      const body = toSearchset({
        base,
        entries: events.map((event) => ({ type, id: event.id as string, body: JSON.stringify(event) })),
        total: cursor === undefined && page.next === undefined ? events.length : undefined,
        self: searchUrl(base, type, parameters, cursor),
        next: page.next === undefined ? undefined : searchUrl(base, type, parameters, sealPosition(page.next, seal)),
        issues,
      });
      return { answer: { status: 200, body }, shown: events.map(() => own(principal)) };
    },
  };
}

function own(principal: Principal): { patient: string | undefined; decidedBy: string } {
  return { patient: principal.self, decidedBy: basisOf(principal) };
}

/** The log is in the order of time and is whole; parameters that it cannot answer are refused, not ignored. @throws Problem not-supported */
function requireServed({
  filters,
  sort,
  summary,
  elements,
  includes,
}: Pick<SearchRequest, 'filters' | 'sort' | 'summary' | 'elements' | 'includes'>): void {
  const refused =
    filters.find(({ param }) => !servedParams.has(param.code)) ??
    sort.find(({ param }, index) => index > 0 || param.code !== 'date');
  if (refused === undefined && summary === undefined && elements === undefined && includes.length === 0) return;
  throw new Problem('not-supported', 'the access log is searched by these parameters alone, in the order of time', {
    ...(refused && { expression: refused.param.code }),
    hint: `Ask by ${[...servedParams].join(', ')}, with _sort=date or -date, _count and the next link.`,
  });
}
