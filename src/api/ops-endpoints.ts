/**
 * The registry of endpoints over HTTP: what `hub endpoint` does, for a console and for automation. Each change is a version signed by the
 * operator of the token. Secrets go in and never come out.
 */
import type { Request } from 'express';
import type { Principal } from '../access/principal/principal.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { askEndpoint } from '../ingest/pull/ask.ts';
import { addEndpoint, changeEndpoint, stateBeforePause, type ChangeOptions } from '../ingest/registry/change.ts';
import { importEndpoints, planImport } from '../ingest/registry/import.ts';
import { parseDescription } from '../ingest/registry/parse.ts';
import { planOneChange, planOneNew, type EndpointPatch } from '../ingest/registry/plan.ts';
import { findEndpoint, listEndpoints } from '../ingest/registry/rows.ts';
import { showEndpoint } from '../ingest/registry/show.ts';
import { listVersions, unknownEndpoint, type Signature } from '../ingest/registry/versions.ts';
import { exportEndpoints, importBytesMax, readYaml } from '../ingest/registry/yaml.ts';
import { messageBytesMax } from './hl7v2.ts';
import { readBytes, readText } from './incoming.ts';
import { json, parseObject, type Handle, type OpsRoute } from './ops-route.ts';
import type { Answer } from './respond.ts';

export interface EndpointService {
  readonly database: Database;
  readonly register: (signature: Signature) => ChangeOptions;
  /** What samples show and what is missing; nothing is stored. @throws Problem not-found, too-costly */
  readonly tryEndpoint: (name: string, samples: Buffer) => Promise<object>;
}

/** Method and path below /ops -> what answers. */
export function endpointRoutes(service: EndpointService): readonly OpsRoute[] {
  const { database } = service;
  return [
    ['get', '/endpoints', (request, query) => answerList(database, request, query)],
    ['post', '/endpoints', (request, query, principal) => answerAdd(service, request, query, principal)],
    ['post', '/endpoints/import', (request, query, principal) => answerImport(service, request, query, principal)],
    ['get', '/endpoints/:name', async (request) => json(await shown(database, nameOf(request)))],
    [
      'get',
      '/endpoints/:name/history',
      async (request) => json({ versions: await listVersions(database, nameOf(request)) }),
    ],
    ['patch', '/endpoints/:name', (request, query, principal) => answerPatch(service, request, query, principal)],
    [
      'post',
      '/endpoints/:name/test',
      async (request) => json(await service.tryEndpoint(nameOf(request), await readBytes(request, messageBytesMax))),
      { act: 'mend', isView: true },
    ],
    [
      'post',
      '/endpoints/:name/run',
      async (request) => (await askEndpoint(database, nameOf(request)), { status: 202 }),
    ],
    ['post', '/endpoints/:name/pause', step(service, () => Promise.resolve('paused'))],
    ['post', '/endpoints/:name/resume', step(service, (name) => stateBeforePause(database, name))],
    ['post', '/endpoints/:name/retire', step(service, () => Promise.resolve('retired'))],
  ];
}

const yaml = 'application/yaml; charset=utf-8';

/** Secrets are keys and certificates of some kilobytes. */
const bodyBytesMax = 1_048_576;

/** As YAML with `Accept: application/yaml`, of `name` alone where it is given. */
async function answerList(database: Database, request: Request, query: URLSearchParams): Promise<Answer> {
  if (/\byaml\b/.test(request.headers.accept ?? '')) {
    return { status: 200, contentType: yaml, body: await exportEndpoints(database, query.getAll('name')) };
  }
  return json({ endpoints: await listEndpoints(database) });
}

async function shown(database: Database, name: string): Promise<object> {
  const endpoint = await findEndpoint(database, name);
  if (endpoint === undefined) throw unknownEndpoint(name);
  return showEndpoint(database, endpoint);
}

type Secrets = Readonly<Record<string, string | null>>;

/** The description as JSON, with `secrets` by name. */
async function answerAdd(
  { database, register }: EndpointService,
  request: Request,
  query: URLSearchParams,
  principal: Principal,
): Promise<Answer> {
  const { secrets, rest } = await readBody(request);
  const wanted = parseDescription(rest);
  const options = { ...register(signatureOf(query, principal)), secrets };
  if (isDry(query)) return json({ changes: (await planOneNew(database, wanted, options)).changes });
  return json(await addEndpoint(database, wanted, options), 201);
}

/** A JSON Merge Patch of the description, with `secrets` by name. @see https://www.rfc-editor.org/rfc/rfc7396 */
async function answerPatch(
  { database, register }: EndpointService,
  request: Request,
  query: URLSearchParams,
  principal: Principal,
): Promise<Answer> {
  const { secrets, rest: patch } = await readBody(request);
  const options = { ...register(signatureOf(query, principal)), secrets };
  const name = nameOf(request);
  if (isDry(query)) return json({ changes: (await planOneChange(database, { name, patch }, options)).changes });
  return json(await changeEndpoint(database, name, patch, options));
}

/** YAML as export writes it. */
async function answerImport(
  { database, register }: EndpointService,
  request: Request,
  query: URLSearchParams,
  principal: Principal,
): Promise<Answer> {
  const entries = readYaml(await readText(request, importBytesMax), query.get('file') ?? 'endpoints.yaml');
  const options = register(signatureOf(query, principal));
  return json({ endpoints: await (isDry(query) ? planImport : importEndpoints)(database, entries, options) });
}

function step({ database, register }: EndpointService, stateOf: (name: string) => Promise<string>): Handle {
  return async (request, query, principal) => {
    const name = nameOf(request);
    const patch: EndpointPatch = { state: await stateOf(name) };
    return json(await changeEndpoint(database, name, patch, register(signatureOf(query, principal))));
  };
}

/** @throws Problem structure, value */
async function readBody(request: Request): Promise<{ secrets: Secrets; rest: Record<string, unknown> }> {
  const text = await readText(request, bodyBytesMax);
  const body = parseObject(text, 'Write the endpoint as GET /ops/endpoints/NAME shows it.');
  const { secrets = {}, ...rest } = body;
  const isSecrets =
    typeof secrets === 'object' &&
    secrets !== null &&
    Object.values(secrets).every((value) => value === null || typeof value === 'string');
  if (!isSecrets) throw new Problem('value', 'secrets are texts by name', { expression: 'secrets' });
  return { secrets: secrets as Secrets, rest };
}

const isDry = (query: URLSearchParams): boolean => query.get('dry-run') === 'true';

function nameOf(request: Request): string {
  return String(request.params['name'] ?? '');
}

function signatureOf(query: URLSearchParams, { clientId, fhirUser }: Principal): Signature {
  const note = query.get('note');
  return { by: fhirUser ?? clientId, at: new Date(), ...(note !== null && { note }) };
}
