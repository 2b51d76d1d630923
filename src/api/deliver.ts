/**
 * How an answer leaves for the one who asked: printed to be read, compressed, opened to the pages of other origins. A client
 * that asks for none of it pays three looks at its request.
 *
 * @see https://hl7.org/fhir/R4/http.html#general
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzip, gzipSync } from 'node:zlib';
import { parseJson } from '../fhir/json.ts';
import { commonHeaders, fhirJson, respond, withTrailers, type Answer } from './respond.ts';

export function deliver(request: IncomingMessage, response: ServerResponse, answer: Answer): void {
  const { headers, url = '', method } = request;
  let wanted = isPrettyWanted(url) ? prettyPrinted(answer) : answer;
  if (headers.origin !== undefined) wanted = withHeaders(wanted, openToPages);
  const encodings = headers['accept-encoding'];
  // HEAD says how long the body is, and has none that could be compressed.
  if (encodings !== undefined && method !== 'HEAD' && isWorthIt(wanted) && takesGzip(encodings)) {
    compress(response, wanted);
  } else respond(response, wanted);
}

function withHeaders(answer: Answer, headers: Readonly<Record<string, string>>): Answer {
  return { ...answer, headers: { ...answer.headers, ...headers } };
}

/** `_pretty` in the URL; the body of a POST _search is not read for it. */
function isPrettyWanted(url: string): boolean {
  return url.includes('_pretty=true') && new URLSearchParams(url.slice(url.indexOf('?') + 1)).get('_pretty') === 'true';
}

/** @see https://hl7.org/fhir/R4/http.html#parameters Digits stay as they are; what streams leaves as it is. */
function prettyPrinted(answer: Answer): Answer {
  const { body, contentType = fhirJson } = answer;
  if (body === undefined || contentType !== fhirJson) return answer;
  return { ...answer, body: `${JSON.stringify(parseJson(body), null, 2)}\n` };
}

/**
 * Any page may ask, and sees what a client could read. A token is sent by the code of the page that holds it, never by the
 * browser on its own, so an origin is no secret and none is reflected (LEAKS 53); credentials of the browser are not allowed.
 */
const openToPages = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers':
    'ETag, Last-Modified, Location, Content-Location, Retry-After, X-Progress, WWW-Authenticate, Allow, Consent-Receipt',
};

/** How long a browser remembers the answer to a preflight: Chromium's own limit. */
const preflightSeconds = '7200';

/** The answer to OPTIONS: what the path takes. @see https://fetch.spec.whatwg.org/#cors-preflight-fetch */
export function optionsOf(methods: readonly string[], isCrossOrigin: boolean): Answer {
  const allow = methods.join(', ');
  return {
    status: 204,
    headers: {
      allow,
      ...(isCrossOrigin
        ? {
            'access-control-allow-methods': allow,
            // `*` does not stand for Authorization (Fetch 4.10, CORS protocol).
            'access-control-allow-headers':
              'Authorization, DPoP, Content-Type, Accept, Prefer, If-Match, If-None-Match, If-Modified-Since, If-None-Exist',
            'access-control-max-age': preflightSeconds,
          }
        : {}),
    },
  };
}

/** A body of two packets or less travels as fast as it is. */
const compressedCharsMin = 2_048;
/**
 * Up to here at once (0.05 to 0.25 ms): a thread of the pool costs more than it saves. Measured at level 1 on searchsets of
 * Observations: 5 kB to 0.9 kB in 50 us, 30 kB to 3.5 kB in 115 us, 120 kB to 13 kB in 430 us; level 6 takes twice as long and
 * saves a twelfth more.
 */
const compressedAtOnceMax = 65_536;
const level = 1;

function isWorthIt({ status, body, chunks }: Answer): boolean {
  return status < 300 && (chunks !== undefined || (body !== undefined && body.length >= compressedCharsMin));
}

/** RFC 9110 section 12.5.3: `gzip` or `*`, unless with `q=0`. */
function takesGzip(encodings: string): boolean {
  const offers = encodings.toLowerCase().split(',');
  const named = (name: string): string | undefined => offers.find((offer) => offer.split(';', 1)[0]?.trim() === name);
  const offer = named('gzip') ?? named('*');
  return offer !== undefined && !/;\s*q=0(\.0*)?\s*$/.test(offer);
}

/**
 * BREACH needs a secret in the body, a text of the attacker's beside it, and a victim whose client can be made to ask again:
 * tokens are not sent by browsers on their own, and no answer of the facade holds a token or a key.
 */
function compress(response: ServerResponse, answer: Answer): void {
  const { status, body, chunks, contentType = fhirJson } = answer;
  const headers = {
    ...commonHeaders,
    'content-type': contentType,
    ...answer.headers,
    'content-encoding': 'gzip',
    vary: 'Accept-Encoding',
  };
  if (chunks !== undefined) {
    response.writeHead(status, headers);
    pipeline(withTrailers(response, chunks, answer), createGzip({ level }), response).catch(() => response.destroy());
    return;
  }
  const send = (bytes: Buffer): void => {
    response.writeHead(status, { ...headers, 'content-length': bytes.length });
    response.end(bytes);
  };
  const text = body ?? '';
  if (text.length <= compressedAtOnceMax) return send(gzipSync(text, { level }));
  gzip(text, { level }, (error, bytes) => {
    if (error === null) send(bytes);
    else response.destroy(error);
  });
}
