/**
 * Requests to one source: every answer bounded in time and size, no redirect followed, nothing sent to a host that the
 * endpoint does not name. What the answers mean is the business of `ask.ts`.
 *
 * undici is used directly, not `fetch`: client certificates, a limit on each phase of a request, and connections that end with
 * the run are options of its dispatcher.
 */
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Agent, errors, type Dispatcher } from 'undici';
import { Problem } from '../../src/fhir/problem.ts';

export interface HttpOptions {
  /** Where requests may go: the FHIR base, the token server, and what the operator names beside. */
  readonly origins: readonly string[];
  /** http to hosts other than this machine's own. */
  readonly isPlainAllowed?: boolean;
  /** PEM. A client certificate with its key, and authorities trusted instead of the system's. */
  readonly tls?: { readonly key?: string; readonly cert?: string; readonly ca?: string };
  readonly connectMs?: number;
  readonly headersMs?: number;
  readonly idleMs?: number;
  readonly totalMs?: number;
  /** Of a body that is read whole, after decompression. */
  readonly bodyBytesMax?: number;
  /** Ends whatever is under way. */
  readonly signal?: AbortSignal;
  readonly now?: () => Date;
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Instead of the client's limit for a body that is read whole. */
  readonly bytesMax?: number;
}

export interface AnswerHead {
  readonly status: number;
  /** Names in lower case; of a repeated header the first. */
  readonly headers: Readonly<Record<string, string>>;
  /** The server's clock, as its `Date` says. */
  readonly date: Date | undefined;
  /** Milliseconds that this clock was ahead of ours when the answer began: less by the time on the way. */
  readonly aheadMs: number | undefined;
}

export interface Answer extends AnswerHead {
  readonly body: Buffer;
}

export interface OpenAnswer extends AnswerHead {
  /** Decompressed; read to its end or left by `return`. Its errors are Problems. */
  readonly body: AsyncGenerator<Buffer, void, undefined>;
}

export interface HttpClient {
  /** Milliseconds that the source's clock is ahead of ours, by its last answer. */
  readonly aheadMs: number;
  /** @throws Problem transient, timeout; too-long for a larger body than allowed; forbidden for an address that may not be asked */
  send(ask: Ask): Promise<Answer>;
  /** As `send`, for a body that is read piece by piece: limited in what passes between two pieces, not in all. */
  open(ask: Ask): Promise<OpenAnswer>;
  close(): Promise<void>;
}

/** A host that does not take a connection by then is down, or behind a wall. */
const connectMsDefault = 10_000;
/** Servers that compute a page before they say anything: the slowest seen in public test servers take some 40 s. */
const headersMsDefault = 60_000;
/** Between two pieces of a body. */
const idleMsDefault = 30_000;
/** Of one page with all its pieces, so that a trickle does not take a whole run. */
const totalMsDefault = 180_000;
/** 1,000 large Observations have 3 MB, a page of documents with content inline some 20. */
const bodyBytesDefault = 32 * 1024 * 1024;
/** The body of a refusal, of which a code is read. */
export const refusalBytesMax = 64 * 1024;

export function openHttp(options: HttpOptions): HttpClient {
  const { tls, now = () => new Date(), bodyBytesMax = bodyBytesDefault, totalMs = totalMsDefault } = options;
  const agent = new Agent({
    // Nobody's server is asked for two pages at once.
    connections: 1,
    pipelining: 1,
    connect: { timeout: options.connectMs ?? connectMsDefault, ...tls },
    headersTimeout: options.headersMs ?? headersMsDefault,
    bodyTimeout: options.idleMs ?? idleMsDefault,
  });
  let aheadMs = 0;

  const request = async (ask: Ask, signal: AbortSignal | undefined): Promise<OpenAnswer> => {
    checkAddress(ask.url, options);
    let response: Dispatcher.ResponseData;
    try {
      response = await agent.request({
        origin: new URL(ask.url).origin,
        path: ask.url.slice(new URL(ask.url).origin.length) || '/',
        method: ask.method ?? 'GET',
        headers: { 'accept-encoding': 'gzip', 'user-agent': 'health-record-hub', ...ask.headers },
        body: ask.body ?? null,
        signal: signal ?? null,
      });
    } catch (cause) {
      throw explain(cause, options.signal);
    }
    const headers = firstOf(response.headers);
    const sent = Date.parse(headers['date'] ?? '');
    const date = Number.isNaN(sent) ? undefined : new Date(sent);
    const ahead = date === undefined ? undefined : date.getTime() - now().getTime();
    if (ahead !== undefined) aheadMs = ahead;
    return {
      status: response.statusCode,
      headers,
      date,
      // RFC 9111 section 5.1: of an answer that a cache held, `Date` is when it was made.
      aheadMs: ahead === undefined ? undefined : ahead + secondsOf(headers['age']) * 1_000,
      body: piecesOf(decoded(response.body, headers), options.signal),
    };
  };

  return {
    get aheadMs() {
      return aheadMs;
    },
    open: (ask) => request(ask, options.signal),
    send: async (ask) => {
      const timeout = AbortSignal.timeout(totalMs);
      const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]);
      const answer = await request(ask, signal);
      const most = ask.bytesMax ?? bodyBytesMax;
      const limit = answer.status >= 400 ? Math.min(refusalBytesMax, most) : most;
      return { ...answer, body: await readWhole(answer, limit) };
    },
    close: () => agent.destroy(),
  };
}

