/** Replays in the background, in processes with the role `worker`: a step four times a second while there is one. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../db.ts';
import { tickReplay } from '../ingest/replay/run.ts';
import type { Logger } from './log.ts';

/** Between steps of one that runs: at 100 messages a second, 25 each. */
const stepMs = 250;
/** Between looks whether one was asked for. */
const idleMs = 1_000;
/** A process that was paused does not make up for it at once. */
const allowanceSecondsMax = 1;

export interface Replays {
  close(): Promise<void>;
}

export function startReplays(options: {
  readonly database: Database;
  readonly log: Pick<Logger, 'error'>;
  /** There is work for the workers of this process. */
  readonly onQueued?: () => void;
}): Replays {
  const { database, log, onQueued } = options;
  const closing = new AbortController();
  const worker = `replay-${randomUUID()}`;
  const running = (async () => {
    let allowance = 0;
    let rate = 0;
    let at = performance.now();
    while (!closing.signal.aborted) {
      const seconds = (performance.now() - at) / 1_000;
      at = performance.now();
      allowance = Math.min(allowance + rate * seconds, rate * allowanceSecondsMax);
      let pauseMs = idleMs;
      try {
        const ticked = await tickReplay({ database, worker, now: new Date(), allowance });
        ({ rate } = ticked);
        allowance -= ticked.queued;
        if (ticked.queued > 0) onQueued?.();
        pauseMs = { none: idleMs, planning: 0, running: stepMs }[ticked.phase];
      } catch (error) {
        // Nothing of the step was kept; the next one does it again.
        log.error({ error }, 'a step of a replay failed');
      }
      await sleep(pauseMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    close: async () => {
      closing.abort();
      await running;
    },
  };
}
