/**
 * Collecting the keys of an export, a bounded step at a time. A step is one transaction: keys, position and the lease of the
 * worker that made it stand or fall together, so a worker that dies is followed by one that goes on where the last step ended.
 *
 * Rows are taken as they were at the transaction time. Collecting begins when every transaction that could still write a row of
 * before that time has ended: nothing of before can appear behind it.
 */
import { grantingPatients, ownPatients, populationStart } from '../access/predicate/population.ts';
import { visibility } from '../access/predicate/predicate.ts';
import { isSource } from '../access/principal/principal.ts';
import { seenBy } from '../access/predicate/seen-by.ts';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { parseSearch, type SearchRequest } from '../fhir/search.ts';
import { samePersons } from '../identity/link.ts';
import { selectKeysOf, selectKeysOfNobody, type ExportKey, type ExportQuery } from '../store/export.ts';
import { patientsNamed } from '../store/search.ts';
import { jobColumns, toJob, type ExportJob, type JobPosition } from './export.ts';
import { appendKeys } from './export-parts.ts';

export interface StepLimits {
  /** Patients of one statement; as many as a Visibility reads the consents of at once. */
  readonly patientsMax: number;
  /** Keys of one statement, and of one step. */
  readonly keysMax: number;
  /** How often it is looked whether earlier transactions have ended. */
  readonly waitMs: number;
  /** How long a finished export can be downloaded. */
  readonly keepMs: number;
}

export const stepLimits: StepLimits = { patientsMax: 50, keysMax: 5_000, waitMs: 100, keepMs: 86_400_000 };

/** Where collecting begins. */
export function startPosition({ patients }: ExportJob['request']): JobPosition {
  return patients === undefined ? { phase: 'own', from: populationStart } : { phase: 'named', from: 0 };
}

/** @param base the server's FHIR base URL, for the searches of `_typeFilter` */
export async function collectStep(tx: Tx, id: string, base: string, limits = stepLimits): Promise<void> {
  const [row] = await tx.query<Parameters<typeof toJob>[0]>(sql`
    select ${jobColumns} from export_job where id = ${id}::uuid and status = 'collecting' for update`);
  // Cancelled meanwhile.
  if (row === undefined || !(await isSettled(tx, id, limits))) return;
  const job = toJob(row);
  const query = await queryOf(tx, job, base, limits);
  const keys: ExportKey[] = [];
  let position: JobPosition | null = job.position;
  let batches = 0;
  while (position !== null && keys.length < limits.keysMax && batches++ < batchesMax) {
    const batch: Batch = await collectBatch(tx, job, position, query, limits);
    keys.push(...batch.keys);
    position = batch.next;
  }
  if (keys.length > 0) await appendKeys(tx, id, keys);
  await tx.query(sql`
    update export_job set position = ${JSON.stringify(position ?? job.position)}::jsonb, row_count = row_count + ${keys.length},
      attempts = 0, status = ${position === null ? 'ready' : 'collecting'},
      expires_at = case when ${position === null}::boolean
        then now() + ${limits.keepMs} * interval '1 ms' else expires_at end
    where id = ${id}::uuid`);
}

/** Batches that find nothing are quick, but not free: a step ends at some time. */
const batchesMax = 20;

/** The first look takes the number of a transaction that is later; the export waits until nothing before it runs. */
async function isSettled(tx: Tx, id: string, { waitMs }: StepLimits): Promise<boolean> {
  const [job] = await tx.query<{ is_settled: boolean }>(sql`
    update export_job set horizon = coalesce(horizon, pg_current_xact_id()),
      due_at = case when horizon < pg_snapshot_xmin(pg_current_snapshot()) then due_at
        else now() + ${waitMs} * interval '1 ms' end
    where id = ${id}::uuid
    returning coalesce(horizon < pg_snapshot_xmin(pg_current_snapshot()), false) as is_settled`);
  return job?.is_settled ?? false;
}

async function queryOf(tx: Tx, job: ExportJob, base: string, limits: StepLimits): Promise<ExportQuery> {
  const { principal, request, transactionTime } = job;
  const filters = request.typeFilters.map(({ type, query }): SearchRequest =>
    parseSearch(type, query, { handling: 'strict', base, now: job.requestedAt }),
  );
  return {
    at: transactionTime,
    ...(request.since === undefined ? {} : { since: request.since }),
    ...(request.types === undefined ? {} : { types: request.types }),
    filters,
    aliases: await samePersons(tx, filters.flatMap(patientsNamed)),
    visibilityOf: seenBy(principal),
    limit: limits.keysMax,
  };
}

interface Batch {
  readonly keys: readonly ExportKey[];
  /** Null: that was the last. */
  readonly next: JobPosition | null;
}

async function collectBatch(
  tx: Tx,
  job: ExportJob,
  position: JobPosition,
  query: ExportQuery,
  limits: StepLimits,
): Promise<Batch> {
  const { principal, request } = job;
  const types = request.types && { types: request.types };
  if (position.phase === 'nobody') {
    const visible = visibility(principal, { interaction: 's', ...types });
    const owner = principal.organization as string;
    const page = await selectKeysOfNobody(tx, visible, owner, query, position.after ?? undefined);
    return { keys: page.keys, next: page.next === undefined ? null : { phase: 'nobody', after: page.next } };
  }
  const { patients, next, after } =
    position.phase === 'batch' ? position : { ...(await nextPatients(tx, job, position, limits)), after: undefined };
  if (patients.length === 0) return { keys: [], next };
  const visible = visibility(principal, { interaction: 's', patients, ...types });
  const page = await selectKeysOf(tx, visible, patients, query, after);
  // The list is kept: who is asked for again next time may be others by then.
  return {
    keys: page.keys,
    next: page.next === undefined ? next : { phase: 'batch', patients, after: page.next, next },
  };
}

/** Some patients, and what follows them. */
async function nextPatients(
  tx: Tx,
  { principal, request }: ExportJob,
  position: Exclude<JobPosition, { phase: 'nobody' | 'batch' }>,
  { patientsMax }: StepLimits,
): Promise<{ patients: readonly string[]; next: JobPosition | null }> {
  if (position.phase === 'named') {
    const { patients = [] } = request;
    const from = position.from + patientsMax;
    return {
      patients: patients.slice(position.from, from),
      next: from < patients.length ? { phase: 'named', from } : null,
    };
  }
  if (position.phase === 'own') {
    const page = await ownPatients(tx, principal, position.from, patientsMax);
    const last = page.length < patientsMax ? undefined : page.at(-1);
    return {
      patients: page.map(({ patient }) => patient),
      next: last === undefined ? { phase: 'granted', from: '' } : { phase: 'own', from: last },
    };
  }
  const page = await grantingPatients(tx, principal, position.from, patientsMax);
  const patients = page.filter(({ isOwn }) => !isOwn).map(({ patient }) => patient);
  const last = page.length < patientsMax ? undefined : page.at(-1);
  if (last !== undefined) return { patients, next: { phase: 'granted', from: last.patient } };
  // What is in nobody's record is exported with the whole system only.
  const isWhole = request.level === 'system' && isSource(principal);
  return { patients, next: isWhole ? { phase: 'nobody', after: null } : null };
}
