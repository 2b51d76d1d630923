/** Simulated sources as endpoints of a hub. */
import type { Database } from '../../../db.ts';
import type { Endpoint, PullKind } from '../../../ingest/contract.ts';
import { addEndpoint, type ChangeOptions } from '../../../ingest/registry/change.ts';
import type { NewEndpoint } from '../../../ingest/registry/description.ts';
import { findEndpoint } from '../../../ingest/registry/rows.ts';
import { clientName, secretOf } from './gate.ts';
import type { Source } from './source.ts';

/** How a source's records come: asked for by the hub, or sent. */
export type SourceKind = PullKind | 'fhir-push';

/** @param every time between two pulls: `15m` */
export function endpointOf(source: Source, kind: SourceKind, every: string): NewEndpoint {
  const { name, base, habits } = source.options;
  if (kind === 'fhir-push') return { name, kind, organization: `Organization/${name}`, config: { source: base } };
  const credentials = {
    none: {},
    basic: { auth: 'basic', user: clientName },
    'client-secret': { auth: 'client-secret', client: clientName },
  };
  return {
    name,
    kind,
    organization: `Organization/${name}`,
    config: {
      base,
      every,
      // What is deaf to times is passed over as a whole, as often as the others are asked what changed.
      ...(kind === 'fhir-rest' && { fullEvery: every }),
      ...credentials[habits.auth],
    },
  };
}

/** By which a source proves itself when it sends; the hub wants 32 characters at least. */
export function pushTokenOf(source: Source): string {
  return `${secretOf(source)}-by-which-it-sends-to-the-hub`;
}

export function secretsFor(source: Source, kind: SourceKind): Readonly<Record<string, string>> {
  if (kind === 'fhir-push') return { 'push-token': pushTokenOf(source) };
  const { auth } = source.options.habits;
  if (auth === 'none') return {};
  return { [auth === 'basic' ? 'password' : 'client-secret']: secretOf(source) };
}

/** Those that are not registered yet. @returns how many were new */
export async function registerSources(
  database: Database,
  options: ChangeOptions,
  sources: readonly Source[],
  described: { readonly kind: SourceKind; readonly every: string },
): Promise<number> {
  let added = 0;
  for (const source of sources) {
    const endpoint = endpointOf(source, described.kind, described.every);
    const known: Endpoint | undefined = await findEndpoint(database, endpoint.name);
    if (known !== undefined) continue;
    await addEndpoint(database, endpoint, { ...options, secrets: secretsFor(source, described.kind) });
    added++;
  }
  return added;
}
