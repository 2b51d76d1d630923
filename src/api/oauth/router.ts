/**
 * HTTP of the authorization server's endpoints for programs: forms in, JSON out, no cookies. Token and revocation are open to
 * pages of any origin, as the facade is: an app that runs in a browser calls them, and sends what its own code holds. The pages
 * for people are authorize.ts.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749 sections 3.2, 5
 * @see https://www.rfc-editor.org/rfc/rfc7662 introspection
 * @see https://www.rfc-editor.org/rfc/rfc7009 revocation
 */
import type { IncomingMessage } from 'node:http';
import { Router, type Request, type Response } from 'express';
import type { BlockList } from 'node:net';
import type { Answering, Authorization } from '../../access/oauth/authorization.ts';
import { addressOf } from '../../access/client/network.ts';
import { oauthPaths, OAuthProblem, type Parameters } from '../../access/oauth/oauth.ts';
import type { Reporter } from '../interaction.ts';
import { respond, type Answer } from '../respond.ts';
import { inTurn, json, noStore, readForm, refusal } from './form.ts';

export interface OAuthOptions {
  readonly authorization: Authorization;
  readonly report: Reporter;
  readonly observe: (interaction: string, status: number, seconds: number) => void;
  /** Whose X-Forwarded-For is believed. */
  readonly proxies?: BlockList;
}

export function oauthRouter({ authorization, report, observe, proxies }: OAuthOptions): Router {
  const router = Router({ caseSensitive: true, strict: true });

  const answer = async (request: Request, handle: Answering): Promise<Answer> => {
    try {
      const parameters = await readRequest(request);
      const proof = request.headers['dpop'];
      const sent = { proof: typeof proof === 'string' ? proof : undefined, address: addressOf(request, proxies) };
      return json(200, await inTurn(() => handle(parameters, sent)));
    } catch (error) {
      return refusal(error, request, report);
    }
  };
  const serve = (interaction: string, path: string, handle: Answering, isOpenToPages = false): void => {
    router.all(path, (request: Request, response: Response) => {
      const send = (given: Answer): void =>
        respond(response, isOpenToPages && request.headers.origin !== undefined ? openedToPages(given) : given);
      if (request.method === 'OPTIONS' && isOpenToPages) return send(preflight);
      if (request.method !== 'POST') {
        return send({ ...json(405, { error: 'invalid_request' }), headers: { ...noStore, allow: 'POST' } });
      }
      const startedAt = performance.now();
      void answer(request, handle).then((given) => {
        send(given);
        observe(interaction, given.status, (performance.now() - startedAt) / 1000);
      });
    });
  };
  serve('token', oauthPaths.token, authorization.token, true);
  serve('token-introspect', oauthPaths.introspection, authorization.introspect);
  serve('token-revoke', oauthPaths.revocation, authorization.revoke, true);
  return router;
}

/** LEAKS 53: whoever asks, no origin is reflected, and no cookie is taken. */
export function openedToPages(answer: Answer): Answer {
  return { ...answer, headers: { ...answer.headers, 'access-control-allow-origin': '*' } };
}

const preflight: Answer = {
  status: 204,
  headers: {
    allow: 'POST, OPTIONS',
    'access-control-allow-methods': 'POST',
    'access-control-allow-headers': 'Content-Type, Accept, DPoP',
    'access-control-max-age': '7200',
  },
};

async function readRequest(request: IncomingMessage): Promise<Parameters> {
  // RFC 6749 section 2.3.1: nothing of this belongs in a URL, where logs keep it.
  if (request.url?.includes('?') === true) throw new OAuthProblem('invalid_request', 'parameters go in the body');
  if (request.headers.authorization !== undefined) {
    throw new OAuthProblem('invalid_client', 'clients authenticate by client_assertion');
  }
  return readForm(request);
}
