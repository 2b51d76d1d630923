/** A server that exports in bulk, with manners that a test chooses, and what a pull of it needs. */
import type { ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { fhirBulk } from '../adapters/fhir/bulk.ts';
import type { Database } from '../src/db.ts';
import { sql } from '../src/db/sql.ts';
import type { Endpoint, PullEnd, Watermark } from '../src/ingest/contract.ts';
import { readHeld, readKnown, readNews } from '../src/ingest/pull/memory.ts';
import { takePage, type Hold } from '../src/ingest/pull/take.ts';
import { givenPull, type PullWorld } from './given-pull.ts';
import { answer, givenServer, type Asked, type GivenServer } from './given-source.ts';

export interface BulkManners {
  /** Questions about the export that are answered 202. */
  polls?: number;
  retryAfter?: string;
  /** Lines of a file are sent so. */
  isGzipped?: boolean;
  /** The addresses of files answer so often, then 403; those of the next manifest again. */
  addressesLast?: number;
  withToken?: boolean;
  /** The manifest is in parts of so many files. */
  filesPerPart?: number;
  fhirVersion?: string;
  /** Asked before each answer: `kick-off`, `status`, `manifest`, `file Patient`, `delete`. @returns true when it has answered, or never will */
  on?: (event: string, response: ServerResponse) => boolean;
  /** Instead of its resources, what a file holds. */
  files?: Record<string, string>;
  counts?: Record<string, number>;
  deleted?: readonly string[];
  errors?: readonly { severity: string; code: string }[];
  /** It is a FHIR server as well, and answers reads so: 404 for what is not in it; without, it knows nothing but exports. */
  reads?: boolean;
}

export interface GivenBulk extends GivenServer {
  readonly manners: BulkManners;
  /** Queries of kick-offs. */
  readonly kickOffs: readonly string[];
  /** Questions about resources. */
  readonly reads: readonly string[];
  /** Exports that were not ended. */
  readonly open: number;
  /** When the last export was made. */
  readonly transactionTime: string;
  /** What a file of a first export holds. */
  lines(type: string): string[];
  put(type: string, id: string, content?: Record<string, unknown>, at?: Date): void;
  remove(type: string, id: string): void;
}

interface Stored {
  readonly at: Date;
  readonly version: number;
  readonly text: string;
}

export async function givenBulk(manners: BulkManners = {}): Promise<GivenBulk> {
  const resources = new Map<string, Map<string, Stored>>();
  const kickOffs: string[] = [];
  const reads: string[] = [];
  const jobs = new Map<
    string,
    { polls: number; since: string | null; uses: number; signature: number; time: string }
  >();
  let transactionTime = '';

  const linesOf = (type: string, since: string | null): string[] =>
    [...(resources.get(type)?.values() ?? [])]
      .filter(({ at }) => since === null || at.toISOString() >= since)
      .map(({ text }) => text);

  const manifest = (id: string, part: number): unknown => {
    const job = jobs.get(id);
    const { signature = 0, since = null } = job ?? {};
    const all = [...resources.keys()]
      .map((type) => ({
        type,
        url: `${server.base}/file/${id}/${type}?signed=${signature}`,
        count: manners.counts?.[type] ?? linesOf(type, since).length,
      }))
      .filter(({ type, count }) => count > 0 || manners.files?.[type] !== undefined);
    const size = manners.filesPerPart ?? all.length;
    const output = all.slice(part * size, (part + 1) * size);
    const isLast = (part + 1) * size >= all.length;
    const special = (name: string, isThere: boolean): unknown[] =>
      isThere && isLast ? [{ type: 'Bundle', url: `${server.base}/file/${id}/${name}?signed=${signature}` }] : [];
    return {
      transactionTime: job?.time,
      request: 'x',
      requiresAccessToken: manners.withToken ?? false,
      output,
      deleted: special('deleted', manners.deleted !== undefined),
      error: special('error', manners.errors !== undefined),
      ...(isLast ? {} : { link: [{ relation: 'next', url: `${server.base}/status/${id}?part=${part + 1}` }] }),
    };
  };

  const fileOf = (name: string, since: string | null): string => {
    if (name === 'deleted') {
      const entry = (manners.deleted ?? []).map((url) => ({ request: { method: 'DELETE', url } }));
      return `${JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry })}\n`;
    }
    if (name === 'error') return `${JSON.stringify({ resourceType: 'OperationOutcome', issue: manners.errors })}\n`;
    return (
      manners.files?.[name] ??
      linesOf(name, since)
        .map((line) => `${line}\n`)
        .join('')
    );
  };

  const sendFile = (id: string, url: URL, response: ServerResponse): void => {
    const job = jobs.get(id);
    const name = url.pathname.split('/').at(-1) as string;
    const isExpired = job === undefined || url.searchParams.get('signed') !== String(job.signature);
    if (isExpired || (manners.addressesLast !== undefined && job.uses >= manners.addressesLast)) {
      if (job !== undefined) [job.uses, job.signature] = [0, job.signature + 1];
      return void response.writeHead(403).end();
    }
    job.uses++;
    const body = fileOf(name, job.since);
    const headers = { 'content-type': 'application/fhir+ndjson' };
    if (manners.isGzipped === true) {
      response.writeHead(200, { ...headers, 'content-encoding': 'gzip' });
      return void response.end(gzipSync(body));
    }
    response.writeHead(200, headers);
    response.end(body);
  };

  const serveResource = (type: string, id: string, url: URL, response: ServerResponse): void => {
    reads.push(url.pathname.slice(1) + url.search);
    const all = manners.reads === true ? (resources.get(type) ?? new Map<string, Stored>()) : new Map<string, Stored>();
    const ids = url.searchParams.get('_id')?.split(',');
    const missing = { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code: 'not-found' }] };
    if (ids === undefined) return answer(response, all.get(id)?.text ?? missing, {}, all.has(id) ? 200 : 404);
    if (manners.reads !== true) return answer(response, missing, {}, 404);
    const entry = ids.flatMap((one) => {
      const stored = all.get(one);
      return stored === undefined ? [] : [{ search: { mode: 'match' }, resource: JSON.parse(stored.text) as unknown }];
    });
    answer(response, { resourceType: 'Bundle', type: 'searchset', total: entry.length, entry });
  };

  const serve = (asked: Asked, response: ServerResponse): void => {
    const url = new URL(asked.url, 'http://x/');
    const [first = '', id = ''] = url.pathname.slice(1).split('/');
    if (/^[A-Z]/.test(first) && !url.pathname.endsWith('$export')) return serveResource(first, id, url, response);
    const job = jobs.get(id);
    const isMade = job !== undefined && job.polls >= (manners.polls ?? 0);
    const isEnd = asked.method === 'DELETE';
    const event = isEnd
      ? 'delete'
      : first === 'status'
        ? isMade
          ? 'manifest'
          : 'status'
        : first === 'file'
          ? `file ${url.pathname.split('/').at(-1)}`
          : first === 'metadata'
            ? 'metadata'
            : 'kick-off';
    if (manners.on?.(event, response) === true) return;
    if (event === 'metadata') {
      const fhirVersion = manners.fhirVersion ?? '4.0.1';
      const operation = [{ name: 'export', definition: 'http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export' }];
      return answer(response, {
        resourceType: 'CapabilityStatement',
        fhirVersion,
        rest: [{ mode: 'server', operation }],
      });
    }
    if (event === 'kick-off') {
      kickOffs.push(asked.url);
      const next = `job${kickOffs.length}`;
      transactionTime = new Date().toISOString();
      jobs.set(next, { polls: 0, since: url.searchParams.get('_since'), uses: 0, signature: 0, time: transactionTime });
      return void response.writeHead(202, { 'content-location': `${server.base}/status/${next}` }).end();
    }
    if (job === undefined) return void response.writeHead(404).end();
    if (isEnd) {
      jobs.delete(id);
      return void response.writeHead(202).end();
    }
    if (event === 'status') {
      job.polls++;
      return void response.writeHead(202, { 'retry-after': manners.retryAfter ?? '0', 'x-progress': 'half' }).end();
    }
    if (event === 'manifest') {
      const part = Number(url.searchParams.get('part') ?? 0);
      return answer(response, manifest(id, part), { 'content-type': 'application/json' });
    }
    sendFile(id, url, response);
  };

  const server = await givenServer(serve);
  return {
    ...server,
    manners,
    kickOffs,
    reads,
    get open() {
      return jobs.size;
    },
    get transactionTime() {
      return transactionTime;
    },
    lines: (type) => linesOf(type, null),
    remove: (type, id) => void resources.get(type)?.delete(id),
    put: (type, id, content = {}, at = new Date()) => {
      const all = resources.get(type) ?? new Map<string, Stored>();
      resources.set(type, all);
      const version = (all.get(id)?.version ?? 0) + 1;
      const meta = { versionId: String(version), lastUpdated: at.toISOString() };
      all.set(id, { at, version, text: JSON.stringify({ resourceType: type, id, meta, ...content }) });
    },
  };
}

