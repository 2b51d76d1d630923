/**
 * Who saw what, of whom, and why: one row per access and patient (those of a commit in one block), committed before the answer leaves. What cannot be
 * recorded is not answered.
 *
 * Cheap by group commit: while one INSERT is under way the next rows gather, and under load as long again, so that a
 * busy process writes some hundred statements a second whatever the number of reads. Each process extends a hash chain of
 * its own (a shard, claimed by lease and fenced), so processes do not wait for each other.
 *
 * @see https://profiles.ihe.net/ITI/BALP/ Basic Audit Log Patterns: one event per patient
 */
import { setImmediate as immediate, setTimeout as wait } from 'node:timers/promises';
import type { Database, Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { typeCode } from '../../fhir/types.ts';
import type { Unplaced } from './block.ts';
import { append, claimAttemptsMax, claimShard, noShard, releaseShard, type Shard } from './shard.ts';
import type { Principal } from '../principal/principal.ts';

export const outcomes = { success: 0, refused: 4, failed: 8 } as const;

/** What was asked. One value for all patients of an answer. */
export interface AuditContext {
  /** Absent: who asked could not be established. */
  readonly principal?: Principal;
  /** A FHIR restful-interaction code (`read`, `search-type`, `create`), or a name of audit/kinds.ts (`login`, `token`). */
  readonly interaction: string;
  readonly type?: string;
  readonly id?: string;
  /** Names of the search parameters, joined by `&`. Never their values: an audit row outlives what it is about. */
  readonly query?: string;
  readonly correlationId?: string;
  /** IP address of the connection. */
  readonly address?: string;
  /** Of a write: the version it made. */
  readonly version?: number;
  /** What whoever asked said they need it for. */
  readonly reason?: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What came of it for one patient (or for none). */
export interface AuditEntry {
  readonly context: AuditContext;
  readonly patient?: string;
  /** Rows of this patient in the answer. */
  readonly rows: number;
  readonly decidedBy?: string;
  readonly outcome: keyof typeof outcomes;
}

export interface Audit {
  /** Resolves when the entries are committed. @throws Problem transient when they cannot be: refuse the answer. */
  record(entries: readonly AuditEntry[]): Promise<void>;
  /**
   * Work and the entries it gives in one transaction: both are committed, or neither is.
   * @throws Problem transient when they cannot be recorded
   */
  inTransaction<T>(database: Database, work: (tx: Tx) => Promise<Recorded<T>>): Promise<T>;
  /** Writes what is waiting and gives the shards back. */
  close(): Promise<void>;
}

/** What work in a transaction comes to, and what is kept of it. */
export interface Recorded<T> {
  readonly value: T;
  readonly entries: readonly AuditEntry[];
}

export interface AuditOptions {
  /** How long rows gather under load, at least. */
  readonly gatherMs?: number;
  /** Told of each INSERT: how many rows it wrote, or failed to write. */
  readonly observe?: ObserveAudit;
}

export type ObserveAudit = (outcome: 'written' | 'failed', rows: number) => void;

const gatherMsDefault = 1;
/**
 * Rows gather for as long as the last INSERT took, but no longer than this: on a slow disk or a busy machine more of them share a
 * commit. A row costs PostgreSQL and us 39 us when eight share one, 18 of 24 and 10 of 64 (decision 0037).
 */
const gatherMsMax = 5;
/** Rows of one INSERT: some 400 kB. */
const batchRowsMax = 1000;
/** Beyond this the database does not keep up; waiting longer would only fill the memory. */
const waitingRowsMax = 50_000;

/** A row of an answer, and whom it is about. */
export interface Disclosed {
  readonly patient: string | null;
  readonly otherPatients?: readonly string[] | undefined;
  readonly decidedBy: string | null;
}

/**
 * The entries of an answer: one for each patient among its rows, and one for each patient that was asked for and has none,
 * so that they see who tried.
 */
export function auditEntries(
  context: AuditContext,
  rows: readonly Disclosed[],
  askedFor: readonly string[] = [],
): AuditEntry[] {
  const entries = new Map<string | null, { patient?: string; rows: number; decidedBy?: string }>();
  const add = (patient: string | null, decidedBy: string | undefined): void => {
    const entry = entries.get(patient);
    if (entry === undefined) {
      entries.set(patient, { patient: patient ?? undefined, rows: 1, decidedBy });
      return;
    }
    entry.rows++;
    if (decidedBy !== entry.decidedBy && decidedBy?.startsWith('consent:')) {
      entry.decidedBy = withReason(entry.decidedBy, decidedBy);
    }
  };
  for (const { patient, otherPatients, decidedBy } of rows) {
    add(patient, decidedBy ?? undefined);
    // Whose Consent let the row through is nothing for the others to read (LEAKS 20).
    for (const other of otherPatients ?? []) add(other, decidedBy?.split(':', 1)[0]);
  }
  for (const patient of askedFor) if (!entries.has(patient)) entries.set(patient, { patient, rows: 0 });
  if (entries.size === 0) entries.set(null, { rows: 0 });
  return Array.from(entries.values(), (entry) => ({
    context,
    ...entry,
    outcome: entry.rows > 0 ? 'success' : 'refused',
  }));
}

/** More than decide on one patient's records; the trail ends somewhere. */
const reasonsMax = 12;

/** What let the rows of one patient through; every Consent among it once. Separated by spaces, which no name of a Consent has. */
function withReason(known: string | undefined, reason: string): string {
  if (known === undefined) return reason;
  const reasons = known.split(' ');
  return reasons.includes(reason) || reasons.length >= reasonsMax ? known : `${known} ${reason}`;
}

interface Waiting {
  readonly entries: readonly AuditEntry[];
  readonly resolve: () => void;
  readonly reject: (problem: Problem) => void;
}

/** @param db a handle of its own (one pipeline), so that commits of the trail hold up no reads */
export function openAudit(db: Database, { gatherMs = gatherMsDefault, observe }: AuditOptions = {}): Audit {
  let waiting: Waiting[] = [];
  let waitingRows = 0;
  let running: Promise<void> | undefined;
  /** Shards of this process that nobody extends at the moment: one for reads, and one for each write at the same time. */
  const idle: Shard[] = [];

  /** Extends a chain by these rows: in a transaction that is under way, or by itself. @returns the chain's new end */
  const extend = async (tx: Tx, entries: readonly AuditEntry[]): Promise<Shard> => {
    const rows = entries.map(rowOf);
    for (let attempt = 1; attempt <= claimAttemptsMax; attempt++) {
      // Claimed by itself: a claim that is undone with a transaction would be a shard that two have.
      const shard = idle.pop() ?? (await claimShard(db));
      const extended = await append(tx, shard, rows).catch((error: unknown) => {
        // What the database refused was not written. Where the answer was lost that is unknown, and with it the end of the
        // chain: such a shard is left to its lease.
        if (!(error instanceof Problem && error.code === 'transient')) idle.push(shard);
        throw error;
      });
      if (extended !== undefined) return extended;
      // Somebody else holds that shard by now: take another one and chain the same rows there.
    }
    throw noShard();
  };

  const cannotRecord = (cause: unknown): Problem =>
    new Problem('transient', 'the access could not be recorded, so it is refused', { cause });

  const run = async (): Promise<void> => {
    let isBusy = false;
    let tookMs = 0;
    while (waiting.length > 0) {
      // At least to the end of this turn of the event loop: answers that are ready together share a commit.
      const gathering = Math.max(gatherMs, Math.min(tookMs, gatherMsMax));
      await (isBusy && gatherMs > 0 ? wait(gathering) : immediate());
      const startedAt = performance.now();
      const batch = takeBatch(waiting);
      waiting = waiting.slice(batch.length);
      let outcome: 'written' | 'failed' = 'written';
      try {
        idle.push(
          await extend(
            db,
            batch.flatMap(({ entries }) => entries),
          ),
        );
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        outcome = 'failed';
        const problem = cannotRecord(cause);
        for (const { reject } of batch) reject(problem);
      }
      tookMs = performance.now() - startedAt;
      let rows = 0;
      for (const { entries } of batch) rows += entries.length;
      waitingRows -= rows;
      observe?.(outcome, rows);
      isBusy = batch.length > 1;
    }
  };

  const start = (): void => {
    running ??= run().finally(() => {
      running = undefined;
      if (waiting.length > 0) start();
    });
  };

  const settled = async (): Promise<void> => {
    if (running === undefined) return;
    await running;
    await settled();
  };

  return {
    record: async (entries) => {
      if (entries.length === 0) return;
      if (waitingRows + entries.length > waitingRowsMax) {
        throw new Problem('transient', 'the audit trail does not keep up, so the access is refused');
      }
      waitingRows += entries.length;
      await new Promise<void>((resolve, reject) => {
        waiting.push({ entries, resolve, reject });
        start();
      });
    },
    inTransaction: async (database, work) => {
      let extended: Shard | undefined;
      let rows = 0;
      const value = await database.inTransaction(async (tx) => {
        const done = await work(tx);
        rows = done.entries.length;
        if (rows === 0) return done.value;
        // Its last statement, so that the end of the chain is locked no longer than the commit takes.
        extended = await extend(tx, done.entries).catch((cause: unknown) => {
          observe?.('failed', rows);
          throw cannotRecord(cause);
        });
        return done.value;
      });
      if (extended !== undefined) idle.push(extended);
      if (rows > 0) observe?.('written', rows);
      return value;
    },
    close: async () => {
      await settled();
      for (const shard of idle.splice(0)) await releaseShard(db, shard);
    },
  };
}

/** At least one record, then as many as fit. */
function takeBatch(waiting: readonly Waiting[]): Waiting[] {
  const batch: Waiting[] = [];
  let rows = 0;
  for (const one of waiting) {
    rows += one.entries.length;
    if (batch.length > 0 && rows > batchRowsMax) break;
    batch.push(one);
  }
  return batch;
}

/** What is kept of an entry, before it has a place in a chain. */
function rowOf({ context, patient, rows, decidedBy, outcome }: AuditEntry): Unplaced {
  const { principal } = context;
  return {
    at: context.at,
    client: principal?.clientId ?? null,
    subject: principal?.fhirUser ?? principal?.subject ?? null,
    organization: principal?.organization ?? null,
    purposes: principal?.purposes ?? 0,
    interaction: context.interaction,
    type: context.type === undefined ? null : (typeCode(context.type) ?? null),
    resourceId: context.id ?? null,
    patient: patient ?? null,
    rows,
    decidedBy: decidedBy ?? null,
    outcome: outcomes[outcome],
    query: context.query ?? null,
    // Of an operator at the machine there is no token.
    jti: principal === undefined || principal.jti === '' ? null : principal.jti,
    correlationId: context.correlationId ?? null,
    address: context.address ?? null,
    version: context.version ?? null,
    reason: context.reason ?? null,
  };
}
