/**
 * What came in, and what stands still, read from the table of messages: every way in writes there, so nothing that arrives is missed and
 * nothing on the way in has to count. Messages are looked at once, in the order of their ids.
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import type { Activity } from './feed.ts';

export interface Progress {
  readonly messageId: number;
  readonly horizonId: number;
  readonly horizonAt: Date;
  readonly marks: readonly number[];
  readonly evaluatedAt: Date | undefined;
  readonly watchedFrom: Date | undefined;
}

/** A smaller id may still be on its way into the table: what is newer than this is looked at the next time. */
export const settleMsDefault = 10_000;
/** So many at a time: some tenths of a second, and a few megabytes of an archive whose every minute is another. */
const rowsMax = 100_000;
/** On an archive that was there before the watch: the rhythm of some millions of messages is learned at once, older ones are left. */
const archiveMax = 5_000_000;
/** A mark a minute, for an hour. */
export const marksKept = 60;

export async function readProgress(db: Tx): Promise<Progress> {
  const [row] = await db.query<{
    message_id: number;
    horizon_id: number;
    horizon_at: Date | number;
    marks: number[];
    evaluated_at: Date | null;
    watched_from: Date | null;
  }>(sql`
    select message_id, horizon_id, case when horizon_at = '-infinity' then null else horizon_at end as horizon_at, marks,
      evaluated_at, watched_from from watch_progress`);
  return {
    messageId: row?.message_id ?? 0,
    horizonId: row?.horizon_id ?? 0,
    horizonAt: new Date((row?.horizon_at as Date | null) ?? 0),
    marks: row?.marks ?? [],
    evaluatedAt: row?.evaluated_at ?? undefined,
    watchedFrom: row?.watched_from ?? undefined,
  };
}

export async function writeProgress(tx: Tx, progress: Progress): Promise<void> {
  await tx.query(sql`
    update watch_progress set message_id = ${progress.messageId}, horizon_id = ${progress.horizonId},
      horizon_at = ${progress.horizonAt}, marks = ${progress.marks}::bigint[],
      evaluated_at = ${progress.evaluatedAt ?? null}, watched_from = ${progress.watchedFrom ?? null}`);
}

export interface Gathered {
  /** In the order of minutes. */
  readonly activity: readonly Activity[];
  readonly lags: ReadonlyMap<number, number>;
  /** A message of each source that sent, to read its clock by. */
  readonly samples: ReadonlyMap<number, number>;
  readonly progress: Progress;
  /** There is more to look at before anything is judged. */
  readonly isMore: boolean;
}

interface Line {
  readonly endpointId: number;
  readonly minute: number;
  readonly received: number;
  readonly lastAt: Date;
  readonly lagSeconds: number | null;
  readonly lastId: number;
}

/** @param settleMs see {@link settleMsDefault} */
export async function gatherMessages(db: Tx, progress: Progress, now: Date, settleMs: number): Promise<Gathered> {
  const [newest] = await db.query<{ id: number }>(sql`select coalesce(max(id), 0)::bigint as id from message`);
  const maxId = newest?.id ?? 0;
  // Also when a clock was set back since.
  const isSettled = Math.abs(now.getTime() - progress.horizonAt.getTime()) >= settleMs;
  const horizon = settleMs === 0 ? maxId : isSettled ? progress.horizonId : progress.messageId;
  const from = Math.max(progress.messageId, horizon - archiveMax);
  const to = Math.min(Math.max(horizon, from), from + rowsMax);
  const lines = to === from ? [] : await readLines(db, from, to);
  const isMore = to < horizon;
  return {
    activity: lines,
    lags: new Map(
      lines.flatMap(({ endpointId, lagSeconds }) => (lagSeconds === null ? [] : [[endpointId, lagSeconds]])),
    ),
    samples: new Map(lines.map(({ endpointId, lastId }) => [endpointId, lastId])),
    progress: {
      ...progress,
      messageId: to,
      marks: marksUpTo(now, maxId, progress),
      ...((isSettled || settleMs === 0) && !isMore ? { horizonId: maxId, horizonAt: now } : {}),
    },
    isMore,
  };
}

