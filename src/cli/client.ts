/**
 * `hub client add | add-app | ticket | list | show | role | disable`: who gets tokens of this hub. Clients belong to the issuer, so the commands want the
 * HUB_PUBLIC_URL (or the port) that the hub runs with.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import {
  disableClient,
  listClients,
  readClient,
  registerClient,
  revokeClientKey,
  showClient,
} from '../access/client/client.ts';
import { parseOperatorRole, setClientRole } from '../access/principal/operator.ts';
import { readApp, readAppScopes } from '../access/oauth/app.ts';
import { makeTicket } from '../access/oauth/ticket.ts';
import { addressesOf, readConfig } from '../config.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { openStorage } from '../hub/storage.ts';

export interface ClientOptions {
  readonly kind: string;
  readonly organization: string;
  readonly purpose: readonly string[];
  readonly scope: string;
  readonly jwks: string;
  readonly network?: readonly string[];
}

export async function runClientAdd(
  id: string,
  { purpose, jwks, network = [], ...options }: ClientOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const keys = await readKeys(jwks);
  await withDatabase(environment, async (database, issuer) => {
    await registerClient(
      database,
      readClient({ ...options, issuer, id, purposes: purpose, jwks: keys, networks: network }),
    );
    console.log(JSON.stringify(await showClient(database, issuer, id)));
  });
}

export interface AppOptions {
  readonly name: string;
  readonly redirectUri: readonly string[];
  readonly scope: string;
  readonly jwks?: string;
  readonly dpop?: boolean;
}

export async function runClientAddApp(
  id: string,
  { jwks, redirectUri, dpop = false, ...options }: AppOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const keys = jwks === undefined ? undefined : await readKeys(jwks);
  await withDatabase(environment, async (database, issuer) => {
    const app = { ...options, issuer, id, redirectUris: redirectUri, jwks: keys, isDpopBound: dpop };
    await registerClient(database, readApp(app));
    console.log(JSON.stringify(await showClient(database, issuer, id)));
  });
}

export interface TicketOptions {
  readonly scope: string;
  readonly hours?: string;
}

/** Prints the ticket and nothing else. */
export async function runClientTicket({ scope, hours }: TicketOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const scopes = readAppScopes(scope, '--scope');
  await withDatabase(environment, async (database, issuer) => {
    const request = { issuer, scopes, ...(hours === undefined ? {} : { hours: Number(hours) }) };
    console.log(await makeTicket(database, request));
  });
}

export async function runClientRevokeKey(id: string, kid: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database, issuer) => {
    await revokeClientKey(database, { issuer, id, kid });
    console.log(JSON.stringify(await showClient(database, issuer, id)));
  });
}

export async function runClientRole(id: string, role: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database, issuer) => {
    await setClientRole(database, { issuer, id, role: parseOperatorRole(role, 'ROLE') });
    console.log(JSON.stringify(await showClient(database, issuer, id)));
  });
}

export async function runClientList(environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database) => {
    for (const client of await listClients(database)) console.log(JSON.stringify(client));
  });
}

export async function runClientShow(id: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database, issuer) => {
    console.log(JSON.stringify(await showClient(database, issuer, id), undefined, 2));
  });
}

export async function runClientDisable(id: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await withDatabase(environment, async (database, issuer) => {
    await disableClient(database, issuer, id);
    console.log(JSON.stringify(await showClient(database, issuer, id)));
  });
}

async function withDatabase(
  environment: NodeJS.ProcessEnv,
  work: (database: Database, issuer: string) => Promise<void>,
): Promise<void> {
  const config = readConfig(environment);
  const storage = await openStorage(config);
  try {
    await work(storage.database, addressesOf(config).publicUrl);
  } finally {
    await storage.close();
  }
}

function readKeys(jwks: string): Promise<string> {
  return jwks === '-' ? text(process.stdin) : readFile(jwks, 'utf8').catch(unreadable);
}

function unreadable(cause: Error): never {
  throw new Problem('not-found', `the key set cannot be read: ${cause.message}`, { expression: '--jwks', cause });
}
