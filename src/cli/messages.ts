/** `hub messages`: the fate of each message, one line of JSON each, as /ops/messages has it. */
import { readConfig } from '../config.ts';
import { openStorage } from '../hub/storage.ts';
import { listMessages, pageRowsMax } from '../ingest/status.ts';
import { readFilter, type ReplayOptions } from './replay.ts';

export async function runMessages(options: ReplayOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const filter = readFilter({ ...options, all: true });
  const storage = await openStorage(readConfig(environment));
  try {
    for (let after: number | undefined = 0; after !== undefined;) {
      const lines = await listMessages(storage.database, filter, { after, limit: pageRowsMax });
      for (const line of lines) console.log(JSON.stringify(line));
      after = lines.length === pageRowsMax ? lines.at(-1)?.id : undefined;
    }
  } finally {
    await storage.close();
  }
}
