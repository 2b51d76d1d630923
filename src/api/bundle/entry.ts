/**
 * The entries of a batch or transaction as requests of their own: each by the route table, with the caller of the Bundle, and
 * with nothing that a request from a socket could not have (LEAKS 10).
 *
 * @see https://hl7.org/fhir/R4/bundle.html#batch
 */
import { STATUS_CODES } from 'node:http';
import { parseJson } from '../../fhir/json.ts';
import { atIndex, Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { addressOf, checkContentType, formMediaTypes, resourceMediaTypes, type Incoming } from '../incoming.ts';
import type { Call, Interaction } from '../interaction.ts';
import { HttpProblem, ProblemList, type Answer } from '../respond.ts';

/** A record of Synthea with a long life; more goes to bulk import. */
export const bundleBytesMax = 20_000_000;
/** The largest record of Synthea has some three thousand. */
export const entriesMax = 5_000;

export interface SentBundle {
  readonly type: 'batch' | 'transaction';
  readonly entries: readonly SentEntry[];
}

export interface SentEntry {
  readonly fullUrl?: unknown;
  readonly resource?: unknown;
  readonly request?: Readonly<Record<string, unknown>>;
}

/** @throws Problem structure, invalid, too-long, too-costly */
export async function readBundle({ incoming }: Call): Promise<SentBundle> {
  checkContentType(incoming.headers, resourceMediaTypes);
  const bundle = parseJson(await incoming.text(bundleBytesMax)) as AnyResource | null;
  if (bundle?.resourceType !== 'Bundle') {
    throw new HttpProblem(400, 'invalid', 'the base takes a Bundle', { expression: 'resourceType' });
  }
  const { type, entry: entries = [] } = bundle as { type?: unknown; entry?: unknown };
  if (type !== 'batch' && type !== 'transaction') {
    throw new HttpProblem(400, 'value', 'the Bundle is no batch and no transaction', { expression: 'Bundle.type' });
  }
  if (!Array.isArray(entries)) {
    throw new Problem('structure', 'expected an array', { expression: 'Bundle.entry' });
  }
  if (entries.length > entriesMax) {
    throw new HttpProblem(413, 'too-costly', `a Bundle has at most ${entriesMax} entries`, {
      expression: 'Bundle.entry',
      hint: 'Send several Bundles.',
    });
  }
  return { type, entries: entries.map((entry: SentEntry | null) => entry ?? {}) };
}

export interface EntryCall {
  readonly interaction: Interaction;
  readonly call: Call;
}

const methods: readonly unknown[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** @throws Problem for what is no request, or one that an entry cannot make */
export function entryCallOf(outer: Call, { request, resource }: SentEntry): EntryCall {
  const { method, url } = request ?? {};
  if (!methods.includes(method)) {
    throw new HttpProblem(400, 'value', 'the entry has no request method', {
      expression: 'Bundle.entry.request.method',
    });
  }
  if (typeof url !== 'string') {
    throw new HttpProblem(400, 'required', 'the entry has no request URL', { expression: 'Bundle.entry.request.url' });
  }
  const [path, query] = splitUrl(localUrl(url, outer.facade.base));
  // Answered like GET, without the resource.
  const { route, params } = outer.facade.match(method === 'HEAD' ? 'GET' : (method as string), path);
  if (route.interaction.code === 'transaction') {
    throw new HttpProblem(400, 'not-supported', 'a Bundle holds no other', { expression: 'Bundle.entry.request.url' });
  }
  if (resource === undefined && route.interaction.isWrite && method !== 'DELETE') {
    throw new HttpProblem(400, 'required', 'the entry has no resource', { expression: 'Bundle.entry.resource' });
  }
  const incoming: Incoming = {
    method: method as string,
    ...addressOf(params),
    query,
    headers: headersOf(outer.incoming, request ?? {}, resource !== undefined),
    address: outer.incoming.address,
    text: async () => (resource === undefined ? '' : JSON.stringify(resource)),
    ...(resource === undefined ? {} : { resource }),
  };
  return { interaction: route.interaction, call: { ...outer, incoming } };
}

/** Relative to the base; absolute only if it is the server's own. */
function localUrl(url: string, base: string): string {
  const path = url === base || url.startsWith(`${base}/`) || url.startsWith(`${base}?`) ? url.slice(base.length) : url;
  return path.startsWith('/') ? path : `/${path}`;
}

function splitUrl(url: string): [string, string] {
  const mark = url.indexOf('?');
  return mark < 0 ? [url, ''] : [url.slice(0, mark), url.slice(mark + 1)];
}

/** @see https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request the headers that an entry may have */
function headersOf(
  outer: Incoming,
  { ifMatch, ifNoneMatch, ifModifiedSince, ifNoneExist }: Readonly<Record<string, unknown>>,
  hasResource: boolean,
): Incoming['headers'] {
  const named = {
    prefer: outer.headers['prefer'],
    'content-type': (hasResource ? resourceMediaTypes : formMediaTypes)[0],
    'if-match': ifMatch,
    'if-none-match': ifNoneMatch,
    'if-modified-since': ifModifiedSince,
    'if-none-exist': ifNoneExist,
  };
  return Object.fromEntries(
    Object.entries(named).filter((header): header is [string, string] => typeof header[1] === 'string'),
  );
}

/** An error of an entry, with the place in the Bundle before each expression. */
export function inEntry(index: number, error: unknown): unknown {
  if (!(error instanceof Problem)) return error;
  if (error instanceof ProblemList) {
    return atIndex(index, new ProblemList(error.all.map((one) => inEntry(index, one) as Problem)));
  }
  const { code, message, hint } = error;
  const expression =
    error.expression.length === 0 ? [entryPath(index)] : error.expression.map((one) => placed(index, one));
  const detail = { expression, ...(hint === undefined ? {} : { hint }) };
  const problem =
    error instanceof HttpProblem
      ? new HttpProblem(error.status, code, message, detail)
      : new Problem(code, message, detail);
  return atIndex(index, problem);
}

const entryPath = (index: number): string => `Bundle.entry[${index}]`;

/** `Patient.gender` is `Bundle.entry[3].resource.gender`; a search parameter is of the request. */
function placed(index: number, expression: string): string {
  if (expression.startsWith('Bundle.entry')) return expression.replace(/^Bundle\.entry(\[\d+\])?/, entryPath(index));
  const resource = `${entryPath(index)}.resource`;
  if (/^(resourceType$|\[)/.test(expression)) return `${resource}${expression.replace(/^r/, '.r')}`;
  const path = /^[A-Z][A-Za-z]*((?:[.[].*)?)$/.exec(expression)?.[1];
  return path === undefined ? `${entryPath(index)}.request` : `${resource}${path}`;
}

const outcomeStart = '{"resourceType":"OperationOutcome"';

/** `Bundle.entry` of an answer, as text. */
export function answeredEntry({ status, headers = {}, body }: Answer, isHead = false): string {
  const response: Record<string, string> = { status: `${status} ${STATUS_CODES[status] ?? ''}`.trim() };
  const location = headers['location'] ?? headers['content-location'];
  if (location !== undefined) response['location'] = location;
  if (headers['etag'] !== undefined) response['etag'] = headers['etag'];
  const modified = headers['last-modified'];
  if (modified !== undefined) response['lastModified'] = new Date(modified).toISOString();
  const text = JSON.stringify(response);
  if (body === undefined || body === '' || isHead) return `{"response":${text}}`;
  if (body.startsWith(outcomeStart)) return `{"response":${text.slice(0, -1)},"outcome":${body}}}`;
  return `{"resource":${body},"response":${text}}`;
}

/** @see https://hl7.org/fhir/R4/bundle.html#transaction-response */
export function answeredBundle(type: SentBundle['type'], entries: readonly string[]): Answer {
  const list = entries.length === 0 ? '' : `,"entry":[${entries.join(',')}]`;
  return { status: 200, body: `{"resourceType":"Bundle","type":"${type}-response"${list}}` };
}
