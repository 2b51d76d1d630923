/**
 * A bulk export is a job in the database: what was asked for and by whom, how far collecting is, and the keys collected. A
 * worker collects them (export-run.ts); what is sent is rendered from the keys at download (export-file.ts), under the rights
 * of that moment, so nothing that a patient has closed since leaves the hub.
 *
 * @see https://hl7.org/fhir/uv/bulkdata/STU2/export.html
 */
import { randomUUID } from 'node:crypto';
import { readPrincipal, writePrincipal } from '../access/principal/text.ts';
import type { Principal } from '../access/principal/principal.ts';
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import type { ExportPosition } from '../store/export.ts';
import type { PopulationPosition } from '../access/predicate/population.ts';
import { timestampOf } from '../store/params/date.ts';

/** What a client asks for, checked. */
export interface ExportRequest {
  /** As it was sent, for the manifest. */
  readonly url: string;
  readonly level: 'system' | 'patient' | 'group';
  /** Absent: every type. */
  readonly types?: readonly string[];
  /** Searches of which a row of their type must match one. */
  readonly typeFilters: readonly { readonly type: string; readonly query: string }[];
  /** Epoch milliseconds. */
  readonly since?: number;
  readonly elements?: readonly string[];
  /** Only the records of these source patients. */
  readonly patients?: readonly string[];
}

/** Where collecting goes on: at the patients that come next, among the rows of nobody, or inside of a batch of patients. */
export type JobPosition =
  | { readonly phase: 'named'; readonly from: number }
  | { readonly phase: 'own'; readonly from: PopulationPosition }
  | { readonly phase: 'granted'; readonly from: string }
  | { readonly phase: 'nobody'; readonly after: ExportPosition | null }
  | {
      readonly phase: 'batch';
      readonly patients: readonly string[];
      readonly after: ExportPosition;
      /** Null: nothing. */
      readonly next: JobPosition | null;
    };

export interface ExportJob {
  readonly id: string;
  readonly slot: number;
  readonly status: 'collecting' | 'ready' | 'failed';
  readonly principal: Principal;
  readonly request: ExportRequest;
  /** Epoch milliseconds. */
  readonly requestedAt: number;
  /** Epoch milliseconds: rows are exported as they were then. */
  readonly transactionTime: number;
  readonly position: JobPosition;
  readonly rowCount: number;
  readonly expiresAt: number;
}

export interface ExportLimits {
  /** Exports of one client under way; the next is told to wait. */
  readonly runningPerClientMax: number;
  /** Of all clients: each reads the database as fast as it can. */
  readonly runningMax: number;
  /** Finished ones that a client has not deleted, and that have not expired. */
  readonly keptPerClientMax: number;
  /** A write takes its time before it begins its transaction; after this long it surely has begun, or failed. */
  readonly settleMs: number;
  /** How long after the request an export that is not finished is given up. */
  readonly collectMs: number;
  /** How long a finished one can be downloaded. */
  readonly keepMs: number;
}

export const exportLimits: ExportLimits = {
  runningPerClientMax: 2,
  runningMax: 32,
  keptPerClientMax: 20,
  settleMs: 1_000,
  collectMs: 7 * 86_400_000,
  keepMs: 86_400_000,
};

export const exportSlots = 16;

