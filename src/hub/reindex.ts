/** Reindexing in the background: half of the time of one core at most, so that what is asked meanwhile does not wait. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db.ts';
import { reindexBatch, type Progress } from '../store/reindex.ts';
import type { Logger } from './log.ts';

/** A parameter that is new waits no longer than this for its first batch. */
const idleMs = 5_000;
const pauseMinMs = 5;

export interface Reindexing {
  /** Finishes the batch that is under way. */
  close(): Promise<void>;
}

export function startReindexing(database: Database, log: Pick<Logger, 'info' | 'warn'>): Reindexing {
  const closing = new AbortController();
  const running = run(database, log, closing.signal);
  return {
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

async function run(database: Database, log: Pick<Logger, 'info' | 'warn'>, signal: AbortSignal): Promise<void> {
  let last: Progress | undefined;
  while (!signal.aborted) {
    const started = performance.now();
    let pauseMs = idleMs;
    try {
      const outcome = await reindexBatch(database);
      if (typeof outcome === 'object') {
        if (last?.revision !== outcome.revision) log.info({ revision: outcome.revision }, 'reindexing begins');
        last = outcome;
        pauseMs = Math.max(pauseMinMs, performance.now() - started);
      } else if (outcome === 'done' && last !== undefined) {
        log.info(last, 'reindexing is complete');
        last = undefined;
      }
    } catch (error) {
      // The database is away, or a batch met another writer: the mark has not moved.
      log.warn({ error }, 'reindexing failed, and goes on');
    }
    await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