/** One run, as the hub's own are. */
export async function runBulk(
  database: Database,
  { endpoint, source, hold }: { readonly endpoint: Endpoint; readonly source: number; readonly hold: Hold },
  options: { readonly resources?: number; readonly now?: () => Date; readonly signal?: AbortSignal } = {},
): Promise<PullEnd> {
  const { resources = 100_000, now = () => new Date(), signal = new AbortController().signal } = options;
  const rows = await database.query<{ watermark: Watermark | null }>(
    sql`select watermark from pull where endpoint_id = ${endpoint.id}`,
  );
  return fhirBulk.run({
    endpoint,
    secrets: { token: 'secret-token' },
    watermark: rows[0]?.watermark ?? undefined,
    signal,
    now,
    budget: { resources, bytes: 1_000_000_000 },
    take: (page, mark) => takePage({ database, endpoint, source, hold, at: now() }, page, mark),
    news: (page) => readNews(database, source, page),
    held: (type, ids) => readHeld(database, source, type, ids),
    known: (type) => readKnown(database, source, type),
  });
}

/** Control ids of messages in their order, deletions as `Patient:delete p1`. */
export async function messagesOf(database: Database, { id }: Pick<Endpoint, 'id'>): Promise<string[]> {
  const rows = await database.query<{ control_id: string; type: string }>(
    sql`select control_id, type from message where endpoint_id = ${id} order by id`,
  );
  return rows.map(({ control_id, type }) =>
    type.endsWith(':delete') ? `${type} ${control_id.split('/')[1]}` : control_id,
  );
}

