/** Any number of simulated FHIR sources behind one port of loopback: `http://127.0.0.1:PORT/NAME/fhir`. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { absenceAt, beAway, type Absence } from './absence.ts';
import { capabilityStatement, servedTypes } from './capability.ts';
import { openExports, type Exports } from './export.ts';
import { openGate, type Gate } from './gate.ts';
import { history, searchset } from './search.ts';
import type { Source } from './source.ts';

export interface ServedRequest {
  readonly source: Source;
  readonly method: string;
  /** Below the base, without the query: `Observation`, `$export`, `token`. */
  readonly path: string;
}

export interface SourcesOptions {
  readonly port?: number;
  readonly now?: () => number;
  readonly tokenSeconds?: number;
  /** Each request, before it is answered; an absence given here is what the caller gets. */
  readonly onRequest?: (request: ServedRequest) => Absence | undefined;
}

export interface SourcesServer {
  readonly port: number;
  add(source: Source): void;
  /** Kick-offs of bulk exports so far. */
  readonly kickOffs: number;
  /** Ends at once, whoever is still waiting. */
  close(): Promise<void>;
}

/** What the base URL of a source is, when the server listens on `port`. */
export function baseOf(port: number, name: string): string {
  return `http://127.0.0.1:${port}/${name}/fhir`;
}

interface Answer {
  readonly status: number;
  readonly body: string | Iterable<string>;
  readonly headers?: Readonly<Record<string, string>>;
}

const fhirJson = 'application/fhir+json';
const notFound: Answer = { status: 404, body: outcome('not-found') };

export async function serveSources(options: SourcesOptions = {}): Promise<SourcesServer> {
  const { now = Date.now, onRequest } = options;
  const sources = new Map<string, Source>();
  const house: House = { gate: openGate(options.tokenSeconds), exports: openExports(), kickOffs: 0 };
  const server = createServer((request, response) => {
    void answer(request, response).catch(() => response.destroy());
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const [, name = '', ...rest] = url.pathname.split('/');
    const source = sources.get(name);
    if (source === undefined) {
      send(response, notFound, new Date());
      return;
    }
    const path = rest.join('/').replace(/^fhir\/?/, '');
    const { habits, number } = source.options;
    const at = now();
    const own = source.isHealed ? undefined : absenceAt(habits, number, at);
    const absence = onRequest?.({ source, method: request.method ?? '', path }) ?? own;
    const result = absence === 'hang' ? notFound : await resultOf(house, { source, request, url, path, now: at });
    const body = typeof result.body === 'string' ? result.body : [...result.body].join('');
    if (absence !== undefined && !(await beAway(absence, response, body))) return;
    send(response, { ...result, body }, new Date(source.clock(at)));
  };
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    add: (source) => void sources.set(source.options.name, source),
    get kickOffs() {
      return house.kickOffs;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface House {
  readonly gate: Gate;
  readonly exports: Exports;
  kickOffs: number;
}

interface Question {
  readonly source: Source;
  readonly request: IncomingMessage;
  readonly url: URL;
  readonly path: string;
  readonly now: number;
}

async function resultOf(house: House, question: Question): Promise<Answer> {
  const { source, request, url, path, now } = question;
  const { base } = source.options;
  if (path === 'token') {
    const { status, body } = await house.gate.issue(source, request, now);
    return { status, body, headers: { 'content-type': 'application/json' } };
  }
  if (path === 'metadata') return { status: 200, body: capabilityStatement(source) };
  if (path === '.well-known/smart-configuration') {
    const body = JSON.stringify({
      token_endpoint: base.replace(/\/fhir$/, '/token'),
      capabilities: ['client-confidential'],
    });
    return { status: 200, body, headers: { 'content-type': 'application/json' } };
  }
  if (!house.gate.isOpen(source, request, now)) return { status: 401, body: outcome('login') };
  const [first = '', second = '', third = ''] = path.split('/');
  if (path.endsWith('$export')) return kickOff(house, question);
  if (first === '$export-status') return status(house, question, second);
  if (first === '$export-file') {
    const body = house.exports.file(source, second, third);
    return body === undefined
      ? notFound
      : { status: 200, body, headers: { 'content-type': 'application/fhir+ndjson' } };
  }
  const asked = { query: url.searchParams, now };
  const { hasHistory } = source.options.habits;
  if (path === '_history') return hasHistory ? { status: 200, body: history(source, undefined, asked) } : notFound;
  if (!servedTypes.includes(first)) return notFound;
  if (second === '') return { status: 200, body: searchset(source, first, asked) };
  if (second === '_history') return hasHistory ? { status: 200, body: history(source, first, asked) } : notFound;
  return read(source, first, second, now);
}

function read(source: Source, type: string, id: string, now: number): Answer {
  const stored = source.find(type, id);
  const served = stored && source.current(stored, now);
  if (served === undefined) return notFound;
  return served.isDeleted ? { status: 410, body: outcome('deleted') } : { status: 200, body: source.body(served) };
}

function kickOff(house: House, { source, request, url, now }: Question): Answer {
  if (!/respond-async/.test(String(request.headers['prefer'] ?? ''))) return { status: 400, body: outcome('required') };
  house.kickOffs++;
  const id = house.exports.kickOff(source, url.searchParams, url.href, now);
  return { status: 202, body: '', headers: { 'content-location': `${source.options.base}/$export-status/${id}` } };
}

function status(house: House, { source, request, now }: Question, id: string): Answer {
  if (request.method === 'DELETE') return house.exports.end(source, id) ? { status: 202, body: '' } : notFound;
  const found = house.exports.status(source, id, now);
  if (found === undefined) return notFound;
  if (found.status === 202) return { ...found, headers: { 'retry-after': '1', 'x-progress': 'in progress' } };
  return { ...found, headers: { 'content-type': 'application/json' } };
}

function send(response: ServerResponse, { status: code, body, headers }: Answer, date: Date): void {
  const bytes = Buffer.from(typeof body === 'string' ? body : [...body].join(''));
  response.writeHead(code, {
    'content-type': fhirJson,
    'content-length': bytes.length,
    date: date.toUTCString(),
    ...headers,
  });
  response.end(bytes);
}

function outcome(code: string): string {
  return `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"${code}"}]}`;
}