function secondsOf(age: string | undefined): number {
  return age !== undefined && /^\d{1,9}$/.test(age) ? Number(age) : 0;
}

/** @throws Problem forbidden */
function checkAddress(text: string, { origins, isPlainAllowed = false }: HttpOptions): void {
  const url = URL.parse(text);
  const isNamed = url !== null && origins.includes(url.origin) && url.username === '' && url.password === '';
  if (!isNamed) {
    throw new Problem('forbidden', 'the source leads to an address that its endpoint does not name', {
      hint: 'If it belongs to the same system, list its origin in the setting `origins`.',
    });
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && (isPlainAllowed || isLoopback(url.hostname)))) return;
  throw new Problem('forbidden', 'the source is asked by https alone', {
    hint: 'Use https, or set `plainHttp` to true for a network that protects what passes.',
  });
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function firstOf(headers: Record<string, string | string[] | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => {
      const first = Array.isArray(value) ? value[0] : value;
      return first === undefined ? [] : [[name.toLowerCase(), first]];
    }),
  );
}

/** @throws Problem transient for a coding that was not asked for */
function decoded(body: Readable, headers: Readonly<Record<string, string>>): Readable {
  // Whoever reads it meets its errors; whoever does not must not be stopped by them.
  body.on('error', () => undefined);
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? '';
  if (coding === '' || coding === 'identity') return body;
  if (coding === 'gzip' || coding === 'x-gzip') return pipeline(body, createGunzip(), () => undefined);
  body.destroy();
  throw new Problem('transient', 'the source answers in a content coding that was not asked for');
}

/** Ends the body when its reader stops before it. */
async function* piecesOf(body: Readable, signal: AbortSignal | undefined): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const piece of body as AsyncIterable<Buffer>) yield piece;
  } catch (cause) {
    throw explain(cause, signal);
  }
}

async function readWhole({ body, headers }: OpenAnswer, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = Number(headers['content-length'] ?? 0) > bytesMax ? bytesMax + 1 : 0;
  if (bytes === 0) {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > bytesMax) break;
      chunks.push(chunk);
    }
  } else {
    await body.return();
  }
  if (bytes <= bytesMax) return Buffer.concat(chunks);
  throw new Problem('too-long', `the answer of the source is larger than ${bytesMax} bytes`);
}

/** What went wrong on the way, in a few words that name no content. A run that was ended keeps its own reason. */
export function explain(error: unknown, signal?: AbortSignal): unknown {
  if (error instanceof Problem) return error;
  if (signal?.aborted === true) return signal.reason ?? error;
  const isSlow =
    error instanceof errors.ConnectTimeoutError ||
    error instanceof errors.HeadersTimeoutError ||
    error instanceof errors.BodyTimeoutError ||
    (error instanceof Error && error.name === 'TimeoutError');
  if (isSlow) return new Problem('timeout', 'the source does not answer in time', { cause: error });
  const { code: given, name } = error as { readonly code?: string; readonly name: string };
  const code = given ?? name;
  if (/^(ERR_TLS|CERT_|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO)/.test(code)) {
    return new Problem('transient', `no TLS connection to the source: ${code}`, {
      hint: 'Compare the certificates of both sides with the settings `ca` and `tls`.',
      cause: error,
    });
  }
  return new Problem('transient', `the connection to the source failed: ${code}`, { cause: error });
}
