/** A form of the authorization server as its parameters, each once; and its JSON answers. */
import type { IncomingMessage } from 'node:http';
import { OAuthProblem, type OAuthError, type Parameters } from '../../access/oauth/oauth.ts';
import { Problem } from '../../fhir/problem.ts';
import { checkContentType, formMediaTypes, readText } from '../incoming.ts';
import type { Reporter } from '../interaction.ts';
import type { Answer } from '../respond.ts';

/** An assertion, a token and the scopes, with room to spare. */
const formBytesMax = 32_768;
/** Of the requests of programs. */
const parametersMaxDefault = 20;

/** @throws OAuthProblem invalid_request; Problem too-long, not-supported */
export async function readForm(request: IncomingMessage, parametersMax = parametersMaxDefault): Promise<Parameters> {
  checkContentType(request.headers, formMediaTypes);
  return parametersOf(await readText(request, formBytesMax), parametersMax);
}

/** @throws OAuthProblem invalid_request */
export function parametersOf(encoded: string, parametersMax = parametersMaxDefault): Parameters {
  const form = new URLSearchParams(encoded);
  if (form.size > parametersMax) throw new OAuthProblem('invalid_request', 'these are too many parameters');
  const parameters = new Map<string, string>();
  for (const [name, value] of form) {
    // RFC 6749 section 3.2: none more than once, and those without a value are as if omitted.
    if (parameters.has(name)) throw new OAuthProblem('invalid_request', 'a parameter is there twice');
    parameters.set(name, value);
  }
  for (const [name, value] of parameters) if (value === '') parameters.delete(name);
  return parameters;
}

/** Each costs a signature and a statement or two: more at once would stand in the way of the facade. */
const inFlightMax = 64;
let inFlight = 0;

/**
 * Work of the authorization server, programs' and people's alike. To be called after the body: one that comes slowly takes no place.
 * @throws OAuthProblem temporarily_unavailable
 */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (inFlight >= inFlightMax) throw new OAuthProblem('temporarily_unavailable', 'too many requests at once');
  inFlight++;
  try {
    return await work();
  } finally {
    inFlight--;
  }
}

/** RFC 6749 section 5.1. */
export const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' };

export function json(status: number, body: object): Answer {
  return { status, contentType: 'application/json; charset=utf-8', headers: noStore, body: JSON.stringify(body) };
}

/** 400 for all others. */
const statuses: Partial<Record<OAuthError, number>> = {
  invalid_client: 401,
  invalid_token: 401,
  temporarily_unavailable: 429,
};

/** RFC 6749 section 5.2; what is ours and not the client's has no error code there. */
export function refusal(error: unknown, request: IncomingMessage, report: Reporter): Answer {
  if (error instanceof OAuthProblem) {
    const refused = json(statuses[error.error] ?? 400, { error: error.error, error_description: error.message });
    return { ...refused, headers: { ...noStore, ...challenge(error, request) } };
  }
  if (error instanceof Problem && error.code === 'transient') {
    const away = json(503, { error: 'temporarily_unavailable', error_description: error.message });
    return { ...away, headers: { ...noStore, 'retry-after': '1' } };
  }
  if (error instanceof Problem) {
    const status = error.code === 'too-long' ? 413 : 400;
    return json(status, { error: 'invalid_request', error_description: error.message });
  }
  // The caller went away while it was sending: nobody reads this, and nobody is to blame.
  if (!request.complete) return json(400, { error: 'invalid_request' });
  const correlationId = crypto.randomUUID();
  report.failed(error, correlationId);
  return json(500, { error: 'server_error', error_description: `our fault; its number is ${correlationId}` });
}

/** A 401 to a request with a scheme of its own names that scheme, although the hub takes none. */
function challenge({ error }: OAuthProblem, { headers }: IncomingMessage): Record<string, string> {
  if (error === 'temporarily_unavailable') return { 'retry-after': '10' };
  if (error === 'invalid_token') return { 'www-authenticate': 'Bearer realm="hub", error="invalid_token"' };
  const scheme = /^(Basic|Bearer)\b/i.exec(headers.authorization ?? '')?.[1];
  return error === 'invalid_client' && scheme !== undefined ? { 'www-authenticate': `${scheme} realm="hub"` } : {};
}
