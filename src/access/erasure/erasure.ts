/**
 * A person asks that the hub forgets them: the request, its confirmation, the days in which it can be taken back, and what lifts it
 * afterwards. What is done then is hub/erase.ts's; here is who may, and what is known of it.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';

/** A confirmation is of what was read a moment ago. */
const confirmMinutes = 60;
/** Long enough to find out that somebody else did it, and well within the month of GDPR article 12(3). */
export const coolingDays = 7;

export type ErasureState = 'asked' | 'waiting' | 'ending' | 'erasing' | 'settling' | 'done' | 'cancelled';

export interface Erasure {
  readonly id: string;
  readonly patients: string[];
  readonly state: ErasureState;
  readonly dueAt: Date;
  readonly held: string[];
  readonly markedAt: Date | null;
  readonly messageId: number;
  readonly rows: number;
  readonly messages: number;
  readonly doneAt: Date | null;
}

const columns = sql`id::text as id, patients, state, due_at as "dueAt", held, marked_at as "markedAt", message_id as "messageId",
  rows_erased::int as rows, messages_erased::int as messages, done_at as "doneAt"`;

const openStates = ['waiting', 'ending', 'erasing', 'settling'];

/** The one that is under way for any of these records. */
export async function openErasure(tx: Tx, patients: readonly string[]): Promise<Erasure | undefined> {
  const [row] = await tx.query<Erasure>(sql`
    select ${columns} from erasure where patients && ${textArray(patients)}::text[]
      and state = any(${textArray(openStates)}::text[])
    order by requested_at limit 1`);
  return row;
}

/**
 * The one that says how it stands: that was confirmed or ordered last.
 * @param held of these records, those that an organization must keep
 */
export async function latestErasure(
  tx: Tx,
  patients: readonly string[],
  held: readonly string[],
): Promise<Erasure | undefined> {
  const left = sql` or (state = 'done' and held && ${textArray(held)}::text[])`;
  const [row] = await tx.query<Erasure>(sql`
    select ${columns} from erasure
    where state <> 'asked' and (patients && ${textArray(patients)}::text[]${held.length === 0 ? sql`` : left})
    order by requested_at desc limit 1`);
  return row;
}

/** Whether sources are kept from writing of any of these records. */
export async function keptOut(tx: Tx, patients: readonly string[]): Promise<boolean> {
  const rows = await tx.query(sql`
    select from erased_patient where patient = any(${textArray(patients)}::text[]) limit 1`);
  return rows.length > 0;
}

export interface Confirmable {
  /** Good once, for {@link confirmMinutes}. */
  readonly confirm: string;
  readonly until: Date;
}

/** Nothing happens yet. @throws Problem conflict when one is under way */
export async function askErasure(tx: Tx, patients: readonly string[], requestedBy: string): Promise<Confirmable> {
  await requireNone(tx, patients);
  const confirm = randomBytes(24).toString('base64url');
  // What was asked before and not confirmed is of no use any more.
  await tx.query(sql`
    delete from erasure where state = 'asked' and (patients && ${textArray(patients)}::text[]
      or due_at < statement_timestamp())`);
  const [row] = await tx.query<{ until: Date }>(sql`
    insert into erasure (id, patients, state, requested_by, confirm_hash, due_at)
    values (${randomUUID()}::uuid, ${textArray(patients)}::text[], 'asked', ${requestedBy}, ${hashOf(confirm)},
      statement_timestamp() + make_interval(mins => ${confirmMinutes}::int))
    returning due_at as until`);
  return { confirm, until: row?.until as Date };
}

/** @throws Problem conflict unless this person asked with it, in time, and none is under way */
export async function confirmErasure(tx: Tx, patients: readonly string[], confirm: string): Promise<Erasure> {
  await requireNone(tx, patients);
  const [row] = await tx.query<Erasure>(sql`
    update erasure set state = 'waiting', confirm_hash = null, patients = ${textArray(patients)}::text[],
      due_at = statement_timestamp() + make_interval(days => ${coolingDays}::int)
    where state = 'asked' and confirm_hash = ${hashOf(confirm)} and patients && ${textArray(patients)}::text[]
      and due_at > statement_timestamp()
    returning ${columns}`);
  if (row !== undefined) return row;
  throw new Problem('conflict', 'nothing was asked for that this would confirm', {
    expression: 'confirm',
    hint: `Ask again: a confirmation is good for ${confirmMinutes} minutes.`,
  });
}

