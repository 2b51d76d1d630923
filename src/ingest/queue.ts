/** The statements of the message queue: what waits, and how a message's fate is written. */
import type { Tx } from '../db.ts';
import { sql, textArray } from '../db/sql.ts';

export interface QueuedMessage {
  readonly id: number;
  readonly endpointId: number;
  readonly slot: number;
  readonly laneKey: number;
  readonly attempts: number;
  readonly receivedAt: Date;
  readonly raw: Buffer;
  /** Its lane waits for a person. */
  readonly isHeld: boolean;
  /** Of the maps, when it was picked: it is converted under these or newer ones. */
  readonly mapRevision: number;
}

/** So many of one slot at a time: a slot with a long queue leaves room for the others. */
const perSlotMax = 16;

/**
 * The oldest waiting messages of these slots, without those of lanes that wait for their next try.
 *
 * Oldest first over all slots, so a backlog is gone everywhere at about the same time: were each slot given its share, the
 * fullest would be left alone in the end. Only their numbers are looked at, and sorted, until it is known which they are.
 */
export function pickWaiting(db: Tx, slots: readonly number[], limit: number): Promise<QueuedMessage[]> {
  return db.query<QueuedMessage>(sql`
    with oldest as materialized (
      select m.id, m.is_held
      from unnest(${slots}::smallint[]) as s (slot)
      cross join lateral (
        select q.id, h.lane_key is not null and h.until is null as is_held
        from message q left join lane_hold h on h.lane_key = q.lane_key
        where q.slot = s.slot and q.status = 0 and (h.until is null or h.until <= now())
        order by q.id
        limit ${perSlotMax}
      ) m
      order by m.id
      limit ${limit}
    )
    select m.id, m.endpoint_id as "endpointId", m.slot, m.lane_key as "laneKey", m.attempts,
      m.received_at as "receivedAt", m.raw, o.is_held as "isHeld",
      (select revision from map_revision) as "mapRevision"
    from oldest o join message m on m.id = o.id
    order by m.id`);
}

export interface Processed {
  readonly id: number;
  readonly mapVersion: string;
  /** Hashes of what no rule took (unmapped.ts). */
  readonly unmapped: readonly number[];
  /** Ids of the Patients it was about. */
  readonly patients: readonly string[];
  /** Of their identifiers (marks.ts). */
  readonly marks: readonly number[];
}

/** @returns how many were still waiting: fewer than given means that another worker was here */
export async function markProcessed(tx: Tx, done: readonly Processed[], at: Date): Promise<number> {
  if (done.length === 0) return 0;
  const ids = done.map(({ id }) => id);
  const rows = await tx.query(sql`
    update message m
    set status = 1, processed_at = ${at}, attempts = m.attempts + 1, step = null, reason = null,
      position = null, map_version = done.map_version, unmapped = nullif(done.unmapped, '{}')::int[],
      patients = nullif(done.patients, '{}')::text[], marks = nullif(done.marks, '{}')::bigint[]
    from unnest(
      ${ids}::bigint[],
      ${done.map(({ mapVersion }) => mapVersion)}::text[],
      ${done.map(({ unmapped }) => `{${unmapped.join(',')}}`)}::text[],
      ${done.map(({ patients }) => textArray(patients))}::text[],
      ${done.map(({ marks }) => `{${marks.join(',')}}`)}::text[]
    ) as done (id, map_version, unmapped, patients, marks)
    where m.id = done.id and m.status = 0
    returning m.id`);
  await tx.query(sql`delete from lane_hold where message_id = any(${ids}::bigint[])`);
  return rows.length;
}

export interface Failure {
  readonly message: QueuedMessage;
  readonly step: string;
  /** `code: text`, without patient data. */
  readonly reason: string;
  /** `OBX-11`; undefined when it is not about one place. */
  readonly position: string | undefined;
  /** Of the patient's identifiers, as far as they could be read. */
  readonly marks: readonly number[];
}

/** Out of the way until a person decides; with `isHolding` the rest of its lane waits too. */
export async function markQuarantined(tx: Tx, failure: Failure, isHolding: boolean, at: Date): Promise<void> {
  const { message, step, reason, position, marks } = failure;
  await tx.query(sql`
    update message set status = 2, processed_at = ${at}, attempts = attempts + 1, step = ${step}, reason = ${reason},
      position = ${position ?? null}, marks = nullif(${marks}::bigint[], '{}')
    where id = ${message.id} and status = 0`);
  if (isHolding) await holdLane(tx, message, null);
  else await tx.query(sql`delete from lane_hold where message_id = ${message.id}`);
}

/** It is tried again at `until`; its lane waits for it. */
export async function markForRetry(tx: Tx, failure: Failure, until: Date): Promise<void> {
  const { message, step, reason, position } = failure;
  await tx.query(sql`
    update message set attempts = attempts + 1, step = ${step}, reason = ${reason},
      position = ${position ?? null}
    where id = ${message.id} and status = 0`);
  await holdLane(tx, message, until);
}

async function holdLane(tx: Tx, message: QueuedMessage, until: Date | null): Promise<void> {
  await tx.query(sql`
    insert into lane_hold (lane_key, slot, message_id, until)
    values (${message.laneKey}, ${message.slot}, ${message.id}, ${until})
    on conflict (lane_key) do update set message_id = excluded.message_id, until = excluded.until`);
}

/** Messages of a lane that waits for a person leave the queue until then. */
export async function markHeld(tx: Tx, messages: readonly QueuedMessage[]): Promise<void> {
  await tx.query(sql`
    with held as (
      select lane_key from lane_hold
      where lane_key = any(${messages.map(({ laneKey }) => laneKey)}::bigint[]) and until is null
      order by lane_key
      for share
    )
    update message m set status = 3
    from held
    where m.lane_key = held.lane_key and m.id = any(${messages.map(({ id }) => id)}::bigint[]) and m.status = 0`);
}
