/** `hub endpoint add` and `hub endpoint list`: the registry of sources. A running hub knows a new one within a second. */
import { readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { openStorage } from '../hub/storage.ts';
import type { AckMode, Endpoint, EndpointKind, PoisonPolicy } from '../ingest/contract.ts';
import { addEndpoint, listEndpoints } from '../ingest/endpoint.ts';

export interface EndpointOptions {
  readonly kind: string;
  readonly organization: string;
  readonly facility: readonly string[];
  readonly port?: string;
  readonly charset?: string;
  readonly zone?: string;
  readonly ack?: string;
  readonly poison?: string;
  readonly certificate?: string;
  readonly address?: readonly string[];
}

export const kinds: readonly EndpointKind[] = ['hl7v2-mllp', 'hl7v2-http'];
export const ackModes: readonly AckMode[] = ['auto', 'original', 'enhanced'];
export const poisonPolicies: readonly PoisonPolicy[] = ['continue', 'hold'];

export async function runEndpointAdd(
  name: string,
  options: EndpointOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const { organization, charset, zone, certificate } = options;
  const wanted = {
    name,
    kind: oneOf(kinds, options.kind, '--kind'),
    organization,
    facilities: options.facility,
    charset,
    zone,
    certificate,
    addresses: options.address,
    port: options.port === undefined ? undefined : Number(options.port),
    ackMode: options.ack === undefined ? undefined : oneOf(ackModes, options.ack, '--ack'),
    poisonPolicy: options.poison === undefined ? undefined : oneOf(poisonPolicies, options.poison, '--poison'),
  };
  const storage = await openStorage(readConfig(environment));
  try {
    print(await addEndpoint(storage.database, wanted));
  } finally {
    await storage.close();
  }
}

export async function runEndpointList(environment: NodeJS.ProcessEnv): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    for (const endpoint of await listEndpoints(storage.database)) print(endpoint);
  } finally {
    await storage.close();
  }
}

/** One line of JSON an endpoint: for people short enough, for scripts exact. */
function print(endpoint: Endpoint): void {
  console.log(JSON.stringify(endpoint));
}

function oneOf<T extends string>(allowed: readonly T[], text: string, option: string): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new Problem('value', `${option} is not valid`, { expression: option, hint: `One of ${allowed.join(', ')}.` });
}
