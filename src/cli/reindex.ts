/** `hub reindex`: reads stored resources again, of all types or of some, and says how far it is. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../config.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode } from '../fhir/types.ts';
import { openStorage, type Storage } from '../hub/storage.ts';
import { addRevision } from '../store/index-revision.ts';
import { readIndexStatus, reindexBatch } from '../store/reindex.ts';

export interface ReindexOptions {
  readonly type?: string[];
  readonly status?: true;
}

/** Another process may be at it: the mark is theirs as well. */
const busyMs = 500;
const reportMs = 5_000;

export async function runReindex(
  { type: types, status }: ReindexOptions,
  environment: NodeJS.ProcessEnv,
): Promise<void> {
  if (types?.some((type) => typeCode(type) === undefined)) {
    throw new Problem('value', '--type names no resource type of R4');
  }
  const storage = await openStorage(readConfig(environment));
  try {
    if (status !== true) await reindex(storage, types);
    for (const line of await readIndexStatus(storage.database)) console.log(JSON.stringify(line));
  } finally {
    await storage.close();
  }
}

async function reindex({ database, index }: Storage, types: readonly string[] | undefined): Promise<void> {
  await database.inTransaction((tx) => addRevision(tx, types));
  await index.refresh();
  let reportedAt = 0;
  for (;;) {
    const outcome = await reindexBatch(database);
    if (outcome === 'done') return;
    if (outcome === 'busy') {
      await sleep(busyMs);
    } else if (performance.now() - reportedAt > reportMs) {
      reportedAt = performance.now();
      console.error(`${outcome.rowsRead} rows read, ${outcome.rowsIndexed} indexed`);
    }
  }
}
