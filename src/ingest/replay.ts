/**
 * Processing again, after a mapping was repaired or a quarantined message was looked at. Messages go back into the queue
 * under their own ids, so they run in source order, and under the map version that is then in force.
 *
 * With each message, what came after it in its lane runs again too: otherwise the older state of a patient would be
 * written over the newer one. Content that comes out the same makes no new version.
 */
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { triedOnly } from './registry/hold.ts';
import { whereMessage, type MessageFilter } from './status.ts';

export interface Replayed {
  /** Messages that matched. */
  readonly matched: number;
  /** Messages put back, those after them in their lanes included. */
  readonly queued: number;
  readonly lanes: number;
}

/** Ids looked at in one transaction: some tens of milliseconds. */
const windowIds = 20_000;

/** @param onProgress told after each window, with the totals so far */
export async function replayMessages(
  database: Database,
  filter: MessageFilter,
  onProgress?: (replayed: Replayed) => void,
): Promise<Replayed> {
  const [range] = await database.query<{ first: number | null }>(sql`
    select min(m.id) as first from message m join endpoint e on e.id = m.endpoint_id where ${whereMessage(filter)}`);
  const lanes = new Set<number>();
  const total = { matched: 0, queued: 0, lanes: 0 };
  if (range === undefined || range.first === null) return total;
  const pass = async (first: number, last: number): Promise<void> => {
    // Upwards, so that a lane's first message is back in the queue before those that follow it.
    for (let from = first; from <= last; from += windowIds) {
      const window = { from, until: Math.min(from + windowIds, last + 1) };
      await database.inTransaction(async (tx) => {
        const rows = await readWindow(tx, filter, window);
        for (const row of rows) if (row.matches) lanes.add(row.laneKey);
        total.queued += await requeue(
          tx,
          rows.filter(({ laneKey }) => lanes.has(laneKey)),
        );
        total.matched += rows.filter(({ matches }) => matches).length;
      });
      total.lanes = lanes.size;
      onProgress?.({ ...total });
    }
  };
  const last = await lastId(database);
  await pass(range.first, last);
  // What came in meanwhile may have been processed before an earlier message of its lane was back in the queue.
  await pass(last + 1, await lastId(database));
  return total;
}

async function lastId(db: Tx): Promise<number> {
  const [row] = await db.query<{ last: number | null }>(sql`select max(id) as last from message`);
  return row?.last ?? 0;
}

interface WindowRow {
  readonly id: number;
  readonly laneKey: number;
  readonly matches: boolean;
}

function readWindow(
  tx: Tx,
  filter: MessageFilter,
  window: { readonly from: number; readonly until: number },
): Promise<WindowRow[]> {
  return tx.query<WindowRow>(sql`
    select m.id, m.lane_key as "laneKey", (${whereMessage(filter)}) as matches
    from message m join endpoint e on e.id = m.endpoint_id
    where m.id >= ${window.from} and m.id < ${window.until}
    order by m.id`);
}

/** Puts messages that have run back into the queue, and takes the holds off their lanes. @returns how many had run */
export async function requeue(
  tx: Tx,
  rows: readonly { readonly id: number; readonly laneKey: number }[],
): Promise<number> {
  if (rows.length === 0) return 0;
  // First the holds: a worker that is just moving a message behind one has finished then, and is seen below.
  await tx.query(sql`delete from lane_hold where lane_key = any(${rows.map(({ laneKey }) => laneKey)}::bigint[])`);
  const [done] = await tx.query<{ queued: number }>(sql`
    with before as materialized (
      select id, endpoint_id, unmapped from message
      where id = any(${rows.map(({ id }) => id)}::bigint[]) and status <> 0 and octet_length(raw) > 0
        and endpoint_id not in (${triedOnly})
      order by id
      for update
    ), queued as (
      update message m
      set status = 0, attempts = 0, processed_at = null, step = null, reason = null, position = null, unmapped = null
      from before where m.id = before.id
      returning m.id
    ), left_over as (
      select endpoint_id, hash, count(*) as messages from before, unnest(unmapped) as hash group by endpoint_id, hash
    ), discounted as (
      -- What they left is counted anew when they have run.
      insert into unmapped_replayed as known (endpoint_id, hash, messages)
      select endpoint_id, hash, messages from left_over order by endpoint_id, hash
      on conflict (endpoint_id, hash) do update set messages = known.messages + excluded.messages
    )
    select count(*) as queued from queued`);
  return done?.queued ?? 0;
}
