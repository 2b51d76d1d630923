/**
 * A FHIR server in memory whose manners a test chooses: it may forget its links, repeat them, ignore what it is asked, have another clock,
 * or answer a few times with something else altogether.
 */
import type { ServerResponse } from 'node:http';
import { answer, givenServer, type Asked, type GivenServer } from './given-source.ts';

export interface Manners {
  /** Milliseconds that its clock is ahead. */
  aheadMs?: number;
  /** Search parameters that it does not read: `_lastUpdated`, `_sort`, `_count`, `_id`, `_since`. */
  ignores?: readonly string[];
  /** Those that it refuses with 400. */
  refuses?: readonly string[];
  /** It understands `_lastUpdated`, and finds nothing by it. */
  findsNothingByTime?: boolean;
  /** Links answer so often, then 410. */
  linksLast?: number;
  /** The link to the next page leads to the same page. */
  linksRepeat?: boolean;
  /** More resources a page than this: 413 (or, with `isSlow`, no answer). */
  countMax?: number;
  /** Without `Date`, and without `meta.lastUpdated` of Bundles. */
  isTimeless?: boolean;
  /** Without `meta` of resources. */
  isMetaless?: boolean;
  /** Whether the CapabilityStatement says that types have a history. */
  hasHistory?: boolean;
  fhirVersion?: string;
  /** No link to a next page; `_offset` is read. */
  isLinkless?: boolean;
  /** Without the self link. */
  isSelfless?: boolean;
  /** Asked before each answer. @returns true when it never will answer */
  on?: (url: string) => boolean;
  /** What it has; default Patient and Observation. */
  types?: readonly string[];
}

interface Version {
  readonly id: string;
  readonly version: number;
  readonly at: Date;
  /** undefined: deleted. */
  readonly resource: Record<string, unknown> | undefined;
}

export interface GivenFhirServer extends GivenServer {
  readonly manners: Manners;
  /** Questions about resources, without `metadata`. */
  readonly questions: readonly string[];
  now(): Date;
  /** A new version, now or at another time. */
  put(type: string, id: string, content?: Record<string, unknown>, at?: Date): void;
  delete(type: string, id: string, at?: Date): void;
  /** What lies at an address below its base. */
  file(path: string, serve: (response: ServerResponse) => void): void;
  /** The next answers, instead of what it would say. */
  next(...answers: ((asked: Asked, response: ServerResponse) => void)[]): void;
}

const typesDefault = ['Patient', 'Observation'];

