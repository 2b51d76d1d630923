/** `hub endpoint add` and `hub endpoint list`: sources and destinations. A running hub knows a new one within a second. */
import { resolve } from 'node:path';
import { readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { registerDestination } from '../hub/outbound.ts';
import { openStorage } from '../hub/storage.ts';
import type { AckMode, BatchAck, Endpoint, EndpointKind, PoisonPolicy } from '../ingest/contract.ts';
import { addEndpoint, listEndpoints } from '../ingest/endpoint.ts';
import { listDestinations, type Destination, type NewDestination } from '../outbound/destination.ts';

export interface EndpointOptions {
  readonly kind: string;
  readonly organization: string;
  readonly facility: readonly string[];
  readonly port?: string;
  readonly folder?: string;
  readonly batchAck?: string;
  readonly charset?: string;
  readonly zone?: string;
  readonly ack?: string;
  readonly poison?: string;
  readonly certificate?: string;
  readonly address?: readonly string[];
  readonly host?: string;
  readonly tls?: true;
  readonly hl7Version?: string;
  readonly application?: string;
  readonly sender?: string;
  readonly refusal?: string;
}

export const kinds: readonly EndpointKind[] = ['hl7v2-mllp', 'hl7v2-http', 'hl7v2-folder'];
export const ackModes: readonly AckMode[] = ['auto', 'original', 'enhanced'];
export const batchAcks: readonly BatchAck[] = ['messages', 'batch'];
export const poisonPolicies: readonly PoisonPolicy[] = ['continue', 'hold'];

/** The kind of endpoints that are called, where the others call. */
const outboundKind = 'hl7v2-mllp-out';

export async function runEndpointAdd(
  name: string,
  options: EndpointOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (options.kind === outboundKind) return addOutbound(name, options, environment);
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
    folder: options.folder === undefined ? undefined : resolve(options.folder),
    batchAck: options.batchAck === undefined ? undefined : oneOf(batchAcks, options.batchAck, '--batch-ack'),
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

async function addOutbound(name: string, options: EndpointOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const wanted = readDestination(name, options);
  const storage = await openStorage(readConfig(environment));
  try {
    print({ kind: outboundKind, ...(await registerDestination(storage.database, wanted)) });
  } finally {
    await storage.close();
  }
}

/** @throws Problem required, value */
function readDestination(name: string, options: EndpointOptions): NewDestination {
  const { organization, host, port, facility, charset, ack } = options;
  if (host === undefined || port === undefined) {
    throw new Problem('required', 'a destination has --host and --port', { expression: '--host' });
  }
  const [facilityName = '', other] = facility;
  if (other !== undefined) throw new Problem('value', 'a destination has one --facility', { expression: '--facility' });
  const [application = '', senderFacility = application] = options.sender?.split('^') ?? [];
  return {
    name,
    organization,
    host,
    port: Number(port),
    isTls: options.tls === true,
    receiver: { application: options.application ?? facilityName, facility: facilityName },
    ...(options.sender === undefined ? {} : { sender: { application, facility: senderFacility } }),
    ...(options.hl7Version === undefined ? {} : { version: options.hl7Version }),
    ...(charset === undefined ? {} : { charset }),
    ...(ack === undefined ? {} : { ackMode: oneOf(['original', 'enhanced'] as const, ack, '--ack') }),
    ...(options.refusal === undefined
      ? {}
      : { refusalPolicy: oneOf(['stop', 'park'] as const, options.refusal, '--refusal') }),
  };
}

export async function runEndpointList(environment: NodeJS.ProcessEnv): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    for (const endpoint of await listEndpoints(storage.database)) print(endpoint);
    for (const destination of await listDestinations(storage.database)) print({ kind: outboundKind, ...destination });
  } finally {
    await storage.close();
  }
}

/** One line of JSON an endpoint: for people short enough, for scripts exact. */
function print(endpoint: Endpoint | (Destination & { kind: string })): void {
  console.log(JSON.stringify(endpoint));
}

function oneOf<T extends string>(allowed: readonly T[], text: string, option: string): T {
  const found = allowed.find((value) => value === text);
  if (found !== undefined) return found;
  throw new Problem('value', `${option} is not valid`, { expression: option, hint: `One of ${allowed.join(', ')}.` });
}
