/**
 * history of a resource, of a type, of everything. The latter two are not for third parties (LEAKS 8): a source reads what it
 * wrote itself, a patient (or an app in the context of one) what is theirs.
 *
 * @see https://hl7.org/fhir/R4/http.html#history
 */
import { visibility } from '../access/predicate/predicate.ts';
import { isSource, type Principal } from '../access/principal/principal.ts';
import { requireScope, scopesFor } from '../access/principal/scope.ts';
import type { Tx } from '../db.ts';
import { parseHistory, type HistoryRequest } from '../fhir/history-request.ts';
import { idPattern, isMintedId } from '../fhir/ids.ts';
import { Problem } from '../fhir/problem.ts';
import { resourceTypes } from '../fhir/types.ts';
import { samePerson } from '../identity/link.ts';
import { selectHistory, type HistoryPage, type HistoryScope } from '../store/history.ts';
import { readRow } from '../store/read.ts';
import type { Visibility } from '../store/visibility.ts';
import { searchUrl } from './bundle.ts';
import { cursorBinding } from './cursor.ts';
import { etagOf, preferencesOf } from './incoming.ts';
import type { Call, Interaction, Plan, Result } from './interaction.ts';
import { bodyFor } from './read.ts';
import { subsetOf } from './subset.ts';

export const historyOfInstance: Interaction = {
  code: 'history-instance',
  isWrite: false,
  prepare: async (call) => {
    const { principal, incoming } = call;
    const { type, id } = incoming;
    requireScope(principal, type, 'r');
    const request = parseHistory(incoming.query, preferencesOf(incoming.headers));
    return {
      ...planOf(request, type === 'Patient' && idPattern.test(id) ? [id] : []),
      run: async (tx) => {
        const visible = visibility(principal, { interaction: 'r', types: [type] });
        // Who may not see the resource, or whom it was deleted for, learns nothing of its past.
        const row = idPattern.test(id) ? await readRow(tx, visible, type, id) : undefined;
        if (row === undefined) throw new Problem('not-found', 'unknown or hidden');
        return answer(tx, call, visible, request, { type, id });
      },
    };
  },
};

export const historyOfType: Interaction = {
  code: 'history-type',
  isWrite: false,
  prepare: async (call) => {
    requireScope(call.principal, call.incoming.type, 's');
    return planWide(call, [call.incoming.type]);
  },
};

export const historyOfSystem: Interaction = {
  code: 'history-system',
  isWrite: false,
  prepare: async (call) => {
    const types = new Set(scopesFor(call.principal, 's').map(({ type }) => type));
    if (types.size === 0) throw new Problem('forbidden', 'the scope of the token does not cover this interaction');
    return planWide(call, types.has('*') ? resourceTypes : [...types]);
  },
};

function planWide(call: Call, types: readonly string[]): Plan {
  const { principal, incoming } = call;
  const request = parseHistory(incoming.query, preferencesOf(incoming.headers));
  const context = principal.patient ?? principal.self;
  const owner = ownerFor(principal);
  return {
    ...planOf(request, context === undefined ? [] : [context]),
    run: async (tx) => {
      const patients = context === undefined ? undefined : await samePerson(tx, context);
      const visible = visibility(principal, { interaction: 's', types, ...(patients && { patients }) });
      return answer(tx, call, visible, request, patients === undefined ? { owner, types } : { patients, types });
    },
  };
}

function planOf({ parameters }: HistoryRequest, askedFor: readonly string[]): Pick<Plan, 'query' | 'askedFor'> {
  return { query: parameters.map(([name]) => name).join('&'), ...(askedFor.length === 0 ? {} : { askedFor }) };
}

/** @throws Problem forbidden for a third party without the context of a patient */
function ownerFor(principal: Principal): string {
  if (principal.patient !== undefined || principal.self !== undefined) return '';
  if (isSource(principal)) return principal.organization ?? '';
  throw new Problem('forbidden', 'the history of a whole type is for those who wrote it', {
    hint: 'Ask for the history of a resource, or search by _lastUpdated.',
  });
}

async function answer(
  tx: Tx,
  { facade, principal, incoming }: Call,
  visible: Visibility,
  request: HistoryRequest,
  scope: HistoryScope,
): Promise<Result> {
  const { type, id } = incoming;
  const path = [type, id, '_history'].filter((part) => part !== '').join('/');
  const seal = { key: facade.cursorKey, boundTo: cursorBinding(principal, path, request.parameters) };
  const page = await selectHistory(tx, visible, request, scope, seal);
  const link = (cursor?: string): string => searchUrl(facade.base, path, request.parameters, cursor);
  const body = toHistory(page, {
    base: facade.base,
    self: link(request.cursor),
    next: page.next === undefined ? undefined : link(page.next),
    // A first page with nothing after it is the whole.
    total: request.cursor === undefined && page.next === undefined ? page.rows.length : undefined,
    bodyOf: (row) => subsetOf(request.parts, bodyFor(principal, row)),
  });
  return { answer: { status: 200, body }, shown: page.rows };
}

type VersionRow = HistoryPage['rows'][number];

interface HistoryBundle {
  readonly base: string;
  readonly self: string;
  readonly next: string | undefined;
  readonly total: number | undefined;
  readonly bodyOf: (row: VersionRow) => string;
}

/** @see https://hl7.org/fhir/R4/bundle.html#history */
function toHistory({ rows }: HistoryPage, { base, self, next, total, bodyOf }: HistoryBundle): string {
  const links = [{ relation: 'self', url: self }, ...(next === undefined ? [] : [{ relation: 'next', url: next }])];
  const entries = rows.map((row) => {
    const resource = row.isDeleted ? '' : `"resource":${bodyOf(row)},`;
    return `{"fullUrl":"${base}/${row.type}/${row.id}",${resource}${JSON.stringify(happened(row)).slice(1)}`;
  });
  const head = { resourceType: 'Bundle', type: 'history', ...(total === undefined ? {} : { total }), link: links };
  const text = JSON.stringify(head).slice(0, -1);
  // FHIR R4 json.html: an array is never empty.
  return entries.length === 0 ? `${text}}` : `${text},"entry":[${entries.join(',')}]}`;
}

/** R4 bundle.html bdl-3, bdl-4: what was asked for and what came of it. A minted id was the answer to a POST. */
function happened({ type, id, version, lastUpdated, isDeleted, isRecreated }: VersionRow): object {
  const isCreated = version === 1 || isRecreated;
  const [method, status] = isDeleted
    ? ['DELETE', '204']
    : [version === 1 && isMintedId(id) ? 'POST' : 'PUT', isCreated ? '201' : '200'];
  return {
    request: { method, url: method === 'POST' ? type : `${type}/${id}` },
    response: { status, etag: etagOf(version), lastModified: lastUpdated.toISOString() },
  };
}
