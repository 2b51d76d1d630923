/** Searches and histories of a simulated source: pages with links, by keyset so that what changes meanwhile is neither lost nor doubled. */
import type { Served, Source } from './source.ts';

export interface Asked {
  /** As sent, without paging. */
  readonly query: URLSearchParams;
  readonly now: number;
}

const pageDefault = 50;

/** `GET [base]/Type?...` */
export function searchset(source: Source, type: string, { query, now }: Asked): string {
  const matches: Served[] = [];
  for (const stored of source.resources) {
    if (stored.type !== type) continue;
    const served = source.current(stored, now);
    if (served !== undefined && !served.isDeleted && isAsked(source, served, query)) matches.push(served);
  }
  // Sorted always, so that a page is a place in an order.
  const isDown = query.get('_sort') === '-_lastUpdated';
  matches.sort(isDown ? (a, b) => -order(a, b) : order);
  if (query.get('_summary') === 'count')
    return bundle(source, 'searchset', { now, total: matches.length, entries: [] });
  return paged(source, 'searchset', type, { query, now, matches, isDown }, (one) => {
    const fullUrl = `${source.options.base}/${one.stored.type}/${one.stored.id}`;
    return `{"fullUrl":${JSON.stringify(fullUrl)},"resource":${source.body(one)},"search":{"mode":"match"}}`;
  });
}

/** `GET [base]/_history` and `GET [base]/Type/_history`: the newest first. */
export function history(source: Source, type: string | undefined, { query, now }: Asked): string {
  const since = Date.parse(query.get('_since') ?? '');
  const matches = source
    .history(now)
    .filter(({ stored, updatedAt }) => (type === undefined || stored.type === type) && !(updatedAt < since))
    .toArray()
    .toSorted((a, b) => -order(a, b));
  const path = type === undefined ? '_history' : `${type}/_history`;
  return paged(source, 'history', path, { query, now, matches, isDown: true }, (one) => {
    const { type: of, id } = one.stored;
    const fullUrl = JSON.stringify(`${source.options.base}/${of}/${id}`);
    const method = one.isDeleted ? 'DELETE' : one.version === 1 ? 'POST' : 'PUT';
    const lastModified = new Date(one.updatedAt).toISOString();
    const answer = `{"status":"200","lastModified":"${lastModified}","etag":"W/\\"${one.version}\\""}`;
    const request = `"request":{"method":"${method}","url":"${of}/${id}"},"response":${answer}`;
    return one.isDeleted
      ? `{"fullUrl":${fullUrl},${request}}`
      : `{"fullUrl":${fullUrl},"resource":${source.body(one)},${request}}`;
  });
}

/** By time, then by name and version: a total order. */
function order(a: Served, b: Served): number {
  return a.updatedAt - b.updatedAt || a.stored.index - b.stored.index || a.version - b.version;
}

function isAsked(source: Source, { stored, updatedAt }: Served, query: URLSearchParams): boolean {
  const id = query.get('_id');
  if (id !== null && !id.split(',').includes(stored.id)) return false;
  const patient = query.get('patient')?.replace(/^Patient\//, '');
  if (patient !== undefined && source.patientOf(stored) !== patient) return false;
  if (source.options.habits.isDeafToLastUpdated) return true;
  return query.getAll('_lastUpdated').every((text) => {
    const [, prefix = 'eq', instant = ''] = /^([a-z]{2})?(.*)$/.exec(text) ?? [];
    const at = Date.parse(instant);
    if (prefix === 'ge') return updatedAt >= at;
    if (prefix === 'gt') return updatedAt > at;
    if (prefix === 'le') return updatedAt <= at;
    if (prefix === 'lt') return updatedAt < at;
    return updatedAt === at;
  });
}

interface Pages {
  readonly query: URLSearchParams;
  readonly now: number;
  readonly matches: readonly Served[];
  readonly isDown: boolean;
}

function paged(
  source: Source,
  kind: 'searchset' | 'history',
  path: string,
  { query, now, matches, isDown }: Pages,
  entryOf: (one: Served) => string,
): string {
  const count = Math.min(Number(query.get('_count') ?? pageDefault) || pageDefault, source.options.habits.pageMax);
  const after = query.get('after');
  const [time = 0, index = 0, version = 0] = (after ?? '').split('.').map(Number);
  const isAfter = ({ updatedAt, stored, version: own }: Served): boolean => {
    const difference = updatedAt - time || stored.index - index || own - version;
    return isDown ? difference < 0 : difference > 0;
  };
  const start = after === null ? 0 : matches.findIndex(isAfter);
  const page = start < 0 ? [] : matches.slice(start, start + count);
  const last = page.at(-1);
  const self = new URLSearchParams(query);
  // A server says what it has understood.
  if (source.options.habits.isDeafToLastUpdated) self.delete('_lastUpdated');
  const links = [`{"relation":"self","url":${JSON.stringify(urlOf(source, path, self))}}`];
  if (last !== undefined && start + count < matches.length) {
    const next = new URLSearchParams(query);
    next.set('after', `${last.updatedAt}.${last.stored.index}.${last.version}`);
    links.push(`{"relation":"next","url":${JSON.stringify(urlOf(source, path, next))}}`);
  }
  return bundle(source, kind, { now, total: matches.length, entries: page.map(entryOf), links });
}

function urlOf({ options }: Source, path: string, query: URLSearchParams): string {
  const text = query.toString();
  return `${options.base}/${path}${text === '' ? '' : `?${text}`}`;
}

function bundle(
  source: Source,
  type: string,
  parts: { now: number; total: number; entries: readonly string[]; links?: readonly string[] },
): string {
  const made = new Date(source.clock(parts.now)).toISOString();
  return (
    `{"resourceType":"Bundle","meta":{"lastUpdated":"${made}"},"type":"${type}","total":${parts.total},` +
    `"link":[${(parts.links ?? []).join(',')}],"entry":[${parts.entries.join(',')}]}`
  );
}
