/** `hub messages`: the fate of each message, one line of JSON each, as /ops/messages has it. */
import { readConfig } from '../config.ts';
import { openStorage } from '../hub/storage.ts';
import { everyMessage } from '../ingest/status.ts';
import { readFilter, type ReplayOptions } from './replay.ts';
import { assertEndpoint } from '../ingest/registry/versions.ts';

export async function runMessages(options: ReplayOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const filter = readFilter({ ...options, all: true });
  const storage = await openStorage(readConfig(environment));
  try {
    await assertEndpoint(storage.database, filter.source);
    for await (const lines of everyMessage(storage.database, filter)) {
      for (const line of lines) console.log(JSON.stringify(line));
    }
  } finally {
    await storage.close();
  }
}
