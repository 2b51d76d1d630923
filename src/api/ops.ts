/** The console's API: the fate of messages, and what a message would become. It needs `hub/ops` and shows no stored content. */
import { Router, type Request, type Response } from 'express';
import { requireOperator } from '../access/scope.ts';
import type { Authenticator } from '../access/token.ts';
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import {
  everyMessage,
  listMessages,
  pageRowsDefault,
  pageRowsMax,
  parseStatus,
  type MessageFilter,
  type MessageLine,
} from '../ingest/status.ts';
import { messageBytesMax } from './hl7v2.ts';
import { readBytes } from './incoming.ts';
import { mapRoutes, replay, type Handle, type MapService } from './ops-maps.ts';
import { outboundRoutes, type QueueOutbound } from './ops-outbound.ts';
import type { Reporter } from './interaction.ts';
import { answerOf, fhirJson, respond, type Answer } from './respond.ts';

export interface OpsOptions extends MapService {
  readonly authenticator: Authenticator;
  readonly report: Reporter;
  /** The Bundle these bytes would become, as JSON. @throws Problem for content that cannot be converted */
  preview(bytes: Uint8Array, endpoint: string | undefined): Promise<string>;
  /** Puts a message to a hospital into the queue. */
  readonly send: QueueOutbound;
}

export function opsRouter(options: OpsOptions): Router {
  const router = Router({ caseSensitive: true });
  const serve =
    (handle: Handle) =>
    (request: Request, response: Response): void => {
      void answerOperator(options, request, handle).then((answer) => respond(response, answer));
    };
  router.get(
    '/messages',
    serve((request, query) => answerMessages(options.database, request, query)),
  );
  router.post(
    '/hl7v2/preview',
    serve(async (request, query) => {
      const bytes = await readBytes(request, messageBytesMax);
      return {
        status: 200,
        contentType: fhirJson,
        body: await options.preview(bytes, query.get('endpoint') ?? undefined),
      };
    }),
  );
  const routes = [...mapRoutes(options), ...outboundRoutes(options.database, options.send)];
  for (const [method, path, handle] of routes) router[method](path, serve(handle));
  router.post(
    '/replay',
    serve((_request, query) => replay(options.database, query, filterOf(query, replayParameters))),
  );
  return router;
}

async function answerOperator(
  { authenticator, report }: OpsOptions,
  request: Request,
  handle: Handle,
): Promise<Answer> {
  const correlationId = crypto.randomUUID();
  try {
    const principal = await authenticator.authenticate(request.headers.authorization);
    requireOperator(principal);
    const [, query = ''] = request.url.split('?', 2);
    return await handle(request, new URLSearchParams(query), principal);
  } catch (error) {
    if (!(error instanceof Problem)) report.failed(error, correlationId);
    return answerOf(error, request.method === 'POST', correlationId);
  }
}

/** As JSON a page; as NDJSON every message that matches, written as fast as the caller reads. */
async function answerMessages(database: Tx, request: Request, query: URLSearchParams): Promise<Answer> {
  const filter = filterOf(query);
  const after = numberOf(query, 'after', 0);
  if ((request.headers.accept ?? '').includes('application/x-ndjson')) {
    const pages = everyMessage(database, filter, after);
    return { status: 200, contentType: 'application/x-ndjson; charset=utf-8', chunks: toLines(pages) };
  }
  const limit = Math.min(numberOf(query, 'limit', pageRowsDefault), pageRowsMax);
  const lines = await listMessages(database, filter, { after, limit });
  const next = lines.length === limit ? lines.at(-1)?.id : undefined;
  const body = JSON.stringify({ messages: lines, ...(next !== undefined && { after: next }) });
  return { status: 200, contentType: 'application/json; charset=utf-8', body };
}

async function* toLines(pages: AsyncIterable<readonly MessageLine[]>): AsyncGenerator<string> {
  for await (const page of pages) yield page.map((line) => `${JSON.stringify(line)}\n`).join('');
}

const filters = ['source', 'control-id', 'status', 'since', 'until', 'type', 'map-version'];
const parameters: ReadonlySet<string> = new Set([...filters, 'after', 'limit']);
const replayParameters: ReadonlySet<string> = new Set([...filters, 'unmapped', 'all']);

/** @throws Problem value, not-supported: a filter that is not understood must not be taken for no filter */
function filterOf(query: URLSearchParams, known = parameters): MessageFilter {
  for (const name of query.keys()) {
    if (!known.has(name)) {
      throw new Problem('not-supported', 'unknown parameter', {
        hint: `The parameters are ${[...known].join(', ')}.`,
      });
    }
  }
  const text = (name: string): string | undefined => query.get(name) ?? undefined;
  const status = text('status');
  return {
    source: text('source'),
    controlId: text('control-id'),
    type: text('type'),
    mapVersion: text('map-version'),
    since: instantOf(query, 'since'),
    until: instantOf(query, 'until'),
    ...(status === undefined ? {} : { status: parseStatus(status) }),
  };
}

function instantOf(query: URLSearchParams, name: string): Date | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) {
    throw new Problem('value', `${name} is no instant`, {
      expression: name,
      hint: 'Write it as 2026-01-31T08:00:00Z.',
    });
  }
  return at;
}

function numberOf(query: URLSearchParams, name: string, standard: number): number {
  const text = query.get(name) ?? String(standard);
  if (!/^\d{1,15}$/.test(text)) throw new Problem('value', `${name} is no number`, { expression: name });
  return Number(text);
}