/** A hub's side of bulk sources, for a suite: `source` gives a server and what the hub has of it. */
export interface BulkWorld {
  readonly world: PullWorld;
  source(manners: BulkManners, config?: Record<string, unknown>): Promise<BulkSource>;
}

export interface BulkSource {
  readonly server: GivenBulk;
  readonly run: (options?: Parameters<typeof runBulk>[2]) => Promise<PullEnd>;
  readonly messages: () => Promise<string[]>;
  readonly mark: () => Promise<Watermark>;
}

/** Called before the hooks of the suite. */
export function givenBulkWorld(): BulkWorld {
  const servers: GivenBulk[] = [];
  let given: PullWorld | undefined;
  before(async () => {
    given = await givenPull();
  });
  after(async () => {
    for (const server of servers) await server.close();
    await given?.close();
  });
  return {
    get world() {
      return given as PullWorld;
    },
    async source(manners, config = {}) {
      const server = await givenBulk(manners);
      const name = `bulk-${servers.push(server)}`;
      const { world } = this;
      const one = await world.held(name, { kind: 'fhir-bulk', config: { base: server.base, ...config } });
      return {
        server,
        run: (options) => runBulk(world.database, one, options),
        messages: () => messagesOf(world.database, one.endpoint),
        mark: async () => (await world.state(name)).watermark ?? {},
      };
    },
  };
}
