/** The worker of bulk exports, in processes with the role `worker`. */
import { randomUUID } from 'node:crypto';
import type { Database } from '../db.ts';
import { startExporting, type Exporting } from '../feeds/export-worker.ts';
import type { Logger } from './log.ts';

export async function startExports(options: {
  readonly database: Database;
  /** FHIR base URL. */
  readonly base: string;
  readonly log: Logger;
}): Promise<Exporting> {
  const { database, base, log } = options;
  return startExporting({
    database,
    base,
    worker: `hub-exports-${randomUUID()}`,
    onError: (error) => log.error({ error }, 'an export failed'),
  });
}