export interface KickOff {
  /** Who may poll, download and cancel, as one text. */
  readonly client: string;
  readonly principal: Principal;
  readonly request: ExportRequest;
  readonly position: JobPosition;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** @returns the id of the job @throws Problem throttled */
export async function startExport(
  db: Database,
  { client, principal, request, position, at }: KickOff,
  limits = exportLimits,
): Promise<string> {
  const id = randomUUID();
  const slot = Number.parseInt(id.slice(0, 4), 16) % exportSlots;
  await db.inTransaction(async (tx) => {
    // One after the other, so that the bounds hold.
    await tx.query(sql`select pg_advisory_xact_lock(hashtextextended('export_job', 0))`);
    const [counts] = await tx.query<{ running: number; own: number; kept: number }>(sql`
      select count(*) filter (where status = 'collecting') as running,
        count(*) filter (where status = 'collecting' and client = ${client}) as own,
        count(*) filter (where status <> 'collecting' and client = ${client}) as kept
      from export_job where expires_at > now()`);
    if ((counts?.own ?? 0) >= limits.runningPerClientMax) {
      throw new Problem('throttled', `at most ${limits.runningPerClientMax} exports of a client run at a time`, {
        hint: 'Wait until one is complete, or delete it.',
      });
    }
    if ((counts?.running ?? 0) >= limits.runningMax) {
      throw new Problem('throttled', 'the hub has as many exports under way as it can serve', {
        hint: 'Try again later.',
      });
    }
    if ((counts?.kept ?? 0) >= limits.keptPerClientMax) {
      throw new Problem('throttled', `at most ${limits.keptPerClientMax} finished exports are kept for a client`, {
        hint: 'Delete those that have been downloaded.',
      });
    }
    await tx.query(sql`
      insert into export_job (id, client, principal, request, slot, status, requested_at, transaction_time, position, due_at,
        expires_at)
      values (${id}::uuid, ${client}, ${writePrincipal(principal)}::jsonb, ${JSON.stringify(request)}::jsonb, ${slot},
        'collecting', ${timestampOf(at)}::timestamptz, ${timestampOf(at)}::timestamptz, ${JSON.stringify(position)}::jsonb,
        ${timestampOf(at + limits.settleMs)}::timestamptz, ${timestampOf(at + limits.collectMs)}::timestamptz)`);
  });
  return id;
}

interface JobRow {
  readonly id: string;
  readonly slot: number;
  readonly status: ExportJob['status'];
  readonly principal: string;
  readonly request: ExportRequest;
  readonly requested_at: Date;
  readonly transaction_time: Date;
  readonly position: JobPosition;
  readonly row_count: number;
  readonly expires_at: Date;
}

export const jobColumns = sql`id::text, slot, status, principal::text as principal, request, requested_at, transaction_time,
  position, row_count, expires_at`;

export function toJob(row: JobRow): ExportJob {
  return {
    id: row.id,
    slot: row.slot,
    status: row.status,
    principal: readPrincipal(row.principal),
    request: row.request,
    requestedAt: row.requested_at.getTime(),
    transactionTime: row.transaction_time.getTime(),
    position: row.position,
    rowCount: row.row_count,
    expiresAt: row.expires_at.getTime(),
  };
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Undefined for unknown, expired, cancelled, and another client's alike (LEAKS 7). */
export async function findExport(db: Tx, id: string, client: string): Promise<ExportJob | undefined> {
  if (!uuidPattern.test(id)) return undefined;
  const [row] = await db.query<JobRow>(sql`
    select ${jobColumns} from export_job where id = ${id}::uuid and client = ${client} and expires_at > now()`);
  return row && toJob(row);
}

/**
 * Remembers that the client asked how far it is; not while a step holds the job, which may take seconds: who asks is answered at once.
 * @returns false when it asked less than `pauseMs` ago
 */
export async function notePoll(db: Tx, id: string, pauseMs: number): Promise<boolean> {
  const [asked] = await db.query<{ is_patient: boolean }>(sql`
    with asked as (
      select coalesce(polled_at <= clock_timestamp() - ${pauseMs} * interval '1 ms', true) as is_patient
      from export_job where id = ${id}::uuid
    ), free as (
      select id from export_job where id = ${id}::uuid for no key update skip locked
    ), noted as (
      update export_job job set polled_at = clock_timestamp() from free, asked where job.id = free.id and asked.is_patient
    )
    select is_patient from asked`);
  return asked?.is_patient ?? true;
}

/** Ends collecting and forgets what was collected. @returns false when there is none of this client */
export async function cancelExport(db: Tx, id: string, client: string): Promise<boolean> {
  if (!uuidPattern.test(id)) return false;
  const rows = await db.query(sql`
    delete from export_job where id = ${id}::uuid and client = ${client} and expires_at > now() returning 1 as one`);
  return rows.length > 0;
}

/** What has expired goes, with its keys. */
export async function forgetExpired(db: Tx): Promise<void> {
  await db.query(sql`delete from export_job where expires_at <= now()`);
}
