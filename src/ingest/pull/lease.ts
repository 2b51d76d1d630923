/** Keeping what was claimed: one statement a process, however many sources it asks; and giving it back at the end of a run. */
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { decideNext, type RunEnd } from './breaker.ts';
import type { Claimed, ClaimOptions } from './claim.ts';
import type { ReadClock } from './clock.ts';
import type { PullSettings } from './settings.ts';
import type { Hold } from './take.ts';

/** What a process still holds. */
export interface Kept {
  readonly endpointId: number;
  readonly fence: number;
  /** False: it was paused or retired meanwhile. */
  readonly isEnabled: boolean;
}

/**
 * Those of the runs that are under way, and no others: one whose end could not be written expires, and is taken over. A row that is being
 * written under its fence is locked, and is looked at the next time.
 */
export async function renewHolds(
  database: Database,
  { worker, leaseMs, readClock }: Pick<ClaimOptions, 'worker' | 'leaseMs' | 'readClock'>,
  held: readonly Hold[],
): Promise<Kept[]> {
  if (held.length === 0) return [];
  const ids = sql`${held.map(({ endpointId }) => endpointId)}::int[]`;
  const at = await readClock(database);
  const rows = await database.query<{ endpoint_id: number; fence: number; is_enabled: boolean }>(sql`
    with mine as (
      select endpoint_id from pull where worker = ${worker} and endpoint_id = any(${ids}) for update skip locked
    ), renewed as (
      update pull p set expires_at = ${at}::timestamptz + ${leaseMs} * interval '1 ms'
      from mine where p.endpoint_id = mine.endpoint_id
    )
    select p.endpoint_id, p.fence, e.state in ('testing', 'live') as is_enabled
    from pull p join endpoint e on e.id = p.endpoint_id
    where p.worker = ${worker} and p.endpoint_id = any(${ids})`);
  return rows.map((row) => ({ endpointId: row.endpoint_id, fence: row.fence, isEnabled: row.is_enabled }));
}

/** @returns false when another process has taken over: it decides then */
export async function endRun(
  database: Database,
  claimed: Claimed,
  end: RunEnd,
  settings: Pick<PullSettings, 'everyMs' | 'blackout'>,
  readClock: ReadClock,
): Promise<boolean> {
  return database.inTransaction(async (tx) => {
    const at = await readClock(tx);
    const next = decideNext(end, claimed, settings, at);
    const isWell = end.outcome === 'done' || end.outcome === 'more';
    const error = end.outcome === 'failed' ? end.reason : null;
    const rows = await tx.query(sql`
      update pull set worker = null, expires_at = null, due_at = case when is_asked then ${at}::timestamptz else ${next.dueAt}::timestamptz end,
        slot_at = ${next.slotAt},
        decided_at = ${at}, failures = ${next.failures}, is_more = ${end.outcome === 'more'},
        last_success_at = case when ${isWell} then ${at}::timestamptz else last_success_at end,
        last_error_at = case when ${error}::text is null then last_error_at else ${at}::timestamptz end,
        last_error = case when ${isWell} then null else coalesce(${error}, last_error) end
      where endpoint_id = ${claimed.endpointId} and worker = ${claimed.worker} and fence = ${claimed.fence}
      returning endpoint_id`);
    if (rows.length === 0) return false;
    await markEnded(tx, claimed, end, at);
    return true;
  });
}

/** What an adapter notes is one line; more would be a log. */
const reasonMax = 1_000;

async function markEnded(tx: Tx, { endpointId, slotAt, fence }: Hold, end: RunEnd, at: Date): Promise<void> {
  await tx.query(sql`
    update pull_run set ended_at = ${at}, outcome = ${end.outcome}, reason = ${end.reason?.slice(0, reasonMax) ?? null}
    where endpoint_id = ${endpointId} and slot_at = ${slotAt} and fence = ${fence}`);
}

/** Runs are told of for a week; 3,600 sources asked each quarter of an hour make 350,000 a day. */
const keptDays = 7;
const forgottenMax = 10_000;

/** @returns how many rows went; call again when it is many */
export async function forgetRuns(tx: Tx, at: Date): Promise<number> {
  const rows = await tx.query(sql`
    delete from pull_run where (endpoint_id, slot_at) in (
      select endpoint_id, slot_at from pull_run
      where started_at < ${at}::timestamptz - ${keptDays} * interval '1 day' limit ${forgottenMax})
    returning endpoint_id`);
  return rows.length;
}
