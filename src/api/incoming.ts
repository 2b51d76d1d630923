/**
 * A request as the interactions read it: negotiated, bounded, without Express. The body is read only when asked for, so
 * that nobody's bytes are parsed before the caller is known.
 *
 * @see https://hl7.org/fhir/R4/http.html
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { parseReceivedJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import type { Compartment } from '../fhir/search.ts';
import { HttpProblem } from './respond.ts';

export interface Incoming {
  readonly method: string;
  /** '' for what is asked of the whole server. */
  readonly type: string;
  readonly id: string;
  readonly version: string;
  /** `Patient/x` of `[base]/Patient/x/Observation`. */
  readonly compartment?: Compartment;
  /** After the `?`, as sent. */
  readonly query: string;
  readonly headers: IncomingHttpHeaders;
  /** IP address of the connection. */
  readonly address?: string | undefined;
  /** @throws Problem too-long, structure */
  readonly text: (bytesMax?: number) => Promise<string>;
  /** Of an entry of a Bundle: its resource, parsed with the Bundle. */
  readonly resource?: unknown;
}

/** The body as JSON. @throws Problem too-long, structure */
export async function jsonOf({ resource, text }: Incoming): Promise<unknown> {
  return resource ?? parseReceivedJson(await text());
}

/** R4 resources stay far below; documents beyond it belong to Binary storage. */
export const bodyBytesMax = 5_000_000;
/** RFC 9110 section 4.1 wants 8,000 octets at least; longer searches go to POST _search. */
const urlLengthMax = 8_192;

/** @param accepted media types of the answer, beside JSON */
export function incomingOf(
  request: IncomingMessage,
  params: Readonly<Record<string, string | undefined>>,
  accepted: readonly string[] = [],
): Incoming {
  const url = request.url ?? '';
  if (url.length > urlLengthMax) {
    throw new HttpProblem(414, 'too-long', `the URL is longer than ${urlLengthMax} characters`, {
      hint: 'Send the search as POST [base]/[type]/_search.',
    });
  }
  const mark = url.indexOf('?');
  const query = mark < 0 ? '' : url.slice(mark + 1);
  checkAccept(request.headers.accept, query, accepted);
  return {
    method: request.method ?? 'GET',
    ...addressOf(params),
    query,
    headers: request.headers,
    address: request.socket.remoteAddress,
    text: (bytesMax) => readText(request, bytesMax),
  };
}

/** What the path names. */
export function addressOf(
  params: Readonly<Record<string, string | undefined>>,
): Pick<Incoming, 'type' | 'id' | 'version' | 'compartment'> {
  const { compartment, focus = '' } = params;
  return {
    type: params['type'] ?? '',
    id: params['id'] ?? '',
    version: params['version'] ?? '',
    ...(compartment === undefined ? {} : { compartment: { type: compartment, id: focus } }),
  };
}

const jsonTypes = new Set(['application/fhir+json', 'application/json', 'text/json', 'json', 'application/*', '*/*']);

/** @see https://hl7.org/fhir/R4/http.html#parameters `_format` overrides Accept */
export function checkAccept(accept: string | undefined, query: string, accepted: readonly string[] = []): void {
  const format = query.includes('_format=') ? new URLSearchParams(query).get('_format') : null;
  const wanted = format ?? accept;
  if (wanted === undefined || jsonTypes.has(wanted)) return;
  const offers = wanted.split(',').map((offer) => offer.split(';').map((part) => part.trim().toLowerCase()));
  // A `+` of `_format=application/fhir+json` sent without escaping arrives as a space.
  const isJson = ([type = '', ...parameters]: string[]): boolean =>
    (jsonTypes.has(type.replace(' ', '+')) || accepted.includes(type)) &&
    !parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter)) &&
    isOurVersion(parameters);
  if (offers.some(isJson)) return;
  throw new HttpProblem(406, 'not-supported', 'the hub answers in JSON of R4 only', {
    hint: 'Accept application/fhir+json.',
  });
}

