/**
 * Who saw what, of whom, and why: one row per access and patient, committed before the answer leaves. What cannot be
 * recorded is not answered.
 *
 * Cheap by group commit: while one INSERT is under way the next rows gather, and under load a millisecond more, so that a
 * busy process writes some hundred statements a second whatever the number of reads. Each process extends a hash chain of
 * its own (a shard, claimed by lease and fenced), so processes do not wait for each other.
 *
 * @see https://profiles.ihe.net/ITI/BALP/ Basic Audit Log Patterns: one event per patient
 */
import { setImmediate as immediate, setTimeout as wait } from 'node:timers/promises';
import type { Database } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode } from '../fhir/types.ts';
import { chainHash, genesis, rowText } from './audit-chain.ts';
import type { Principal } from './principal.ts';

export const outcomes = { success: 0, refused: 4, failed: 8 } as const;

/** What was asked. One value for all patients of an answer. */
export interface AuditContext {
  /** Absent: who asked could not be established. */
  readonly principal?: Principal;
  /** A FHIR restful-interaction code: `read`, `search-type`, `create`, ... */
  readonly interaction: string;
  readonly type?: string;
  readonly id?: string;
  /** Names of the search parameters, joined by `&`. Never their values: an audit row outlives what it is about. */
  readonly query?: string;
  readonly correlationId?: string;
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
  /** Writes what is waiting and gives the shard back. */
  close(): Promise<void>;
}

export interface AuditOptions {
  /** How long rows gather under load. */
  readonly gatherMs?: number;
}

const gatherMsDefault = 1;
/** Rows of one INSERT: some 500 kB. */
const batchRowsMax = 1000;
/** Beyond this the database does not keep up; waiting longer would only fill the memory. */
const waitingRowsMax = 50_000;
/** A process that died leaves its shard unused for so long; renewed by every write. */
const leaseSeconds = 30;
const claimAttemptsMax = 5;

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
    if (entry !== undefined) entry.rows++;
    else entries.set(patient, { patient: patient ?? undefined, rows: 1, decidedBy });
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

interface Shard {
  readonly shard: number;
  readonly fence: number;
  seq: number;
  hash: string;
}

interface Waiting {
  readonly entries: readonly AuditEntry[];
  readonly resolve: () => void;
  readonly reject: (problem: Problem) => void;
}

/** @param db a handle of its own (one pipeline), so that commits of the trail hold up no reads */
export function openAudit(db: Database, { gatherMs = gatherMsDefault }: AuditOptions = {}): Audit {
  let waiting: Waiting[] = [];
  let waitingRows = 0;
  let shard: Shard | undefined;
  let running: Promise<void> | undefined;

  const write = async (batch: readonly Waiting[]): Promise<void> => {
    const entries = batch.flatMap((one) => one.entries);
    for (let attempt = 1; attempt <= claimAttemptsMax; attempt++) {
      shard ??= await claimShard(db);
      const written = await append(db, shard, entries);
      if (written) return;
      // Somebody else holds the shard by now: take another one and chain the same rows there.
      shard = undefined;
    }
    throw new Problem('transient', 'no shard of the audit trail could be claimed');
  };

  const run = async (): Promise<void> => {
    let isBusy = false;
    while (waiting.length > 0) {
      // At least to the end of this turn of the event loop: answers that are ready together share a commit.
      await (isBusy && gatherMs > 0 ? wait(gatherMs) : immediate());
      const batch = takeBatch(waiting);
      waiting = waiting.slice(batch.length);
      try {
        await write(batch);
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        // Written or not is unknown, and with it the end of the chain: read it again.
        shard = undefined;
        const problem = new Problem('transient', 'the access could not be recorded, so it is refused', { cause });
        for (const { reject } of batch) reject(problem);
      }
      for (const { entries } of batch) waitingRows -= entries.length;
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
    close: async () => {
      await settled();
      if (shard === undefined) return;
      const { shard: number, fence } = shard;
      shard = undefined;
      await db.query(
        sql`update audit_shard set lease_until = '-infinity' where shard = ${number} and fence = ${fence}`,
      );
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

/** A shard whose lease ran out, or a new one. */
async function claimShard(db: Database): Promise<Shard> {
  for (let attempt = 1; attempt <= claimAttemptsMax; attempt++) {
    const [free] = await db.query<Shard>(sql`
      update audit_shard set fence = fence + 1, lease_until = now() + make_interval(secs => ${leaseSeconds})
      where shard = (
        select shard from audit_shard where lease_until < now() order by shard limit 1 for update skip locked)
      returning shard, fence, last_seq as seq, encode(last_hash, 'hex') as hash`);
    if (free !== undefined) return free;
    const [fresh] = await db.query<Shard>(sql`
      insert into audit_shard (shard, fence, lease_until, last_hash)
      select coalesce(max(shard), -1) + 1, 1, now() + make_interval(secs => ${leaseSeconds}), decode(${genesis}, 'hex')
      from audit_shard
      on conflict (shard) do nothing returning shard, fence, last_seq as seq, encode(last_hash, 'hex') as hash`);
    if (fresh !== undefined) return fresh;
  }
  throw new Problem('transient', 'no shard of the audit trail could be claimed');
}

/** One statement: the end of the chain moves and the rows appear together, or neither. False: the shard is not ours. */
async function append(db: Database, shard: Shard, entries: readonly AuditEntry[]): Promise<boolean> {
  let { seq, hash } = shard;
  const rows: string[] = [];
  for (const entry of entries) {
    const text = textOf(shard.shard, ++seq, entry);
    hash = chainHash(hash, text);
    rows.push(`${text},"${hash}"]`);
  }
  const moved = await db.query<{ shard: number }>(sql`
    with head as (
      update audit_shard set last_seq = ${seq}, last_hash = decode(${hash}, 'hex'),
        lease_until = now() + make_interval(secs => ${leaseSeconds})
      where shard = ${shard.shard} and fence = ${shard.fence} and last_seq = ${shard.seq}
      returning shard
    ), written as (
      insert into audit_event (shard, seq, at, client, subject, organization, purposes, interaction, type, resource_id,
        patient, rows, decided_by, outcome, query, jti, correlation_id, hash)
      select head.shard, (row ->> 1)::int8, to_timestamp((row ->> 2)::float8 / 1000), row ->> 3, row ->> 4, row ->> 5,
        (row ->> 6)::int, row ->> 7, (row ->> 8)::smallint, row ->> 9, row ->> 10, (row ->> 11)::int, row ->> 12,
        (row ->> 13)::smallint, row ->> 14, row ->> 15, row ->> 16, decode(row ->> 17, 'hex')
      from head, jsonb_array_elements(${`[${rows.join(',')}]`}::jsonb) as row
    )
    select shard from head`);
  if (moved.length === 0) return false;
  shard.seq = seq;
  shard.hash = hash;
  return true;
}

function textOf(shard: number, seq: number, { context, patient, rows, decidedBy, outcome }: AuditEntry): string {
  const { principal } = context;
  return rowText({
    shard,
    seq,
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
    jti: principal?.jti ?? null,
    correlationId: context.correlationId ?? null,
  });
}
