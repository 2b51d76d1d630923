/**
 * POST /oauth/register: JSON in, JSON out, with a ticket as the bearer token. The ticket is looked at before the body is read.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7591#section-3
 */
import { Router, type Request, type Response } from 'express';
import { oauthPaths, OAuthProblem } from '../../access/oauth/oauth.ts';
import type { Registration } from '../../access/oauth/register.ts';
import { parseReceivedJson } from '../../fhir/json.ts';
import { checkContentType, readText } from '../incoming.ts';
import { respond, type Answer } from '../respond.ts';
import { inTurn, json, noStore, refusal } from './form.ts';
import type { OAuthOptions } from './router.ts';

/** Ten keys and ten addresses. */
const metadataBytesMax = 32_768;

export function registrationRouter(
  registration: Registration,
  { report, observe }: Omit<OAuthOptions, 'authorization'>,
): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const answer = async (request: Request): Promise<Answer> => {
    const ticket = /^Bearer ([\w-]+)$/i.exec(request.headers.authorization ?? '')?.[1];
    await inTurn(() => registration.check(ticket));
    checkContentType(request.headers, ['application/json']);
    const metadata: unknown = parseMetadata(await readText(request, metadataBytesMax));
    return json(201, await registration.register(ticket as string, metadata));
  };
  router.all(oauthPaths.registration, (request: Request, response: Response) => {
    if (request.method !== 'POST') {
      respond(response, { ...json(405, { error: 'invalid_request' }), headers: { ...noStore, allow: 'POST' } });
      return;
    }
    const startedAt = performance.now();
    void answer(request)
      .catch((error: unknown) => refusal(error, request, report))
      .then((given) => {
        respond(response, given);
        observe('client-register', given.status, (performance.now() - startedAt) / 1000);
      });
  });
  return router;
}

function parseMetadata(text: string): unknown {
  try {
    return parseReceivedJson(text);
  } catch (cause) {
    throw new OAuthProblem('invalid_client_metadata', 'the metadata is not JSON', cause);
  }
}
