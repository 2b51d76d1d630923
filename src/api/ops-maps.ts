/**
 * Maps and the work list over HTTP: what `hub map`, `hub unmapped` and `hub replay` do, for a console. Answers name rules,
 * positions and message ids; a message's text is shown only to the one who sent it in (explain), never one that is stored.
 */
import type { Request } from 'express';
import type { Principal } from '../access/principal/principal.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { sampleMax } from '../ingest/archive.ts';
import { applyOverlay, listMapVersions, overlayBytesMax, rollBack } from '../ingest/overlays.ts';
import { listUnmapped } from '../ingest/unmapped.ts';
import { checkOverlay } from '../mapping/tables/check.ts';
import { compareResults, compareTables, type Sample } from '../mapping/compare.ts';
import type { MapContext } from '../mapping/message/draft.ts';
import { explainMessage } from '../mapping/explain.ts';
import { parseOverlay, sourceOf, type Maps } from '../mapping/maps.ts';
import type { Hl7Message } from '../mapping/message.ts';
import { messageBytesMax } from './hl7v2.ts';
import { readBytes } from './incoming.ts';
import { json, type OpsRoute } from './ops-route.ts';
import type { Answer } from './respond.ts';

export interface MapService {
  readonly database: Database;
  /** As they are in force now. */
  maps(): Promise<Maps>;
  /** A message as that endpoint's is read. @throws Problem value for an endpoint that is not there */
  read(bytes: Uint8Array, endpoint: string | undefined): Promise<{ message: Hl7Message; context: MapContext }>;
  /** The latest messages of an endpoint. */
  stored(endpoint: string, count: number): AsyncIterable<Sample>;
}

export type { Handle } from './ops-route.ts';

const mend = { act: 'mend' } as const;

/** Method and path below /ops -> what answers. */
export function mapRoutes(service: MapService): readonly OpsRoute[] {
  const { database } = service;
  return [
    [
      'get',
      '/maps',
      async (_request, query) => json({ maps: await listMapVersions(database, optional(query, 'endpoint')) }),
    ],
    ['post', '/maps/check', (request, query) => check(service, request, query), mend],
    ['post', '/maps/diff', (request, query) => diff(service, request, query), mend],
    ['post', '/maps/explain', (request, query) => explain(service, request, query), mend],
    ['post', '/maps/apply', (request, query, principal) => apply(service, request, query, principal), mend],
    ['post', '/maps/rollback', (_request, query, principal) => rollback(service, query, principal), mend],
    ['get', '/unmapped', async (_request, query) => json({ unmapped: await listUnmapped(database, sourceIn(query)) })],
  ];
}

async function check(service: MapService, request: Request, query: URLSearchParams): Promise<Answer> {
  const { name, text } = await readOverlay(request, query);
  return json({ findings: checkOverlay(await service.maps(), text, name) });
}

async function diff(service: MapService, request: Request, query: URLSearchParams): Promise<Answer> {
  const { name, text } = await readOverlay(request, query);
  const [maps, endpoint, count] = [await service.maps(), needed(query, 'endpoint'), numberIn(query, 'stored') ?? 0];
  const overlay = parseOverlay(text, name);
  const rules = compareTables(maps.sourceFor(endpoint), sourceOf(maps.library, overlay));
  if (count === 0) return json({ rules });
  const samples = service.stored(endpoint, Math.min(count, sampleMax));
  return json({ rules, results: await compareResults(maps.forEndpoint(endpoint), maps.compile(overlay), samples) });
}

async function explain(service: MapService, request: Request, query: URLSearchParams): Promise<Answer> {
  const endpoint = optional(query, 'endpoint');
  const { message, context } = await service.read(await readBytes(request, messageBytesMax), endpoint);
  const maps = await service.maps();
  return json(explainMessage(maps.sourceFor(context.endpoint), message, context));
}

async function apply(
  service: MapService,
  request: Request,
  query: URLSearchParams,
  principal: Principal,
): Promise<Answer> {
  const overlay = await readOverlay(request, query);
  const maps = await service.maps();
  const findings = checkOverlay(maps, overlay.text, overlay.name);
  if (findings.length > 0) return json({ findings }, 422);
  const application = { endpoints: query.getAll('endpoint'), overlay, ...signature(query, principal) };
  return json({ maps: await applyOverlay(service.database, maps, application) });
}

async function rollback(service: MapService, query: URLSearchParams, principal: Principal): Promise<Answer> {
  const [endpoint, to] = [needed(query, 'endpoint'), numberIn(query, 'to')];
  const done = await rollBack(service.database, await service.maps(), {
    endpoint,
    to,
    ...signature(query, principal),
  });
  return json({ maps: [done] });
}

async function readOverlay(request: Request, query: URLSearchParams): Promise<{ name: string; text: string }> {
  const bytes = await readBytes(request, overlayBytesMax);
  return { name: optional(query, 'name') ?? 'overlay', text: bytes.toString('utf8') };
}

function signature(query: URLSearchParams, { clientId, fhirUser }: Principal): { by: string; note?: string; at: Date } {
  return { by: fhirUser ?? clientId, note: optional(query, 'note'), at: new Date() };
}

function sourceIn(query: URLSearchParams): string | undefined {
  return optional(query, 'source') ?? optional(query, 'endpoint');
}

function optional(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) ?? undefined;
}

function needed(query: URLSearchParams, name: string): string {
  const text = optional(query, name);
  if (text === undefined) throw new Problem('required', `${name} is missing`, { expression: name });
  return text;
}

function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = optional(query, name);
  if (text !== undefined && !/^\d{1,9}$/.test(text))
    throw new Problem('value', `${name} is no number`, { expression: name });
  return text === undefined ? undefined : Number(text);
}
