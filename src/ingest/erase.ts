/**
 * Messages of a person are emptied where they lie: who sent them, when, and what became of them stays, and by their digest a message that
 * is sent again is known and not taken in anew. The archive is walked in windows of ids, in the background.
 */
import type { Tx } from '../db.ts';
import { sql, textArray } from '../db/sql.ts';
import { laneKey } from './lane.ts';

/** Messages looked at in one transaction: some tens of milliseconds. */
const windowIds = 20_000;

export interface ErasedMessages {
  /** Where to go on; undefined: the archive was walked to its end. */
  readonly next: number | undefined;
  readonly emptied: number;
}

/** @param from the last id that was looked at */
export async function eraseMessages(tx: Tx, patients: readonly string[], from: number): Promise<ErasedMessages> {
  const ids = sql`${textArray(patients)}::text[]`;
  const [window] = await tx.query<{ last: number | null }>(sql`
    select max(id) as last from (select id from message where id > ${from} order by id limit ${windowIds}) page`);
  if (window === undefined || window.last === null) return { next: undefined, emptied: 0 };
  const emptied = await tx.query<{ id: number; lane_key: number; endpoint_id: number }>(sql`
    update message m set raw = '', marks = null
    where m.id > ${from} and m.id <= ${window.last} and m.patients && ${ids} and m.raw <> ''
    returning m.id, m.lane_key, m.endpoint_id`);
  return { next: window.last, emptied: emptied.length };
}

/** What waits in their lanes, or was put aside there, was never understood: nothing but its lane says whose it is. */
export async function eraseWaiting(tx: Tx, patients: readonly string[]): Promise<number> {
  const lanes = await tx.query<{ lane: number; endpoint: number }>(sql`
    select distinct lane_key as lane, endpoint_id as endpoint from message where patients && ${textArray(patients)}::text[]`);
  // Those in which nobody is named share a lane.
  const own = lanes.filter(({ lane, endpoint }) => lane !== laneKey(endpoint, 'unnamed'));
  const keys = sql`${own.map(({ lane }) => lane)}::bigint[]`;
  const emptied = await tx.query<{ id: number }>(sql`
    update message set raw = '', marks = null, status = 1, reason = 'erased', processed_at = coalesce(processed_at, statement_timestamp())
    where status in (0, 2, 3) and lane_key = any(${keys}) returning id`);
  await tx.query(sql`delete from lane_hold where lane_key = any(${keys})`);
  return emptied.length;
}

/** Messages about somebody who is kept out: they were acknowledged, and nothing of them stays. */
export async function emptyMessages(tx: Tx, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.query(sql`update message set raw = '', marks = null where id = any(${ids}::bigint[])`);
}
