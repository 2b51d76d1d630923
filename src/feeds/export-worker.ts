/** The worker of exports: takes those that are due in the slots it holds, a step at a time, and forgets what has expired. */
import type { Database } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { openLeases, type Lease } from '../jobs/lease.ts';
import { startWorker } from '../jobs/worker.ts';
import { forgetExpired } from './export.ts';
import { collectStep, stepLimits, type StepLimits } from './export-run.ts';

export interface ExportingOptions {
  readonly database: Database;
  /** Unique among all processes and starts. */
  readonly worker: string;
  /** FHIR base URL. */
  readonly base: string;
  readonly limits?: Partial<StepLimits>;
  readonly leaseMs?: number;
  /** The wait after a step that failed; it grows with each. */
  readonly retryMs?: number;
  readonly onError?: (error: unknown) => void;
}

export interface Exporting {
  /** Ends the steps under way and gives the slots back. */
  close(): Promise<void>;
}

/** Exports of a process that collect at a time; more would take the database from those who wait for an answer. */
const concurrency = 2;
/** A step that fails so often by itself is not tried again. */
const attemptsMax = 5;
const retryMsDefault = 2_000;
const forgetPauseMs = 60_000;

interface DueJob {
  readonly id: string;
  readonly slot: number;
}

export async function startExporting(options: ExportingOptions): Promise<Exporting> {
  const { database, worker, base, onError, retryMs = retryMsDefault } = options;
  const limits = { ...stepLimits, ...options.limits };
  const leaseMs = options.leaseMs;
  const leases = await openLeases({ database, kind: 'export', worker, onError, ...(leaseMs && { leaseMs }) });
  let forgottenAt = 0;
  const running = startWorker<DueJob>({
    leases,
    concurrency,
    batchMax: 1,
    onError,
    work: {
      pick: async (slots, limit) => {
        if (Date.now() - forgottenAt >= forgetPauseMs) {
          forgottenAt = Date.now();
          await forgetExpired(database);
        }
        return database.query<DueJob>(sql`
          select distinct on (slot) id::text, slot from export_job
          where status = 'collecting' and slot = any(${slots}::smallint[]) and due_at <= now() and expires_at > now()
          order by slot, due_at limit ${limit}`);
      },
      handle: async (jobs, held) => {
        for (const { id, slot } of jobs) {
          await step(database, id, {
            run: async () =>
              database.inTransaction(async (tx) => {
                await leases.confirm(
                  tx,
                  held.filter((lease: Lease) => lease.slot === slot),
                );
                await collectStep(tx, id, base, limits);
              }),
            retryMs,
            onError,
          });
        }
      },
    },
  });
  return {
    close: async () => {
      await running.close();
      await leases.close();
    },
  };
}

interface Step {
  readonly run: () => Promise<void>;
  readonly retryMs: number;
  readonly onError: ((error: unknown) => void) | undefined;
}

/** An error of the database's connection, or of the lease, says nothing of the export: it is tried again as it is. */
async function step(database: Database, id: string, { run, retryMs, onError }: Step): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (error instanceof Problem && ['transient', 'lock-error'].includes(error.code)) throw error;
    onError?.(error);
    await database.query(sql`
      update export_job set attempts = attempts + 1, due_at = now() + ${retryMs} * interval '1 ms' * (attempts + 1),
        status = case when attempts + 1 >= ${attemptsMax} then 'failed' else status end
      where id = ${id}::uuid and status = 'collecting'`);
  }
}
