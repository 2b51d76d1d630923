/**
 * The console's view of what is sent to hospitals: queue a message, see what became of it, decide about a refused one. Sending
 * shows the operator nothing of its content; whom it is shown to, and of whom, is in the audit trail.
 */
import type { Request } from 'express';
import type { Principal } from '../access/principal/principal.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { findDestination } from '../outbound/destination.ts';
import { decideRefused, listOutbound, outboundStatuses, pageRows } from '../outbound/queue.ts';
import type { Queued, SendRequest } from '../outbound/send.ts';
import { readText } from './incoming.ts';
import type { Handle } from './ops-maps.ts';
import type { Answer } from './respond.ts';

export type QueueOutbound = (request: SendRequest) => Promise<Queued>;

/** Method and path below /ops -> what answers. */
export function outboundRoutes(
  database: Database,
  send: QueueOutbound,
): readonly (readonly ['get' | 'post', string, Handle])[] {
  return [
    ['get', '/outbound', (_request, query) => answerOutbound(database, query)],
    ['post', '/outbound', (request, query, principal) => answerSend(database, send, { request, query, principal })],
    ['post', '/outbound/:id/retry', (request) => answerDecision(database, request.params['id'], 'waiting')],
    ['post', '/outbound/:id/drop', (request) => answerDecision(database, request.params['id'], 'dropped')],
  ];
}

const json = 'application/json; charset=utf-8';

/** `POST /ops/outbound?destination=NAME&message=SIU_S12`, a Bundle as the body; or `&resource=Appointment/1` and no body. */
async function answerSend(
  database: Database,
  send: QueueOutbound,
  { request, query, principal }: { request: Request; query: URLSearchParams; principal: Principal },
): Promise<Answer> {
  only(query, ['destination', 'message', 'resource']);
  const destination = await findDestination(database, required(query, 'destination'));
  const type = required(query, 'message');
  const reference = query.get('resource');
  const content = reference === null ? { bundle: await readText(request) } : { reference };
  const operator = principal.fhirUser ?? principal.subject;
  return { status: 202, contentType: json, body: JSON.stringify(await send({ destination, type, content, operator })) };
}

/** `GET /ops/outbound?destination=&status=&after=`: a page of lines without content. */
async function answerOutbound(database: Database, query: URLSearchParams): Promise<Answer> {
  only(query, ['destination', 'status', 'after']);
  const wanted = query.get('status');
  const status = outboundStatuses.find((known) => known === wanted);
  if (wanted !== null && status === undefined) {
    throw new Problem('value', 'status is not valid', {
      expression: 'status',
      hint: `One of ${outboundStatuses.join(', ')}.`,
    });
  }
  const after = idOf(query.get('after') ?? '0', 'after');
  const lines = await listOutbound(database, { destination: query.get('destination') ?? undefined, status, after });
  const next = lines.length === pageRows ? lines.at(-1)?.id : undefined;
  return { status: 200, contentType: json, body: JSON.stringify({ messages: lines, ...(next && { after: next }) }) };
}

/** `POST /ops/outbound/7/retry` and `/drop`. */
async function answerDecision(database: Database, id: unknown, status: 'waiting' | 'dropped'): Promise<Answer> {
  await decideRefused(database, idOf(String(id), 'id'), status);
  return { status: 204 };
}

function only(query: URLSearchParams, names: readonly string[]): void {
  if ([...query.keys()].every((name) => names.includes(name))) return;
  throw new Problem('not-supported', 'unknown parameter', { hint: `The parameters are ${names.join(', ')}.` });
}

function required(query: URLSearchParams, name: string): string {
  const text = query.get(name);
  if (text !== null && text !== '') return text;
  throw new Problem('required', `${name} is missing`, { expression: name });
}

function idOf(text: string, name: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Problem('value', `${name} is no number`, { expression: name });
  return Number(text);
}