export async function givenFhirServer(manners: Manners = {}): Promise<GivenFhirServer> {
  const types = manners.types ?? typesDefault;
  const files = new Map<string, (response: ServerResponse) => void>();
  const versions = new Map<string, Version[]>(types.map((type) => [type, []]));
  const pending: ((asked: Asked, response: ServerResponse) => void)[] = [];
  const links = new Map<string, { page: Page; uses: number }>();
  const now = (): Date => new Date(Date.now() + (manners.aheadMs ?? 0));
  const questions: string[] = [];

  const server: GivenServer = await givenServer((asked, response) => {
    if (manners.isTimeless === true) response.sendDate = false;
    else response.setHeader('date', now().toUTCString());
    if (asked.url === 'metadata') return answer(response, statement(manners));
    questions.push(asked.url);
    if (manners.on?.(asked.url) === true) return;
    const instead = pending.shift();
    if (instead !== undefined) return instead(asked, response);
    const [path = '', query = ''] = asked.url.split('?');
    if (path === 'page') return servePage(response, query);
    const [type = '', id] = path.split('/');
    const file = files.get(asked.url);
    if (file !== undefined) return file(response);
    const list = versions.get(type);
    if (list === undefined) return answer(response, outcome('not-supported'), {}, 404);
    const params = new URLSearchParams(query);
    const refused = (manners.refuses ?? []).find((name) => params.has(name));
    if (refused !== undefined || (id === '_history' && manners.hasHistory !== true)) {
      return answer(response, outcome('not-supported'), {}, 400);
    }
    for (const name of manners.ignores ?? []) params.delete(name);
    if (id !== undefined && id !== '_history') return serveRead(response, list, type, id);
    const found = id === undefined ? search(list, params) : history(list, params);
    const count = Number(params.get('_count') ?? 10);
    if (count > (manners.countMax ?? Infinity)) return answer(response, outcome('too-costly'), {}, 413);
    const used = manners.isSelfless === true ? undefined : `${server.base}/${path}?${params.toString()}`;
    const at = Number(params.get('_offset') ?? 0);
    sendPage(response, { type, found, count, at, isHistory: id !== undefined, self: used });
  });

  interface Page {
    readonly type: string;
    readonly found: readonly Version[];
    readonly count: number;
    readonly at: number;
    readonly isHistory: boolean;
    readonly self: string | undefined;
  }

  function search(list: readonly Version[], params: URLSearchParams): Version[] {
    const from = params.get('_lastUpdated')?.replace(/^ge/, '');
    const ids = params.get('_id')?.split(',');
    if (from !== undefined && manners.findsNothingByTime === true) return [];
    const current = [...new Map(list.map((version) => [version.id, version])).values()].filter(
      ({ resource, id, at }) =>
        resource !== undefined &&
        (from === undefined || at >= new Date(from)) &&
        (ids === undefined || ids.includes(id)),
    );
    const sort = params.get('_sort');
    if (sort === '_lastUpdated') current.sort((a, b) => a.at.getTime() - b.at.getTime());
    else if (sort === '-_lastUpdated') current.sort((a, b) => b.at.getTime() - a.at.getTime());
    else current.reverse();
    return current;
  }

  function history(list: readonly Version[], params: URLSearchParams): Version[] {
    const since = params.get('_since');
    return list.filter(({ at }) => since === null || at >= new Date(since)).toReversed();
  }

  function serveRead(response: ServerResponse, list: readonly Version[], type: string, id: string): void {
    const last = list.findLast((version) => version.id === id);
    if (last?.resource === undefined) {
      return answer(response, outcome('not-found'), {}, last === undefined ? 404 : 410);
    }
    answer(response, written(type, last));
  }

  function servePage(response: ServerResponse, query: string): void {
    const link = links.get(query);
    if (link === undefined || ++link.uses > (manners.linksLast ?? Infinity)) {
      return answer(response, outcome('not-found'), {}, 410);
    }
    sendPage(response, link.page);
  }

  function sendPage(response: ServerResponse, page: Page): void {
    const { type, found, count, at, isHistory, self } = page;
    const end = at + count;
    const token = `t=${links.size}`;
    const repeated = manners.linksRepeat === true && at > 0 ? [...links.keys()].at(-1) : undefined;
    const isMore = end < found.length && manners.isLinkless !== true;
    if (isMore && repeated === undefined) {
      links.set(token, { page: { ...page, at: end }, uses: manners.linksLast === undefined ? 0 : usesOf(at) });
    }
    answer(response, {
      resourceType: 'Bundle',
      type: isHistory ? 'history' : 'searchset',
      total: found.length,
      ...(manners.isTimeless === true ? {} : { meta: { lastUpdated: now().toISOString() } }),
      link: [
        ...(self === undefined ? [] : [{ relation: 'self', url: self }]),
        ...(isMore ? [{ relation: 'next', url: `${server.base}/page?${repeated ?? token}` }] : []),
      ],
      entry: found.slice(at, end).map((version) => entryOf(type, version, isHistory)),
    });
  }

  /** Links that last for some pages only: the later ones are given as used up. */
  function usesOf(at: number): number {
    return at === 0 ? 0 : 1;
  }

  function entryOf(type: string, version: Version, isHistory: boolean): Record<string, unknown> {
    const { id, resource, at } = version;
    const fullUrl = `${server.base}/${type}/${id}`;
    const method = resource === undefined ? 'DELETE' : 'PUT';
    const told = isHistory
      ? { request: { method, url: `${type}/${id}` }, response: { status: '200', lastModified: at.toISOString() } }
      : { search: { mode: 'match' } };
    return { fullUrl, ...(resource === undefined ? {} : { resource: written(type, version) }), ...told };
  }

  function written(type: string, { id, version, at, resource }: Version): Record<string, unknown> {
    const meta =
      manners.isMetaless === true ? {} : { meta: { versionId: String(version), lastUpdated: at.toISOString() } };
    return { resourceType: type, id, ...meta, ...resource };
  }

  function add(type: string, id: string, resource: Record<string, unknown> | undefined, at = now()): void {
    const list = versions.get(type) as Version[];
    const version = list.filter((one) => one.id === id).length + 1;
    list.push({ id, version, at, resource });
  }

  return {
    ...server,
    manners,
    questions,
    now,
    put: (type, id, content, at) => add(type, id, content ?? contentOf(type), at),
    delete: (type, id, at) => add(type, id, undefined, at),
    file: (path, serve) => void files.set(path, serve),
    next: (...answers) => void pending.push(...answers),
  };
}

function contentOf(type: string): Record<string, unknown> {
  if (type === 'Patient') return { active: true };
  return { status: 'final', code: { text: 'Haemoglobin' }, subject: { reference: 'Patient/p1' } };
}

function outcome(code: string): Record<string, unknown> {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code }] };
}

function statement({
  hasHistory = false,
  fhirVersion = '4.0.1',
  types = typesDefault,
}: Manners): Record<string, unknown> {
  const interaction = ['read', 'search-type', ...(hasHistory ? ['history-type'] : [])].map((code) => ({ code }));
  return {
    resourceType: 'CapabilityStatement',
    fhirVersion,
    rest: [{ mode: 'server', resource: types.map((type) => ({ type, interaction })) }],
  };
}