/** @see https://hl7.org/fhir/R4/http.html#version-parameter another version of FHIR is another format */
function isOurVersion(parameters: readonly string[]): boolean {
  const version = parameters.find((parameter) => parameter.startsWith('fhirversion='));
  return version === undefined || /^fhirversion="?4\.0(\.\d)?"?$/.test(version);
}

/** @throws HttpProblem 415 unless the body is declared as one of these media types, in UTF-8 unless `any` charset will do */
export function checkContentType(
  headers: IncomingHttpHeaders,
  allowed: readonly string[],
  charsets: 'utf-8' | 'any' = 'utf-8',
): void {
  const [type = '', ...parameters] = (headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  const charset =
    parameters
      .find((parameter) => parameter.startsWith('charset='))
      ?.slice(8)
      .replaceAll('"', '') ?? 'utf-8';
  const isOurs = allowed.includes(type) && isOurVersion(parameters);
  if (isOurs && (charsets === 'any' || charset === 'utf-8' || charset === 'us-ascii')) return;
  throw new HttpProblem(415, 'not-supported', 'the media type of the body is not supported', {
    hint: `Send ${allowed.join(' or ')}${charsets === 'any' ? '' : ' in UTF-8'}.`,
  });
}

export const resourceMediaTypes = ['application/fhir+json', 'application/json'];
export const formMediaTypes = ['application/x-www-form-urlencoded'];

export async function readText(request: IncomingMessage, bytesMax = bodyBytesMax): Promise<string> {
  const bytes = await readBytes(request, bytesMax);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Problem('structure', 'the body is not valid UTF-8', { cause });
  }
}
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws Problem too-long; the connection then ends, because what is left of the body is not read */
export async function readBytes(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const tooLong = (): Problem => new Problem('too-long', `the body is longer than ${bytesMax} bytes`);
  if (Number(request.headers['content-length'] ?? 0) > bytesMax) throw tooLong();
  if (request.headers['content-encoding'] !== undefined && request.headers['content-encoding'] !== 'identity') {
    throw new HttpProblem(415, 'not-supported', 'compressed bodies are not accepted', {
      hint: 'Send the body as it is.',
    });
  }
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > bytesMax) throw tooLong();
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, length);
}

export function etagOf(version: number): string {
  return `W/"${version}"`;
}

/** Version of an If-Match. @throws HttpProblem 400 for anything but one entity tag of ours */
export function ifMatchOf(headers: IncomingHttpHeaders): number | undefined {
  const text = headers['if-match'];
  if (text === undefined) return undefined;
  const version = /^(?:W\/)?"(\d{1,9})"$/.exec(text.trim())?.[1];
  if (version === undefined) {
    throw new HttpProblem(400, 'value', 'If-Match is no version of this server', {
      hint: 'Send the ETag of the version you read: W/"3".',
    });
  }
  return Number(version);
}

/** RFC 9110 section 13.1: If-None-Match wins over If-Modified-Since; tags compare weakly. */
export function isNotModified(headers: IncomingHttpHeaders, version: number, lastUpdated: Date): boolean {
  const tags = headers['if-none-match'];
  if (tags !== undefined) {
    return tags.trim() === '*' || tags.split(',').some((tag) => tag.trim().replace(/^W\//, '') === `"${version}"`);
  }
  const since = headers['if-modified-since'];
  return since !== undefined && Math.trunc(lastUpdated.getTime() / 1000) * 1000 <= Date.parse(since);
}

export type Return = 'minimal' | 'representation' | 'OperationOutcome';
export interface Preferences {
  readonly return: Return;
  readonly handling: 'strict' | 'lenient';
}

/** @see https://hl7.org/fhir/R4/http.html#ops */
export function preferencesOf(headers: IncomingHttpHeaders): Preferences {
  const prefer = String(headers['prefer'] ?? '');
  const wanted = /(?:^|[,;\s])return=(minimal|OperationOutcome)/.exec(prefer)?.[1];
  return {
    return: wanted === 'minimal' || wanted === 'OperationOutcome' ? wanted : 'representation',
    handling: /(?:^|[,;\s])handling=strict/.test(prefer) ? 'strict' : 'lenient',
  };
}
