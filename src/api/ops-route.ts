/** What a route of the console is: what it answers, and for whom. */
import type { Request } from 'express';
import type { AuditContext } from '../access/audit/audit.ts';
import type { OperatorAct } from '../access/principal/operator.ts';
import type { Principal } from '../access/principal/principal.ts';
import { parsePlainJson } from '../fhir/json.ts';
import { Problem } from '../fhir/problem.ts';
import { readText } from './incoming.ts';
import type { Answer } from './respond.ts';

/** @param asked as the trail has it */
export type Handle = (
  request: Request,
  query: URLSearchParams,
  principal: Principal,
  asked: AuditContext,
) => Promise<Answer>;

export interface RouteOptions {
  /** What the role of the operator must cover; of a GET `view`, of others `change`. */
  readonly act?: OperatorAct;
  /** It changes nothing, whatever its method. */
  readonly isView?: boolean;
  /** Under which name it is on record. The handler records what was shown, of whom, before it answers. */
  readonly interaction?: string;
}

/** Method and path below /ops, what answers, and for whom. */
export type OpsRoute = readonly ['get' | 'post' | 'put' | 'patch' | 'delete', string, Handle, RouteOptions?];

export function json(body: object, status = 200): Answer {
  return { status, contentType: 'application/json; charset=utf-8', body: JSON.stringify(body) };
}

/** A small object that says what is asked for. */
const bodyBytesMax = 16_384;

/** @throws Problem structure, not-supported for a member that is not known: one that is misspelt must not be no filter */
export async function readObject(request: Request, known: readonly string[]): Promise<Record<string, unknown>> {
  const text = await readText(request, bodyBytesMax);
  const body = parseObject(text === '' ? '{}' : text, `Its members are ${known.join(', ')}.`);
  const foreign = Object.keys(body).find((name) => !known.includes(name));
  if (foreign === undefined) return body;
  throw new Problem('not-supported', 'the body has a member that is not known here', {
    hint: `Its members are ${known.join(', ')}.`,
  });
}

/** @throws Problem structure, also for what is nested too deep */
export function parseObject(text: string, hint: string): Record<string, unknown> {
  const body = parsePlainJson(text);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Record<string, unknown>;
  throw new Problem('structure', 'the body is no JSON object', { hint });
}

/** The number in the path. @throws Problem not-found for what is none */
export function idOf(request: Request): number {
  const text = String(request.params['id'] ?? '');
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Problem('not-found', 'an id is a number');
}