function readLines(db: Tx, from: number, to: number): Promise<Line[]> {
  return db.query<Line>(sql`
    select endpoint_id as "endpointId", floor(extract(epoch from received_at) / 60)::int as minute,
      count(*)::int as received, max(received_at) as "lastAt", max(id) as "lastId",
      max(extract(epoch from processed_at - received_at)) filter (where status = 1)::real as "lagSeconds"
    from message where id > ${from} and id <= ${to}
    group by 1, 2 order by 2`);
}

/** Minutes without a round have the mark of the one before: rather too much is of late than too little. */
function marksUpTo(now: Date, maxId: number, { marks, evaluatedAt }: Progress): number[] {
  const minute = Math.floor(now.getTime() / 60_000);
  if (evaluatedAt === undefined || marks.length === 0) return Array<number>(marksKept).fill(maxId);
  const last = Math.floor(evaluatedAt.getTime() / 60_000);
  const filled = [...marks];
  for (let one = Math.max(last + 1, minute - marksKept + 1); one < minute; one++)
    filled[one % marksKept] = marks[last % marksKept] ?? 0;
  filled[minute % marksKept] = maxId;
  return filled;
}

/** The newest id of `minutes` ago; what came since has a larger one. */
export function markBefore({ marks }: Progress, now: Date, minutes: number): number {
  const minute = Math.floor(now.getTime() / 60_000) - minutes;
  return marks[((minute % marksKept) + marksKept) % marksKept] ?? 0;
}

export interface Standing {
  readonly endpointId: number;
  readonly waiting: number;
  readonly waitingSince: Date | null;
}

/** Of each slot so many at most are counted: 100,000 in all; the oldest are among them. */
const waitingPerSlotMax = 400;

/** What waits to be processed, by source. Through the index of each slot, whatever the planner thinks of the table. */
export function readWaiting(db: Tx): Promise<Standing[]> {
  return db.query<Standing>(sql`
    select endpoint_id as "endpointId", count(*)::int as waiting, min(received_at) as "waitingSince"
    from lane_slot s cross join lateral (
      select endpoint_id, received_at from message m
      where m.slot = s.slot and m.status = 0 order by m.id limit ${waitingPerSlotMax}
    ) m
    group by 1`);
}

export interface Stuck {
  readonly endpointId: number;
  readonly quarantined: number;
  readonly held: number;
  readonly failedLately: number;
}

/** The newest are counted; who has more has enough to do. */
const stuckMax = 100_000;

/** What waits for a person, by source. @param mark the newest id before the time that counts as of late */
export function readStuck(db: Tx, mark: number): Promise<Stuck[]> {
  return db.query<Stuck>(sql`
    select endpoint_id as "endpointId", count(*) filter (where status = 2)::int as quarantined,
      count(*) filter (where status = 3)::int as held,
      count(*) filter (where status = 2 and id > ${mark})::int as "failedLately"
    from (
      (select id, endpoint_id, status from message where status = 2 order by id desc limit ${stuckMax})
      union all
      (select id, endpoint_id, status from message where status = 3 order by id desc limit ${stuckMax})
    ) m
    group by 1`);
}

/** Where a time stands that every message begins with. */
const headBytes = 400;

export function readHeads(
  db: Tx,
  ids: readonly number[],
): Promise<{ readonly endpointId: number; readonly receivedAt: Date; readonly head: Buffer }[]> {
  if (ids.length === 0) return Promise.resolve([]);
  return db.query(sql`
    select endpoint_id as "endpointId", received_at as "receivedAt", substring(raw for ${headBytes}) as head
    from message where id = any(${ids}::bigint[])`);
}
