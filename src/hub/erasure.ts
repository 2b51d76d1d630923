/**
 * What the clock does for patients, in processes with the role `worker`: whoever saw something under a Consent that has ended is asked
 * to delete its copies, and who wants to be forgotten is. Each round takes what is due, a few at a time; several processes share it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Audit } from '../access/audit/audit.ts';
import { askForDeletion } from '../access/erasure/ask.ts';
import type { Database } from '../db.ts';
import { eraseStep } from './erase.ts';
import type { Logger } from './log.ts';

/** Nobody waits for it: what is due is done within this. */
const idleMs = 5_000;
/** Between two batches, so that what is asked meanwhile does not wait. */
const pauseMs = 50;

export interface Erasing {
  /** Finishes the batch that is under way. */
  close(): Promise<void>;
}

export function startErasure(options: {
  readonly database: Database;
  readonly audit: Audit;
  readonly log: Pick<Logger, 'error'>;
}): Erasing {
  const { database, audit, log } = options;
  const closing = new AbortController();
  const running = (async () => {
    while (!closing.signal.aborted) {
      let isBusy = false;
      try {
        isBusy = (await askForDeletion(database, audit)) > 0;
        isBusy = (await eraseStep(database, audit)) === 'busy' || isBusy;
      } catch (error) {
        // The database is away; what is due stays due.
        log.error({ error }, 'erasure did not get on, and goes on');
      }
      const ms = isBusy ? pauseMs : idleMs;
      await sleep(ms, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    close: async () => {
      closing.abort();
      await running;
    },
  };
}
