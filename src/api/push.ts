/**
 * Notifications and resources of systems that send by themselves: `POST /fhir-push/NAME`, and `PUT`, `POST` or `DELETE
 * /fhir-push/NAME/Type/id` as servers of R4 call their rest-hooks. By a token of the endpoint's organization, or by the secret `push-token`
 * of the endpoint, for servers that can send a fixed header only.
 */
import { Router, type Request } from 'express';
import type { Authenticator } from '../access/token/token.ts';
import { requireScope } from '../access/principal/scope.ts';
import { Problem } from '../fhir/problem.ts';
import type { Endpoint } from '../ingest/contract.ts';
import { checkContentType, readText, resourceMediaTypes } from './incoming.ts';
import type { Reporter } from './interaction.ts';
import { answerOf, respond, type Answer } from './respond.ts';

/** As long as the largest page that is pulled in one go. */
export const pushBytesMax = 16 * 1024 * 1024;

export interface PushRequest {
  readonly method: string;
  readonly type?: string;
  readonly id?: string;
  readonly text: string;
}

export interface PushOptions {
  readonly authenticator: Authenticator;
  readonly report: Reporter;
  /** By name: an endpoint of kind `fhir-push` that something may come in by. */
  readonly endpoint: (name: string) => Promise<Endpoint | undefined>;
  /** Whether the `Authorization` is the secret of the endpoint. */
  readonly isSecret: (endpoint: Endpoint, authorization: string) => Promise<boolean>;
  /** Resolves after the commit. @throws Problem structure, required, value, transient */
  readonly receive: (endpoint: Endpoint, push: PushRequest) => Promise<object>;
}

type Params = { name: string; type?: string; id?: string };

export function pushRouter(options: PushOptions): Router {
  const router = Router();
  const handle = (request: Request<Params>, response: Parameters<typeof respond>[0]): void => {
    const correlationId = crypto.randomUUID();
    void receive(options, request).then(
      (answer) => respond(response, answer),
      (error: unknown) => {
        if (!(error instanceof Problem)) options.report.failed(error, correlationId);
        respond(response, answerOf(error, true, correlationId));
      },
    );
  };
  router.post('/:name', handle);
  router.post('/:name/:type', handle);
  for (const method of ['put', 'post', 'delete'] as const) router[method]('/:name/:type/:id', handle);
  return router;
}

async function receive(options: PushOptions, request: Request<Params>): Promise<Answer> {
  const { name, type, id } = request.params;
  const { authorization = '' } = request.headers;
  const endpoint = await options.endpoint(name);
  const isKnown = endpoint !== undefined && (await options.isSecret(endpoint, authorization));
  if (!isKnown) {
    // Before it is told whether there is such an endpoint.
    const principal = await options.authenticator.authenticate(request.headers.authorization, request);
    requireScope(principal, 'Bundle', 'c');
    if (endpoint === undefined || principal.organization !== endpoint.organization) {
      throw new Problem('not-found', 'there is no such endpoint for this organization', {
        hint: 'Name an endpoint of kind fhir-push of your own.',
      });
    }
  }
  const text = request.method === 'DELETE' ? '' : await readText(request, pushBytesMax);
  if (text !== '') checkContentType(request.headers, resourceMediaTypes);
  const done = await options.receive(endpoint, { method: request.method, type, id, text });
  return { status: 200, contentType: 'application/json; charset=utf-8', body: JSON.stringify(done) };
}
