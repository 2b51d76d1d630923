/**
 * What an endpoint that is being tried sends is accepted and held; when the endpoint is live it is processed in the order in which
 * it came, before anything that comes then.
 *
 * Who stores a message locks the endpoint's row for that moment (`for share`), and who makes it live for the change: so each
 * message is either stored before, and released, or stored after, and waits for nothing.
 */
import type { Database, Tx } from '../../db.ts';
import { sql, type Sql } from '../../db/sql.ts';
import { statusCode } from '../status.ts';

/** Messages released in one transaction: some tens of milliseconds. */
const windowRows = 10_000;

/**
 * Of these endpoints, which this process takes for tried, the ids of those that are not live yet; they stay so until the transaction ends
 * (insert.ts). One that was paused meanwhile has not been live either.
 */
export function triedStill(endpointIds: readonly number[]): Sql {
  return sql`
    select e.id from endpoint e
    where e.id = any(${endpointIds}::int[]) and e.state <> 'live'
      and not exists (select from endpoint_version v where v.endpoint_id = e.id and v.state = 'live')
    order by e.id for share of e`;
}

/** Ids of endpoints that were tried and never live: what they sent is not processed, not even again. */
export const triedOnly = sql`
  select e.id from endpoint e
  where e.state <> 'live'
    and (e.state = 'testing' or exists (
      select from endpoint_version v where v.endpoint_id = e.id and v.state = 'testing'))
    and not exists (select from endpoint_version v where v.endpoint_id = e.id and v.state = 'live')`;

/** Most of what is held, in windows, while more may come: so that the change itself is short. */
export async function releaseWindows(database: Database, endpointId: number): Promise<void> {
  for (let released = windowRows; released === windowRows;)
    released = await releaseHeld(database, endpointId, windowRows);
}

/** Within the transaction that makes the endpoint live. @returns how many */
export async function releaseHeld(tx: Tx, endpointId: number, limit = Number.MAX_SAFE_INTEGER): Promise<number> {
  // Upwards, so that a lane's first message is in the queue before those that follow it.
  const rows = await tx.query(sql`
    update message set status = ${statusCode('waiting')}::smallint
    where id in (select id from message where status = 3 and endpoint_id = ${endpointId} order by id limit ${limit})
      and status = 3
    returning id`);
  return rows.length;
}

/** How many messages wait for their endpoint to be live. */
export async function countHeld(db: Tx, endpointId: number): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    sql`select count(*) as count from message where status = 3 and endpoint_id = ${endpointId}`,
  );
  return row?.count ?? 0;
}
