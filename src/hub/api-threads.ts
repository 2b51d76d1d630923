/**
 * The facade on more than one thread: each listens on the hub's own port, where the kernel deals connections out, with its own
 * connections to the database and its own shard of the audit trail. What else the hub serves they pass on (pass-on.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Addresses, Config } from '../config.ts';
import type { Logger } from './log.ts';
import type { Metrics, Snapshot } from './metrics.ts';
import { KeptThread } from './thread.ts';

export interface ApiThreadData {
  readonly config: Config;
  readonly addresses: Addresses;
  readonly url: string;
  readonly port: number;
  /** Of the main thread's socket. */
  readonly doorway: string;
}

export type ApiOrder = { readonly kind: 'close' } | { readonly kind: 'snapshot'; readonly id: number };
export type ApiReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'snapshot'; readonly id: number; readonly snapshot: Snapshot };

export interface ApiThreadsOptions extends ApiThreadData {
  /** Beside the main thread. */
  readonly count: number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface ApiThreads {
  /** Each answers what it has taken, within the grace of the main thread's own listener. */
  close(): Promise<void>;
}

/** One that cannot start is tried again and told in the log; the hub serves without it meanwhile, and can be stopped. */
const startMs = 5_000;
/** A thread that is busy for longer is left out of this scrape. */
const snapshotMs = 1_000;

/**
 * Half of the cores: the other half is PostgreSQL's, which takes about as long for a request (docs/decisions/0019). Elsewhere than
 * on Linux the kernel does not deal connections out.
 */
export function apiThreadsBesideMain({ roles, workers }: Config, platform = process.platform): number {
  return roles.has('api') && platform === 'linux' ? Math.ceil(workers / 2) - 1 : 0;
}

/** Resolves when all of them listen, or when one is so late that the others should not wait for it. */
export async function startApiThreads({ count, log, metrics, ...data }: ApiThreadsOptions): Promise<ApiThreads> {
  const asked = new Map<number, (snapshot: Snapshot) => void>();
  let lastId = 0;
  let ready = 0;
  let isReady: () => void;
  const allReady = new Promise<void>((resolve) => {
    isReady = resolve;
  });
  const take = (report: ApiReport): void => {
    if (report.kind === 'snapshot') asked.get(report.id)?.(report.snapshot);
    else if (++ready === count) isReady();
  };
  const threads = Array.from(
    { length: count },
    () =>
      new KeptThread<ApiOrder, ApiReport>({
        file: 'api-thread.ts',
        data: () => data,
        log,
        take,
        closing: { kind: 'close' },
      }),
  );
  const snapshotOf = (thread: KeptThread<ApiOrder, ApiReport>): Promise<Snapshot> => {
    const id = ++lastId;
    return new Promise<Snapshot>((resolve) => {
      const timer = setTimeout(resolve, snapshotMs, []);
      asked.set(id, (snapshot) => {
        clearTimeout(timer);
        resolve(snapshot);
      });
      thread.order({ kind: 'snapshot', id });
    }).finally(() => asked.delete(id));
  };
  metrics.gatherFrom(() => Promise.all(threads.map(snapshotOf)));
  await Promise.race([allReady, sleep(startMs, undefined, { ref: false })]);
  return {
    close: async () => {
      metrics.gatherFrom(async () => []);
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}
