/** Times of slots and leases are the database's: clocks of the hub's processes may differ, and what one decides another reads. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';

export type ReadClock = (tx: Tx) => Promise<Date>;

/** Not the start of the transaction: it may have waited for its turn. */
export const databaseClock: ReadClock = async (tx) => {
  const [row] = await tx.query<{ at: Date }>(sql`select clock_timestamp()::timestamptz(3) as at`);
  return row?.at as Date;
};

/** What was decided or leased so far ahead was so before the clock was set back; more than a lease. */
const aheadMs = 60_000;

/** After the database's clock was set back, nothing is silent until it has caught up: sources are due now, leases run out as any other. */
export async function heedClock(tx: Tx, at: Date, leaseMs: number): Promise<void> {
  const ahead = new Date(at.getTime() + aheadMs);
  await tx.query(sql`
    update pull set due_at = ${at}, slot_at = ${at}, decided_at = ${at} where decided_at > ${ahead} and worker is null`);
  await tx.query(sql`
    update pull set expires_at = ${new Date(at.getTime() + leaseMs)} where expires_at > ${ahead}`);
}

/** Of each source that is asked, the seconds that its clock was ahead of ours in its last runs, oldest first. */
export async function readSourceClocks(db: Tx): Promise<Map<number, readonly number[]>> {
  const rows = await db.query<{ id: number; aheads: readonly number[] }>(sql`
    select endpoint_id as id, watermark -> 'aheadSeconds' as aheads from pull
    where jsonb_typeof(watermark -> 'aheadSeconds') = 'array'`);
  return new Map(rows.map(({ id, aheads }) => [id, aheads]));
}
