/**
 * The open documents below the FHIR base: what the server does, and where its keys are. Made from the tables that the server
 * runs by; the CapabilityStatement once, the list of code systems again when it may have grown.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { oauthPaths } from '../access/oauth/oauth.ts';
import { renderedParams } from '../api/audit-event.ts';
import type { Document } from '../api/fhir.ts';
import { checkAccept } from '../api/incoming.ts';
import { buildOpenApi } from '../api/openapi.ts';
import { patchFormats } from '../api/write/patch.ts';
import { HttpProblem, type Answer } from '../api/respond.ts';
import {
  fixedTypes,
  interactionsOf,
  isConditional,
  operationsOf,
  routes,
  routesOfOperations,
  systemInteractions,
} from '../api/routes.ts';
import { smartConfiguration } from '../api/oauth/discovery.ts';
import { websocketUrl } from '../api/subscription/address.ts';
import type { Addresses } from '../config.ts';
import type { Database } from '../db.ts';
import { buildCapability, type Capability } from '../fhir/capability.ts';
import { backportProfile } from '../fhir/subscription/request.ts';
import { subscriptionTopics } from '../fhir/subscription/topics.ts';
import { customParams } from '../fhir/params.ts';
import type { Profiles } from '../fhir/validate.ts';
import { buildTerminologyCapabilities } from '../fhir/terminology/terminology-capabilities.ts';
import { listSystems, openLibrary } from '../store/terminology/library.ts';

/** What is loaded meanwhile is served at once, and listed a minute later: the list is open, and must cost little. */
const systemsMs = 60_000;

const json = 'application/json; charset=utf-8';

export function openDocuments(
  database: Database,
  addresses: Addresses,
  profiles: Profiles,
): Readonly<Record<string, Document>> {
  const server = serverOf(addresses);
  const capability = following(profiles, () => ({
    status: 200,
    body: JSON.stringify(capabilityOf(server, addresses, profiles)),
  }));
  const openApi = following(profiles, () => ({
    status: 200,
    contentType: json,
    body: JSON.stringify(buildOpenApi(server, [...routes, ...routesOfOperations])),
  }));
  const terminology = kept(systemsMs, async () => {
    const systems = await listSystems(await openLibrary(database, undefined));
    return { status: 200, body: JSON.stringify(buildTerminologyCapabilities(server, systems)) };
  });
  const smart = {
    status: 200,
    contentType: json,
    body: JSON.stringify(smartConfiguration(addresses.publicUrl)),
  };
  return {
    // R4 http.html#capabilities: `normative` is the part of `full` that R4 has as normative, and may be all of it.
    '/metadata': (query, accept) => {
      checkAccept(accept, query);
      const mode = new URLSearchParams(query).get('mode') ?? 'full';
      if (mode === 'full' || mode === 'normative') return capability();
      if (mode === 'terminology') return terminology();
      throw new HttpProblem(400, 'value', 'mode is full, normative or terminology', { expression: 'mode' });
    },
    '/.well-known/smart-configuration': () => smart,
    '/openapi.json': openApi,
  };
}

/** Made when it is asked for, and not again for a while. */
function kept(ms: number, make: () => Promise<Answer>): () => Promise<Answer> {
  let made: Promise<Answer> | undefined;
  let until = 0;
  return () => {
    if (made !== undefined && performance.now() < until) return made;
    until = performance.now() + ms;
    made = make();
    made.catch(() => {
      made = undefined;
    });
    return made;
  };
}

/** Made when it is first asked for, and anew when the search parameters or profiles in force have changed. */
function following(profiles: Profiles, make: () => Answer): () => Answer {
  let made: { readonly of: readonly unknown[]; readonly answer: Answer } | undefined;
  return () => {
    const of = [customParams(), profiles.supported()];
    if (made === undefined || of.some((one, at) => one !== made?.of[at])) made = { of, answer: make() };
    return made.answer;
  };
}

type Server = Pick<Capability, 'base' | 'software' | 'date'>;

function serverOf({ fhirBase }: Addresses): Server {
  const manifest = readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8');
  const { name, version } = JSON.parse(manifest) as { name: string; version: string };
  return { base: fhirBase, software: { name, version }, date: new Date().toISOString() };
}

/** @see https://hl7.org/fhir/uv/bulkdata/STU2/CapabilityStatement-bulk-data.html */
const bulkData = 'http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data';
/** @see https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/CapabilityStatement-backport-subscription-server-r4.html */
const subscriptionServer =
  'http://hl7.org/fhir/uv/subscriptions-backport/CapabilityStatement/backport-subscription-server-r4';

function capabilityOf(server: Server, { publicUrl }: Addresses, profiles: Profiles): object {
  return buildCapability({
    ...server,
    // http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris
    oauth: {
      token: `${publicUrl}${oauthPaths.token}`,
      authorize: `${publicUrl}${oauthPaths.authorization}`,
      register: `${publicUrl}${oauthPaths.registration}`,
      introspect: `${publicUrl}${oauthPaths.introspection}`,
      revoke: `${publicUrl}${oauthPaths.revocation}`,
    },
    types: (type) => {
      const interactions = interactionsOf(type);
      const conditional = interactions.filter((code) => isConditional(type, code));
      // Types with routes of their own answer the questions of those routes alone.
      return {
        interactions,
        conditional,
        operations: operationsOf(type),
        profiles: [...(type === 'Subscription' ? [backportProfile] : []), ...(profiles.supported().get(type) ?? [])],
        includes: !fixedTypes.has(type),
        topics: type === 'Subscription' ? subscriptionTopics.map(({ url }) => url) : [],
        ...(renderedParams.has(type) ? { searchParams: renderedParams.get(type) } : {}),
      };
    },
    system: systemInteractions(),
    patchFormats,
    operations: operationsOf(),
    instantiates: [bulkData, subscriptionServer],
    websocket: websocketUrl(server.base),
  });
}
