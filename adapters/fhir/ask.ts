/**
 * Questions to a FHIR server, and what its answers mean: a body that is FHIR, or a Problem that says who must do what. Answers
 * of a login page, a proxy's "be right back" or an OperationOutcome under status 200 are none.
 *
 * @see https://hl7.org/fhir/R4/http.html
 */
import { setTimeout as wait } from 'node:timers/promises';
import { Problem } from '../../src/fhir/problem.ts';
import { openAuth, type Auth } from './auth.ts';
import { openHttp, type Answer, type AnswerHead, type Ask, type HttpClient, type OpenAnswer } from './http.ts';
import { readRetryAfter, RetryLater } from './retry-after.ts';
import { requireSecret, type Connection } from './settings.ts';

export interface SourceOptions {
  readonly settings: Connection;
  readonly secrets: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  readonly now: () => Date;
  /** How long a run waits where it stands when a server asks for time; longer waits end the run. */
  readonly waitMsMax?: number;
}

/** One source for the length of one run. */
export interface FhirSource {
  /** Without a slash at the end. */
  readonly base: string;
  readonly http: HttpClient;
  /**
   * A resource, as text. `url` is absolute or below the base.
   * @throws Problem not-found (404), deleted (410), login, forbidden, too-long, timeout, transient; RetryLater
   */
  read(url: string, headers?: Readonly<Record<string, string>>): Promise<FhirAnswer>;
  /** Any request with the hub's credentials; 429 and 503 are waited out, 401 is tried again with a new token. */
  send(ask: Ask): Promise<Answer>;
  open(ask: Ask): Promise<OpenAnswer>;
  /** The server's time, as far as it has told it. */
  serverNow(): Date;
  /**
   * Seconds that its clock is ahead of ours: by the answer of this run that took least time on the way; undefined when none had a date.
   * Token servers have clocks of their own.
   */
  aheadSeconds(): number | undefined;
  close(): Promise<void>;
}

export interface FhirAnswer extends AnswerHead {
  /** JSON of one object; digits and order as they came. */
  readonly text: string;
}

/** Long enough for a server that limits requests by the second, short beside a run. */
const waitMsDefault = 15_000;
/** A server that asks for time again and again is left for the next run. */
const waitsMax = 4;

export function openSource(options: SourceOptions): FhirSource {
  const { settings, secrets, now } = options;
  const { base } = settings;
  const http = openHttp(httpOptionsOf(options));
  const auth = openAuth({ settings, secrets, http, now });
  let aheadMs: number | undefined;
  const ask = async <Head extends AnswerHead>(
    request: Ask,
    send: (ask: Ask) => Promise<Head>,
    leave: (answer: Head) => Promise<unknown>,
  ): Promise<Head> => {
    let isRenewed = false;
    for (let waits = 0; ;) {
      const answer = await send(await withCredentials(request, auth, settings));
      if (answer.aheadMs !== undefined && isAt(base, request.url)) {
        aheadMs = Math.max(aheadMs ?? -Infinity, answer.aheadMs);
      }
      if (answer.status === 401 && !isRenewed && auth.forget()) {
        isRenewed = true;
        await leave(answer);
        continue;
      }
      if (answer.status !== 429 && answer.status !== 503) return answer;
      await leave(answer);
      await waitOut(answer, waits++, options);
    }
  };
  const source: FhirSource = {
    base,
    http,
    send: (request) =>
      ask(
        request,
        (one) => http.send(one),
        () => Promise.resolve(),
      ),
    open: (request) =>
      ask(
        request,
        (one) => http.open(one),
        (answer) => answer.body.return(),
      ),
    read: async (url, headers) => {
      const answer = await source.send({
        url: addressOf(base, url),
        headers: { accept: 'application/fhir+json', ...headers },
      });
      if (answer.status !== 200) throw explainStatus(answer);
      return { ...answer, text: readText(answer) };
    },
    serverNow: () => new Date(now().getTime() + http.aheadMs),
    aheadSeconds: () => (aheadMs === undefined ? undefined : aheadMs / 1_000),
    close: () => http.close(),
  };
  return source;
}

