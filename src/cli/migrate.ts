/** `hub migrate`: the schema brought up to date, then the process ends. */
import { readConfig } from '../config.ts';
import { openStorage } from '../hub/storage.ts';

export async function runMigrate(environment: NodeJS.ProcessEnv): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    for (const name of storage.migrated) console.log(name);
    console.log(storage.migrated.length === 0 ? 'The schema is up to date.' : 'Done.');
  } finally {
    await storage.close();
  }
}
