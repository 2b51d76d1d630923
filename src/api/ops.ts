/**
 * The console's API: the fate of messages, and what a message would become. It needs `hub/ops` and shows no stored content. Who looked at
 * what is on record before it is answered, and what is changed before it is.
 */
import { Router, type Request, type Response } from 'express';
import type { AuditContext } from '../access/audit/audit.ts';
import type { Strangers } from '../access/audit/strangers.ts';
import { requireOperator } from '../access/principal/operator.ts';
import type { Authenticator } from '../access/token/token.ts';
import { Problem } from '../fhir/problem.ts';
import { messageBytesMax } from './hl7v2.ts';
import { readBytes } from './incoming.ts';
import { accessRoutes } from './ops-access.ts';
import { endpointRoutes, type EndpointService } from './ops-endpoints.ts';
import { mapRoutes, type MapService } from './ops-maps.ts';
import { messageRoutes, type MessageService } from './ops-messages.ts';
import { outboundRoutes, type QueueOutbound } from './ops-outbound.ts';
import { replayRoutes } from './ops-replay.ts';
import type { OpsRoute } from './ops-route.ts';
import type { Reporter } from './interaction.ts';
import { watchRoutes } from './ops-watch.ts';
import { answerOf, fhirJson, respond, type Answer } from './respond.ts';

export interface OpsOptions extends MapService, Omit<MessageService, 'database'>, Omit<EndpointService, 'database'> {
  readonly authenticator: Authenticator;
  readonly strangers: Strangers;
  readonly report: Reporter;
  /** The Bundle these bytes would become, as JSON. @throws Problem for content that cannot be converted */
  preview(bytes: Uint8Array, endpoint: string | undefined): Promise<string>;
  /** Puts a message to a hospital into the queue. */
  readonly send: QueueOutbound;
}

export function opsRouter(options: OpsOptions): Router {
  const router = Router({ caseSensitive: true });
  const routes: readonly OpsRoute[] = [
    ...messageRoutes(options),
    ['post', '/hl7v2/preview', (request, query) => preview(options, request, query), { act: 'mend' }],
    ...mapRoutes(options),
    ...outboundRoutes(options.database, options.send),
    ...accessRoutes(options.database),
    ...endpointRoutes(options),
    ...watchRoutes(options.database),
    ...replayRoutes(options.database),
  ];
  for (const route of routes) {
    const [method, path] = route;
    router[method](path, (request: Request, response: Response): void => {
      void answerOperator(options, request, route).then((answer) => respond(response, answer));
    });
  }
  return router;
}

async function preview(options: OpsOptions, request: Request, query: URLSearchParams): Promise<Answer> {
  const bytes = await readBytes(request, messageBytesMax);
  return {
    status: 200,
    contentType: fhirJson,
    body: await options.preview(bytes, query.get('endpoint') ?? undefined),
  };
}

async function answerOperator(
  { authenticator, audit, strangers, report }: OpsOptions,
  request: Request,
  [
    method,
    ,
    handle,
    { act = method === 'get' ? 'view' : 'change', isView = method === 'get', interaction } = {},
  ]: OpsRoute,
): Promise<Answer> {
  const correlationId = crypto.randomUUID();
  let asked: AuditContext | undefined;
  const record = async (outcome: 'success' | 'refused'): Promise<void> => {
    if (asked !== undefined) await audit.record([{ context: asked, rows: 0, outcome }]);
  };
  try {
    const principal = await authenticator.authenticate(request.headers.authorization, request);
    const [, query = ''] = request.url.split('?', 2);
    const parameters = new URLSearchParams(query);
    const name = interaction ?? (isView ? 'ops-view' : 'ops-change');
    asked = { principal, interaction: name, ...askedOf(request, parameters), correlationId, at: Date.now() };
    requireOperator(principal, act);
    if (!isView) await record('success');
    const answer = await handle(request, parameters, principal, asked);
    // What has a name of its own is on record already, with whose it was.
    if (isView && interaction === undefined) await record('success');
    return answer;
  } catch (error) {
    if (!(error instanceof Problem)) report.failed(error, correlationId);
    const refused = await recordRefusal(error).catch((problem: unknown) => problem);
    return answerOf(refused, request.method !== 'GET', correlationId);
  }

  async function recordRefusal(error: unknown): Promise<unknown> {
    const code = error instanceof Problem ? error.code : undefined;
    if (code === 'login' || (code === 'forbidden' && asked === undefined))
      strangers.refused({ query: pathOf(request), correlationId, address: request.socket.remoteAddress });
    if (code === 'forbidden') await record('refused');
    return error;
  }
}

/** The route, and the names of the parameters: what was asked for, without any of its values. */
function askedOf(request: Request, parameters: URLSearchParams): Pick<AuditContext, 'query' | 'address'> {
  const names = [...new Set(parameters.keys())].filter((name) => /^[a-z-]{1,32}$/.test(name)).slice(0, namesMax);
  return {
    query: names.length === 0 ? pathOf(request) : `${pathOf(request)}?${names.join('&')}`,
    address: request.socket.remoteAddress,
  };
}

/** More than any of the routes has. */
const namesMax = 16;

const pathOf = (request: Request): string => `${request.method} /ops${(request.route as { path: string }).path}`;
