/** What commands share that open the hub's database, work on it, and print what they found as JSON lines. */
import { readConfig } from '../config.ts';
import type { Database } from '../db.ts';
import { openStorage } from '../hub/storage.ts';

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