function httpOptionsOf({ settings, secrets, signal, now }: SourceOptions): Parameters<typeof openHttp>[0] {
  const { base, tokenUrl, origins, plainHttp, tls, ca } = settings;
  const own = tls ? { key: requireSecret(secrets, 'tls-key'), cert: requireSecret(secrets, 'tls-cert') } : {};
  return {
    origins: [base, ...(tokenUrl === undefined ? [] : [tokenUrl]), ...origins].map((url) => new URL(url).origin),
    isPlainAllowed: plainHttp,
    tls: { ...own, ...(ca === undefined ? {} : { ca }) },
    connectMs: settings.connectSeconds * 1_000,
    headersMs: settings.answerSeconds * 1_000,
    idleMs: settings.idleSeconds * 1_000,
    bodyBytesMax: settings.pageBytesMax,
    signal,
    now,
  };
}

/** Below the base, or absolute as a link gives it. */
function addressOf(base: string, url: string): string {
  return /^https?:\/\//i.test(url) ? url : `${base}/${url}`;
}

function isAt(base: string, url: string): boolean {
  return URL.parse(url)?.origin === new URL(base).origin;
}

/** Credentials of the FHIR server go to its own origin alone, or to one that the operator has listed. */
async function withCredentials(request: Ask, auth: Auth, { base, origins }: Connection): Promise<Ask> {
  const trusted = [base, ...origins].map((url) => new URL(url).origin);
  if (!trusted.includes(URL.parse(request.url)?.origin ?? '')) return request;
  const header = await auth.header();
  return header === undefined ? request : { ...request, headers: { ...request.headers, authorization: header } };
}

/** @throws RetryLater when the wait is too long for this run; Problem transient when the server names none */
async function waitOut(answer: AnswerHead, waits: number, options: SourceOptions): Promise<void> {
  const { now, signal, waitMsMax = waitMsDefault } = options;
  const ms = readRetryAfter(answer.headers['retry-after'], answer.date ?? now());
  if (ms === undefined) throw explainStatus(answer);
  if (ms > waitMsMax || waits >= waitsMax) throw new RetryLater(answer.status, new Date(now().getTime() + ms));
  await wait(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}

/** What a status that is not 200 means for a pull. */
export function explainStatus(answer: AnswerHead): Problem {
  const { status } = answer;
  const said = `the source answers ${status}`;
  if (status === 401) {
    return new Problem('login', said, { hint: 'The source does not take the credentials of the endpoint.' });
  }
  if (status === 403) {
    return new Problem('forbidden', said, { hint: 'The source permits the hub less than the endpoint asks for.' });
  }
  if (status === 404) return new Problem('not-found', said);
  if (status === 410) return new Problem('deleted', said);
  if (status === 413) return new Problem('too-long', said);
  if (status >= 300 && status < 400) {
    return new Problem('not-supported', `${said}: a redirect, which is not followed`, {
      hint: 'Set `base` to the address that the source has now.',
    });
  }
  if (status === 501 || status === 405) return new Problem('not-supported', said);
  if (status === 408 || status === 504) return new Problem('timeout', said);
  if (status === 429 || status >= 500) return new Problem('transient', said);
  return new Problem('invalid', said, { hint: 'The source does not know what it was asked.' });
}

/** @throws Problem transient for anything but one FHIR resource in JSON that is no OperationOutcome */
function readText({ headers, body }: Answer): string {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  // Servers that leave the type out, or call it text, still send FHIR; HTML and XML do not become it.
  const isJson = /[/+]json$/.test(type) || type === '' || type === 'text/plain' || type === 'application/octet-stream';
  if (!isJson) throw noFhir(/^[\w.+-]+\/[\w.+-]{1,60}$/.test(type) ? type : 'another type');
  const text = decodeUtf8(body);
  if (!/^\s*\{/.test(text)) throw noFhir('something else');
  return text;
}

export function noFhir(what: string): Problem {
  return new Problem('transient', `the source answers 200 with ${what}, not with FHIR in JSON`, {
    hint: 'A login page or a proxy may stand before it.',
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function decodeUtf8(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch {
    throw new Problem('transient', 'the answer of the source is not UTF-8');
  }
}