/** By the operator, at once. @throws Problem conflict when one is under way */
export async function orderErasure(
  tx: Tx,
  patients: readonly string[],
  { by, reason }: { readonly by: string; readonly reason: string },
): Promise<string> {
  await requireNone(tx, patients);
  const id = randomUUID();
  await tx.query(sql`
    insert into erasure (id, patients, state, requested_by, reason, due_at)
    values (${id}::uuid, ${textArray(patients)}::text[], 'waiting', ${by}, ${reason}, statement_timestamp())`);
  return id;
}

/** The one that has begun, or would: it is gone on with, not ordered again. */
export async function dueErasure(tx: Tx, patients: readonly string[]): Promise<string | undefined> {
  const [row] = await tx.query<{ id: string }>(sql`
    select id::text as id from erasure
    where patients && ${textArray(patients)}::text[] and state = any(${textArray(openStates)}::text[])
      and (state <> 'waiting' or due_at <= statement_timestamp())
    order by requested_at limit 1`);
  return row?.id;
}

/** Before it has begun. @throws Problem conflict */
export async function cancelErasure(tx: Tx, patients: readonly string[]): Promise<Erasure> {
  const [row] = await tx.query<Erasure>(sql`
    update erasure set state = 'cancelled' where patients && ${textArray(patients)}::text[] and state = 'waiting'
    returning ${columns}`);
  if (row !== undefined) return row;
  throw new Problem('conflict', 'there is no erasure that can still be taken back');
}

/** From now on what sources send of this person is kept again. @returns how many records may come back */
export async function liftErasure(tx: Tx, patient: string): Promise<number> {
  const rows = await tx.query<{ id: string }>(sql`
    select id::text as id from erasure where patients @> ${textArray([patient])}::text[] and state = 'done' for update`);
  const ids = rows.map(({ id }) => id);
  await tx.query(sql`delete from erased_identifier where erasure = any(${textArray(ids)}::uuid[])`);
  const lifted = await tx.query(sql`
    delete from erased_patient where erasure = any(${textArray(ids)}::uuid[]) returning patient`);
  return lifted.length;
}

async function requireNone(tx: Tx, patients: readonly string[]): Promise<void> {
  if ((await openErasure(tx, patients)) === undefined) return;
  throw new Problem('conflict', 'the erasure of this record is under way', {
    hint: 'Patient/[id]/$erase-cancel takes it back, as long as it has not begun.',
  });
}

function hashOf(confirm: string): string {
  return createHash('sha256').update(confirm).digest('hex');
}

/** What is due, for one process at a time: the others pass over it. */
export async function takeErasure(tx: Tx, id?: string): Promise<Erasure | undefined> {
  const [row] = await tx.query<Erasure>(sql`
    select ${columns} from erasure
    where state = any(${textArray(openStates)}::text[]) and due_at <= statement_timestamp()
      and (${id ?? null}::text is null or id::text = ${id ?? null})
    order by due_at limit 1 for update skip locked`);
  return row;
}

export interface Progress {
  readonly state?: ErasureState;
  readonly patients?: readonly string[];
  readonly held?: readonly string[];
  readonly messageId?: number;
  readonly rows?: number;
  readonly messages?: number;
  /** Another look is worth it only then. */
  readonly waitSeconds?: number;
}

export async function moveErasure(tx: Tx, { id, state }: Erasure, progress: Progress): Promise<void> {
  const { patients, held } = progress;
  const next = progress.state ?? state;
  await tx.query(sql`
    update erasure set state = ${next},
      patients = coalesce(${patients === undefined ? null : textArray(patients)}::text[], patients),
      held = coalesce(${held === undefined ? null : textArray(held)}::text[], held),
      marked_at = case when ${next} = 'settling' and state <> 'settling' then clock_timestamp() else marked_at end,
      done_at = case when ${next} = 'done' then statement_timestamp() end,
      message_id = coalesce(${progress.messageId ?? null}::bigint, message_id),
      rows_erased = rows_erased + ${progress.rows ?? 0}::bigint,
      messages_erased = messages_erased + ${progress.messages ?? 0}::bigint,
      due_at = statement_timestamp() + make_interval(secs => ${progress.waitSeconds ?? 0}::float8)
    where id = ${id}::uuid`);
}
