/**
 * HTTP of the authorization server: forms in, JSON out. No cookies, no pages, no sessions; what it does not serve is a 404.
 * It is not open to pages of other origins: no browser holds the key of a service.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749 sections 3.2, 5
 * @see https://www.rfc-editor.org/rfc/rfc7662 introspection
 * @see https://www.rfc-editor.org/rfc/rfc7009 revocation
 */
import type { IncomingMessage } from 'node:http';
import { Router, type Request, type Response } from 'express';
import type { Answering, Authorization, Parameters } from '../access/authorization.ts';
import { oauthPaths, OAuthProblem, type OAuthError } from '../access/oauth.ts';
import { Problem } from '../fhir/problem.ts';
import { checkContentType, formMediaTypes, readText } from './incoming.ts';
import type { Reporter } from './interaction.ts';
import { respond, type Answer } from './respond.ts';

export interface OAuthOptions {
  readonly authorization: Authorization;
  readonly report: Reporter;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
}

/** An assertion, a token and the scopes, with room to spare. */
const formBytesMax = 32_768;
const parametersMax = 20;
/** Each costs a signature and a statement or two: more at once would stand in the way of the facade. */
const inFlightMax = 64;

const statuses: Readonly<Record<OAuthError, number>> = {
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unsupported_grant_type: 400,
  invalid_scope: 400,
  invalid_target: 400,
  temporarily_unavailable: 429,
};

export function oauthRouter({ authorization, report, observe }: OAuthOptions): Router {
  const router = Router({ caseSensitive: true, strict: true });
  let inFlight = 0;

  const answer = async (request: Request, handle: Answering): Promise<Answer> => {
    try {
      const parameters = await readForm(request);
      // After the body: one that comes slowly takes no place.
      if (inFlight >= inFlightMax) throw new OAuthProblem('temporarily_unavailable', 'too many requests at once');
      inFlight++;
      try {
        return json(200, await handle(parameters));
      } finally {
        inFlight--;
      }
    } catch (error) {
      return refusal(error, request, report);
    }
  };
  const serve = (interaction: string, path: string, handle: Answering): void => {
    router.all(path, (request: Request, response: Response) => {
      if (request.method !== 'POST') {
        respond(response, { ...json(405, { error: 'invalid_request' }), headers: { ...noStore, allow: 'POST' } });
        return;
      }
      const startedAt = performance.now();
      void answer(request, handle).then((given) => {
        respond(response, given);
        observe(interaction, given.status, (performance.now() - startedAt) / 1000);
      });
    });
  };
  serve('token', oauthPaths.token, authorization.token);
  serve('token-introspect', oauthPaths.introspection, authorization.introspect);
  serve('token-revoke', oauthPaths.revocation, authorization.revoke);
  return router;
}

async function readForm(request: IncomingMessage): Promise<Parameters> {
  // RFC 6749 section 2.3.1: nothing of this belongs in a URL, where logs keep it.
  if (request.url?.includes('?') === true) throw new OAuthProblem('invalid_request', 'parameters go in the body');
  if (request.headers.authorization !== undefined) {
    throw new OAuthProblem('invalid_client', 'clients authenticate by client_assertion');
  }
  checkContentType(request.headers, formMediaTypes);
  const form = new URLSearchParams(await readText(request, formBytesMax));
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

/** RFC 6749 section 5.1. */
const noStore = { 'cache-control': 'no-store', pragma: 'no-cache' };

function json(status: number, body: object): Answer {
  return { status, contentType: 'application/json; charset=utf-8', headers: noStore, body: JSON.stringify(body) };
}

/** RFC 6749 section 5.2; what is ours and not the client's has no error code there. */
function refusal(error: unknown, request: IncomingMessage, report: Reporter): Answer {
  if (error instanceof OAuthProblem) {
    const refused = json(statuses[error.error], { error: error.error, error_description: error.message });
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
  const scheme = /^(Basic|Bearer)\b/i.exec(headers.authorization ?? '')?.[1];
  return error === 'invalid_client' && scheme !== undefined ? { 'www-authenticate': `${scheme} realm="hub"` } : {};
}
