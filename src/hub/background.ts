/**
 * What is done to stored rows after a change of what is made of them (indexing, labelling again): batch by batch, half of the
 * time of one core at most, so that what is asked meanwhile does not wait.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from './log.ts';

/** A change waits no longer than this for its first batch. */
const idleMs = 5_000;
const pauseMinMs = 5;

export interface BackgroundJob {
  readonly name: 'reindexing' | 'relabelling' | 'emptying';
  /** `done`: nothing to do; `busy`: another process is at it, or it is too early. */
  readonly batch: () => Promise<'done' | 'busy' | { readonly revision: number; readonly rowsRead: number }>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Told of each change of how far it is. */
  readonly observe: (name: string, isRunning: boolean, rowsRead: number) => void;
}

export interface Background {
  /** Finishes the batch that is under way. */
  close(): Promise<void>;
}

export function startBackground(job: BackgroundJob): Background {
  const closing = new AbortController();
  const running = run(job, closing.signal);
  return {
    close: async () => {
      closing.abort();
      await running;
    },
  };
}

async function run({ name, batch, log, observe }: BackgroundJob, signal: AbortSignal): Promise<void> {
  let last: { readonly revision: number; readonly rowsRead: number } | undefined;
  while (!signal.aborted) {
    const started = performance.now();
    let pauseMs = idleMs;
    try {
      const outcome = await batch();
      if (typeof outcome === 'object') {
        if (last?.revision !== outcome.revision) log.info({ revision: outcome.revision }, `${name} begins`);
        last = outcome;
        observe(name, true, outcome.rowsRead);
        pauseMs = Math.max(pauseMinMs, performance.now() - started);
      } else if (outcome === 'done' && last !== undefined) {
        log.info({ revision: last.revision, rowsRead: last.rowsRead }, `${name} is complete`);
        observe(name, false, last.rowsRead);
        last = undefined;
      }
    } catch (error) {
      // The database is away, or a batch met another writer: the mark has not moved.
      log.warn({ error }, `${name} failed, and goes on`);
    }
    await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}
