/** `hub relabel`: puts the sensitivity sets of this host's files in force, looks at stored resources again, and says how far it is. */
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../config.ts';
import { openStorage, readSets, type Storage } from '../hub/storage.ts';
import { addLabelRevision } from '../store/labels/current.ts';
import { readLabelStatus, relabelBatch } from '../store/labels/relabel.ts';

export interface RelabelOptions {
  readonly status?: true;
  readonly check?: true;
}

/** Another process may be at it: the mark is theirs as well. */
const busyMs = 500;
const reportMs = 5_000;

export async function runRelabel({ status, check }: RelabelOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const config = readConfig(environment);
  const sets = readSets(config);
  if (check === true) {
    const categories = new Set(sets.codes.map(({ category }) => category));
    console.log(JSON.stringify({ categories: [...categories].sort(), systems: sets.systems.map(({ id }) => id) }));
    return;
  }
  const storage = await openStorage(config);
  try {
    if (status !== true) {
      // New sets are in force by having been read.
      if (storage.sets !== 'new') await addLabelRevision(storage.database, sets);
      await storage.labels.refresh();
      await relabel(storage);
    }
    for (const line of await readLabelStatus(storage.database)) console.log(JSON.stringify(line));
  } finally {
    await storage.close();
  }
}

async function relabel({ database }: Storage): Promise<void> {
  let reportedAt = 0;
  for (;;) {
    const outcome = await relabelBatch(database);
    if (outcome === 'done') return;
    if (outcome === 'busy') {
      await sleep(busyMs);
    } else if (performance.now() - reportedAt > reportMs) {
      reportedAt = performance.now();
      console.error(`${outcome.rowsRead} rows read, ${outcome.rowsChanged} changed`);
    }
  }
}
