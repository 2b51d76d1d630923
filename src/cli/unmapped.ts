/** `hub unmapped`: the work list of what no rule took, one line of JSON each, as /ops/unmapped has it. */
import { readConfig } from '../config.ts';
import { openStorage } from '../hub/storage.ts';
import { listUnmapped } from '../ingest/unmapped.ts';

export async function runUnmapped(
  { endpoint }: { readonly endpoint?: string },
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    for (const line of await listUnmapped(storage.database, endpoint)) console.log(JSON.stringify(line));
  } finally {
    await storage.close();
  }
}
