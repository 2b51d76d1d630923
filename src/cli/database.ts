/** What commands share that open the hub's database, work on it, and print what they found as JSON lines. */
import { once } from 'node:events';
import { userInfo } from 'node:os';
import type { Principal } from '../access/principal/principal.ts';
import { readConfig } from '../config.ts';
import type { Database, Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { openStorage } from '../hub/storage.ts';
import { readRow } from '../store/read.ts';
import { everything } from '../store/visibility.ts';

export async function withDatabase(
  environment: NodeJS.ProcessEnv,
  work: (database: Database) => Promise<void>,
): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    await work(storage.database);
  } finally {
    await storage.close();
  }
}

export function print(list: readonly object[]): void {
  for (const one of list) console.log(JSON.stringify(one));
}

/** A line as fast as it is read: of a list that may not fit in memory. */
export async function printLine(text: string): Promise<void> {
  if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
}

/** @throws Problem not-found when `--patient` names nobody */
export async function requirePatient(database: Tx, id: string): Promise<void> {
  const row = await readRow(database, everything('whether the operator names a Patient there is'), 'Patient', id);
  if (row !== undefined && !row.isDeleted) return;
  throw new Problem('not-found', 'there is no such Patient', {
    expression: '--patient',
    hint: 'Give the id that the hub has for them: Patient?identifier=SYSTEM|VALUE finds it.',
  });
}

/** @throws Problem value */
export function instantOf(text: string, option: string): Date {
  const at = new Date(text);
  if (!Number.isNaN(at.getTime())) return at;
  throw new Problem('value', `${option} is no instant`, { hint: 'Write it as 2026-01-31T08:00:00Z.' });
}

/** Whoever may run commands on this machine, as the trail names them. */
export function operatorHere(): Principal {
  return {
    issuer: 'local',
    subject: `user/${userInfo().username}`,
    clientId: 'hub',
    jti: '',
    expiresAt: 0,
    scopes: [],
    isOperator: true,
    purposes: 0,
  };
}
