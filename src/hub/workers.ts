/** The worker threads of this process: started, woken, started again when one ends by itself, stopped together. */
import { randomUUID, type KeyObject } from 'node:crypto';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';
import { KeptThread } from './thread.ts';

export interface WorkerData {
  readonly url: string;
  /** Unique among all processes and starts. */
  readonly name: string;
  readonly concurrency: number;
  /** Of marks (ingest/marks.ts). */
  readonly markKey: KeyObject;
}

export type WorkerOrder = 'wake' | 'close';

export type WorkerReport =
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'processed';
      readonly endpoint: string;
      readonly status: 'processed' | 'quarantined';
      readonly lagSeconds: number;
      readonly unmapped: number;
    }
  | {
      readonly kind: 'failed';
      readonly messageId?: number;
      readonly code: string;
      readonly diagnostics?: string;
      readonly stack?: string[];
    };

export interface WorkersOptions {
  readonly url: string;
  readonly count: number;
  readonly markKey: KeyObject;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface Workers {
  /** There is a new message. */
  wake(): void;
  close(): Promise<void>;
}

/** Batches a thread has under way: one waits for the disk while another is computed. */
const concurrency = 3;
/**
 * Semispaces of 16 MB, of which V8 keeps three. A batch lives as long as its transaction: with 4 MB it was copied from space
 * to space: 4.2 ms of processor time a message, 3.5 with 16 MB, 3.4 with 32 (one run each, busy machine).
 */
const resourceLimits = { maxYoungGenerationSizeMb: 48, maxOldGenerationSizeMb: 512 };

export function startWorkers(options: WorkersOptions): Workers {
  const threads = Array.from(
    { length: options.count },
    () =>
      new KeptThread<WorkerOrder, WorkerReport>({
        file: 'worker-thread.ts',
        data: (): WorkerData => ({
          url: options.url,
          name: `hub-worker-${randomUUID()}`,
          concurrency,
          markKey: options.markKey,
        }),
        resourceLimits,
        log: options.log,
        take: (report) => take(report, options),
        closing: 'close',
      }),
  );
  return {
    // One is enough: a message lies in one slot, and whoever holds it is not known here. The others look by themselves.
    wake: () => {
      for (const thread of threads) thread.order('wake');
    },
    close: async () => {
      await Promise.all(threads.map((thread) => thread.close()));
    },
  };
}

function take(report: WorkerReport, { log, metrics }: WorkersOptions): void {
  if (report.kind === 'processed') metrics.observeMessage(report);
  else if (report.kind === 'failed') {
    const { messageId, code, diagnostics, stack } = report;
    log.warn({ messageId, code, diagnostics, stack }, 'processing failed');
  }
}
