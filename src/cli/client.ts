/**
 * `hub client add | list | show | disable`: who gets tokens of this hub. Clients belong to the issuer, so the commands want the
 * HUB_PUBLIC_URL (or the port) that the hub runs with.
 */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { disableClient, listClients, readClient, registerClient, showClient } from '../access/client.ts';
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
}

export async function runClientAdd(
  id: string,
  { purpose, jwks, ...options }: ClientOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const keys = jwks === '-' ? await text(process.stdin) : await readFile(jwks, 'utf8').catch(unreadable);
  await withDatabase(environment, async (database, issuer) => {
    await registerClient(database, readClient({ ...options, issuer, id, purposes: purpose, jwks: keys }));
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

function unreadable(cause: Error): never {
  throw new Problem('not-found', `the key set cannot be read: ${cause.message}`, { expression: '--jwks', cause });
}
