/** Which messages: by the parameters of a query, or by the members of a body with the same names. */
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { assertEndpoint } from '../ingest/registry/versions.ts';
import { parseStatus, type MessageFilter } from '../ingest/status.ts';

export const filterNames = [
  'source',
  'control-id',
  'status',
  'since',
  'until',
  'type',
  'map-version',
  'step',
  'code',
  'position',
] as const;

/** @throws Problem value, not-supported: a filter that is not understood must not be taken for no filter */
function filterOf(query: URLSearchParams, more: readonly string[] = []): MessageFilter {
  const known: readonly string[] = [...filterNames, ...more];
  for (const name of query.keys()) {
    if (!known.includes(name)) {
      throw new Problem('not-supported', 'unknown parameter', { hint: `The parameters are ${known.join(', ')}.` });
    }
  }
  const text = (name: string): string | undefined => query.get(name) ?? undefined;
  const status = text('status');
  return {
    source: text('source'),
    controlId: text('control-id'),
    type: text('type'),
    mapVersion: text('map-version'),
    step: text('step'),
    code: text('code'),
    position: text('position'),
    since: instantOf(query, 'since'),
    until: instantOf(query, 'until'),
    ...(status === undefined ? {} : { status: parseStatus(status) }),
  };
}

/** As {@link filterOf}. @throws Problem not-found for an endpoint that is not there, too */
export async function readFilter(db: Tx, query: URLSearchParams, more?: readonly string[]): Promise<MessageFilter> {
  const filter = filterOf(query, more);
  await assertEndpoint(db, filter.source);
  return filter;
}

/** Members that are texts or numbers, as parameters. @throws Problem value */
export function queryOf(body: Readonly<Record<string, unknown>>): URLSearchParams {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(body)) {
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new Problem('value', 'a member of the body is neither a text nor a number', { expression: name });
    }
    query.set(name, String(value));
  }
  return query;
}

export function instantOf(query: URLSearchParams, name: string): Date | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) {
    throw new Problem('value', `${name} is no instant`, {
      expression: name,
      hint: 'Write it as 2026-01-31T08:00:00Z.',
    });
  }
  return at;
}

export function numberOf(query: URLSearchParams, name: string, standard: number): number {
  const text = query.get(name) ?? String(standard);
  if (!/^\d{1,15}$/.test(text)) throw new Problem('value', `${name} is no number`, { expression: name });
  return Number(text);
}
