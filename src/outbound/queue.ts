/**
 * The queue of what is sent: a row a message, kept for ever with the answer it got. Sent in the order of ids within a
 * destination, at least once: a message whose answer was lost is sent again as the same bytes under the same MSH-10, by
 * which receivers know it.
 */
import type { Tx } from '../db.ts';
import { sql, textArray } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { findDestination, slotCount, toDestination, type Destination, type DestinationRow } from './destination.ts';
import type { Answer } from './verdict.ts';

/** In the order of the column's numbers. */
export const outboundStatuses = ['waiting', 'accepted', 'refused', 'parked', 'dropped'] as const;
export type OutboundStatus = (typeof outboundStatuses)[number];

const code = { waiting: 0, accepted: 1, refused: 2, parked: 3, dropped: 4 } as const;

export interface NewMessage {
  readonly destination: Destination;
  /** MSH-9, as `SIU^S12`. */
  readonly type: string;
  /** MSH-10. */
  readonly controlId: string;
  readonly bytes: Uint8Array;
  /** Ids of the Patients it is about. */
  readonly patients: readonly string[];
}

/** @returns the id of the row; from now on the message is sent until it is answered */
export async function queueMessage(
  tx: Tx,
  { destination, type, controlId, bytes, patients }: NewMessage,
  at: Date,
): Promise<number> {
  const [row] = await tx.query<{ id: number }>(sql`
    insert into outbound_message (destination_id, control_id, type, queued_at, raw, patients)
    values (${destination.id}, ${controlId}, ${type}, ${at}, ${bytes}, ${textArray(patients)}::text[]) returning id`);
  return row?.id ?? 0;
}

export interface ReadyDestination {
  readonly destination: Destination;
  readonly slot: number;
}

/** Destinations of these slots whose oldest open message may be sent now. */
export async function findReady(db: Tx, slots: readonly number[], at: Date): Promise<ReadyDestination[]> {
  const rows = await db.query<DestinationRow & { slot: number }>(sql`
    select d.*, d.id % ${slotCount} as slot
    from destination d cross join lateral (
      select status, due_at from outbound_message
      where destination_id = d.id and status in (0, 2) order by id limit 1) head
    where d.is_enabled and d.id % ${slotCount} = any(${slots}::int[])
      and head.status = 0 and (head.due_at is null or head.due_at <= ${at})`);
  return rows.map((row) => ({ destination: toDestination(row), slot: row.slot }));
}

export interface QueuedMessage {
  readonly id: number;
  readonly attempts: number;
  /** Answers that said "not now". */
  readonly rejections: number;
  readonly raw: Buffer;
}

/** The oldest open message of a destination, when it waits; undefined when there is none or it was refused. */
export async function nextMessage(db: Tx, destination: Destination): Promise<QueuedMessage | undefined> {
  const [row] = await db.query<QueuedMessage & { status: number }>(sql`
    select id, attempts, rejections, raw, status from outbound_message
    where destination_id = ${destination.id} and status in (0, 2) order by id limit 1`);
  return row?.status === code.waiting ? row : undefined;
}

export interface Decision {
  readonly status: OutboundStatus;
  readonly at: Date;
  readonly answer?: Answer;
  readonly reason?: string;
  /** When it stays waiting: not before this. */
  readonly dueAt?: Date;
}

export async function recordAttempt(
  tx: Tx,
  id: number,
  { status, at, answer, reason, dueAt }: Decision,
): Promise<void> {
  await tx.query(sql`
    update outbound_message set status = ${code[status]}, attempts = attempts + 1,
      rejections = rejections + ${answer === undefined ? 0 : 1}::int, sent_at = ${at}, due_at = ${dueAt ?? null},
      reason = ${reason ?? null}, answered_at = ${answer === undefined ? null : at}, ack_code = ${answer?.code ?? null}, ack = ${answer?.bytes ?? null}
    where id = ${id} and status = ${code.waiting}`);
}

/**
 * What a person decides about a refused or parked message: `waiting` sends it again (in its old place), `dropped` lets the
 * next ones pass.
 * @throws Problem not-found when there is no such message, or it is neither refused nor parked
 */
export async function decideRefused(db: Tx, id: number, status: 'waiting' | 'dropped'): Promise<void> {
  const rows = await db.query(sql`
    update outbound_message set status = ${code[status]}, due_at = null, attempts = 0, rejections = 0
    where id = ${id} and status in (${code.refused}, ${code.parked}) returning id`);
  if (rows.length === 0) {
    throw new Problem('not-found', 'no refused message has this number', { hint: 'List them: hub outbound list' });
  }
}

/** A message without its content. */
export interface OutboundLine {
  readonly id: number;
  readonly destination: string;
  readonly type: string;
  readonly controlId: string;
  readonly status: OutboundStatus;
  readonly attempts: number;
  readonly queuedAt: Date;
  readonly answeredAt: Date | null;
  readonly ackCode: string | null;
  readonly reason: string | null;
}

export interface OutboundFilter {
  readonly destination?: string;
  readonly status?: OutboundStatus;
  /** Ids greater than this: the last one of the page before. */
  readonly after?: number;
}

/** A page for a person; more with `after`. */
export const pageRows = 1_000;

/** @throws Problem not-found */
export async function listOutbound(
  db: Tx,
  { destination, status, after = 0 }: OutboundFilter,
): Promise<OutboundLine[]> {
  if (destination !== undefined) await findDestination(db, destination);
  const wanted = status === undefined ? null : code[status];
  const rows = await db.query<Omit<OutboundLine, 'status'> & { status: number }>(sql`
    select m.id, d.name as destination, m.type, m.control_id as "controlId", m.status, m.attempts,
      m.queued_at as "queuedAt", m.answered_at as "answeredAt", m.ack_code as "ackCode", m.reason
    from outbound_message m join destination d on d.id = m.destination_id
    where m.id > ${after} and (${destination ?? null}::text is null or d.name = ${destination ?? null})
      and (${wanted}::int is null or m.status = ${wanted}::int)
    order by m.id limit ${pageRows}`);
  return rows.map((row) => ({ ...row, status: outboundStatuses[row.status] as OutboundStatus }));
}

/** Messages about these Patients are emptied, with the answers to them; what was not accepted yet is not sent. */
export async function eraseOutbound(tx: Tx, patients: readonly string[]): Promise<number> {
  const emptied = await tx.query<{ id: number }>(sql`
    update outbound_message set raw = '', ack = null,
      status = case when status in (${code.waiting}, ${code.refused}) then ${code.dropped} else status end
    where patients && ${textArray(patients)}::text[] and raw <> '' returning id`);
  return emptied.length;
}
