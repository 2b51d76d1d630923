/**
 * The tick of what is done by the clock: one a second for a whole process, however much is due. What is due, and whose turn it is, the
 * database says: a tick that is missed or comes late only makes the next one find more.
 */
import { createTask } from 'node-cron';
import { setTimeout as pause } from 'node:timers/promises';

export interface TickOptions {
  readonly name: string;
  /** Never runs twice at a time: a tick that comes meanwhile is left out. */
  readonly tick: () => Promise<void>;
  /** Up to so long after the second, at random, so that processes take turns at being first. */
  readonly spreadMs?: number;
  readonly onError?: (error: unknown) => void;
}

export interface Ticking {
  /** Resolves when the tick that is under way has ended. */
  close(): Promise<void>;
}

const spreadMsDefault = 800;

export function startTicking({ name, tick, spreadMs = spreadMsDefault, onError }: TickOptions): Ticking {
  const closing = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const run = async (): Promise<void> => {
    await pause(Math.random() * spreadMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    if (!closing.signal.aborted) await tick();
  };
  const task = createTask('* * * * * *', () => (running = run().catch((error: unknown) => onError?.(error))), {
    name,
    noOverlap: true,
    unref: true,
    suppressMissedWarning: true,
    // Its own words about overlaps and late timers say nothing that lag does not.
    logger: {
      info: () => undefined,
      warn: () => undefined,
      debug: () => undefined,
      error: (error) => onError?.(error),
    },
  });
  void task.start();
  return {
    close: async () => {
      closing.abort();
      await task.destroy();
      await running;
    },
  };
}
