/**
 * Does the replays that were asked for, one after the other, at their rate, beside live traffic.
 *
 * A replay is planned first: the messages that match, and with each what came after it in its lane, because an older state must not be
 * written over a newer one. Then lane after lane goes back into the queue, whole, in one transaction with what arrived in it meanwhile: what
 * arrives later has a larger id and runs later. No more than a second's worth waits in the queue at a time, so that a live message stands
 * behind that at most. A process that dies in between is followed by another one, which finds in the tables how far it was.
 */
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { requeue } from '../replay.ts';
import { whereMessage } from '../status.ts';
import { filterOfRow, type ReplayRow } from './job.ts';

export interface ReplayTick {
  readonly database: Database;
  /** Unique among all processes and starts. */
  readonly worker: string;
  readonly now: Date;
  /** Messages that may go back into the queue now: `rate` times the seconds since the last tick, less what was taken ahead. */
  readonly allowance: number;
}

export interface Ticked {
  /** What is to be done next. */
  readonly phase: 'none' | 'planning' | 'running';
  readonly rate: number;
  readonly queued: number;
}

/** Ids looked at in one transaction: some tens of milliseconds. */
const windowIds = 20_000;
/** A number that was drawn commits later than larger ones by no more than that many: what is looked at twice is counted once. */
const overlapIds = 5_000;
/** Two tables with that many rows; more is a replay of everything, which `hub replay --all` does without a plan. */
const plannedMax = 1_000_000;
/** A message that came while its lane went back into the queue is in the plan too, so that its order is looked at. */
const meanwhileSeconds = 5;
/** Lanes looked at to fill an allowance. */
const lanesAtOnce = 500;
const leaseMs = 10_000;

const nothing: Ticked = { phase: 'none', rate: 0, queued: 0 };

/** One step of the oldest replay that has not ended: a window of the plan, or lanes as far as the allowance goes. */
export async function tickReplay({ database, worker, now, allowance }: ReplayTick): Promise<Ticked> {
  return database.inTransaction(async (tx) => {
    const job = await claim(tx, worker);
    if (job === undefined) return nothing;
    const last = await lastId(tx);
    const before = job.scanned_to;
    const isCaughtUp = await extendPlan(tx, job, last);
    if (job.planned > plannedMax) {
      await end(tx, job, 'failed', now, `more than ${plannedMax} messages: narrow the filter`);
      return nothing;
    }
    if (!isCaughtUp) return { phase: 'planning', rate: job.rate, queued: 0 };
    if (before === 0 || job.state === 'planning') {
      await tx.query(sql`update replay set state = 'running' where id = ${job.id}`);
    }
    const waiting = await settleLanes(tx, job, now);
    const queued = await queueLanes(tx, job, { waiting, allowance, now });
    if (queued === 0 && waiting === 0 && (await isEmpty(tx, job))) {
      await end(tx, job, 'done', now);
      return { phase: 'planning', rate: job.rate, queued };
    }
    return { phase: 'running', rate: job.rate, queued };
  });
}

/** The row lock keeps others out while a step is done, the lease between steps. */
async function claim(tx: Tx, worker: string): Promise<ReplayRow | undefined> {
  const [row] = await tx.query<ReplayRow>(sql`
    update replay set worker = ${worker}, expires_at = now() + ${leaseMs} * interval '1 ms'
    where id = (
      select id from replay
      where id = (select min(id) from replay where state in ('planning', 'running'))
        and state in ('planning', 'running')
        and (worker is null or worker = ${worker} or expires_at <= now())
      for update skip locked
    )
    returning *`);
  return row;
}

async function lastId(tx: Tx): Promise<number> {
  const [row] = await tx.query<{ last: number | null }>(sql`select max(id) as last from message`);
  return row?.last ?? 0;
}

/**
 * A window of ids more: what matches there while it is planned, and what is in lanes that are not done.
 * @returns whether all there is has been looked at
 */
async function extendPlan(tx: Tx, job: ReplayRow, last: number): Promise<boolean> {
  const isPlanning = job.state === 'planning';
  const from = isPlanning ? await firstOfPlan(tx, job) : Math.max(1, job.scanned_to + 1 - overlapIds);
  const until = Math.min(Math.max(from, job.scanned_to + 1) + windowIds, last + 1);
  const [added] = await tx.query<{ matched: number; planned: number; lanes: number }>(sql`
    with looked as materialized (
      select m.id, m.lane_key, m.received_at, (${isPlanning} and ${whereMessage(filterOfRow(job))}) as matches
      from message m join endpoint e on e.id = m.endpoint_id
      where m.id >= ${from} and m.id < ${until} and octet_length(m.raw) > 0
    ), begun as (
      insert into replay_lane (replay_id, lane_key, first_id)
      select ${job.id}, lane_key, min(id) from looked where matches group by lane_key
      on conflict do nothing
      returning lane_key, first_id
    ), open_lanes as (
      select lane_key, first_id, queued_at + make_interval(secs => ${meanwhileSeconds}) as until
      from replay_lane where replay_id = ${job.id} and state < 2
      union all
      select lane_key, first_id, null from begun
    ), added as (
      insert into replay_message (replay_id, lane_key, message_id)
      select ${job.id}, k.lane_key, k.id from looked k join open_lanes o on o.lane_key = k.lane_key and k.id >= o.first_id
      where o.until is null or k.received_at <= o.until
      on conflict do nothing
      returning message_id
    )
    select (select count(*) from looked where matches) as matched, (select count(*) from added) as planned,
      (select count(*) from begun) as lanes`);
  const { matched, planned, lanes } = added ?? { matched: 0, planned: 0, lanes: 0 };
  await tx.query(sql`
    update replay set scanned_to = greatest(scanned_to, ${until - 1}), matched = matched + ${matched},
      planned = planned + ${planned}, lanes = lanes + ${lanes}
    where id = ${job.id}`);
  job.planned += planned;
  return until > last;
}

/** Where the plan goes on; it begins with the first message that matches. */
async function firstOfPlan(tx: Tx, job: ReplayRow): Promise<number> {
  if (job.scanned_to > 0) return job.scanned_to + 1;
  const [row] = await tx.query<{ first: number | null; last: number | null }>(sql`
    select min(m.id) as first, (select max(id) from message) as last
    from message m join endpoint e on e.id = m.endpoint_id where ${whereMessage(filterOfRow(job))}`);
  return row?.first ?? (row?.last ?? 0) + 1;
}

interface LaneRow {
  lane: number;
  waiting: number;
  isRepaired: boolean;
  /** Of messages that have run, by id. */
  ran: string[];
  ranAt: Date[];
}

/** Lanes of which nothing waits any more are done. @returns how many messages of the replay wait in the queue */
async function settleLanes(tx: Tx, job: ReplayRow, now: Date): Promise<number> {
  const lanes = await tx.query<LaneRow>(sql`
    select l.lane_key as lane, l.is_repaired as "isRepaired", count(*) filter (where m.status = 0) as waiting,
      array_agg(m.id order by m.id) filter (where m.status in (1, 2)) as ran,
      array_agg(m.processed_at order by m.id) filter (where m.status in (1, 2)) as "ranAt"
    from replay_lane l
      join replay_message r on r.replay_id = l.replay_id and r.lane_key = l.lane_key
      join message m on m.id = r.message_id
    where l.replay_id = ${job.id} and l.state = 1
    group by l.lane_key, l.is_repaired`);
  const settled = lanes.filter(({ waiting }) => waiting === 0);
  const again = settled.filter((lane) => !lane.isRepaired).map((lane) => ({ lane: lane.lane, ids: overtaken(lane) }));
  const repaired = again.filter(({ ids }) => ids.length > 0);
  for (const { lane, ids } of repaired) {
    await requeue(
      tx,
      ids.map((id) => ({ id, laneKey: lane })),
    );
    await tx.query(sql`
      update replay_lane set is_repaired = true, queued_at = ${now} where replay_id = ${job.id} and lane_key = ${lane}`);
  }
  const done = settled.map(({ lane }) => lane).filter((lane) => !repaired.some((one) => one.lane === lane));
  await tx.query(sql`
    update replay_lane set state = 2 where replay_id = ${job.id} and lane_key = any(${done}::bigint[])`);
  const waiting = lanes.reduce((total, lane) => total + lane.waiting, 0);
  return waiting + repaired.reduce((total, { ids }) => total + ids.length, 0);
}

/**
 * A live message that a worker had in its hands when an earlier one of its lane went back into the queue ran before it: from there on
 * the lane runs once more. @returns ids in their order
 */
function overtaken({ ran, ranAt }: LaneRow): number[] {
  let latest = Number.NEGATIVE_INFINITY;
  for (const [index, at] of (ranAt ?? []).entries()) {
    const ms = at?.getTime() ?? latest;
    if (ms < latest) return ran.slice(index).map(Number);
    latest = ms;
  }
  return [];
}

/** @returns messages that went back into the queue */
async function queueLanes(
  tx: Tx,
  job: ReplayRow,
  { waiting, allowance, now }: { waiting: number; allowance: number; now: Date },
): Promise<number> {
  // A second's worth at most waits in the queue.
  const room = Math.min(allowance, job.rate - waiting);
  if (room <= 0) return 0;
  const next = await tx.query<{ lane: number; ids: string[] }>(sql`
    select l.lane_key as lane, array(
      select message_id from replay_message r
      where r.replay_id = l.replay_id and r.lane_key = l.lane_key order by message_id
    ) as ids
    from replay_lane l where l.replay_id = ${job.id} and l.state = 0
    order by l.first_id limit ${Math.min(lanesAtOnce, Math.ceil(room))}`);
  const taken: typeof next = [];
  let messages = 0;
  for (const lane of next) {
    // A lane is not divided: one that is larger than the room goes when it is the first.
    if (taken.length > 0 && messages + lane.ids.length > room) break;
    if (taken.length === 0 && lane.ids.length > room && waiting > 0) break;
    taken.push(lane);
    messages += lane.ids.length;
  }
  if (taken.length === 0) return 0;
  const rows = taken.flatMap(({ lane, ids }) => ids.map((id) => ({ id: Number(id), laneKey: lane })));
  const queued = await requeue(tx, rows);
  await tx.query(sql`
    update replay_lane set state = 1, queued_at = ${now}
    where replay_id = ${job.id} and lane_key = any(${taken.map(({ lane }) => lane)}::bigint[])`);
  await tx.query(sql`update replay set queued = queued + ${queued} where id = ${job.id}`);
  return messages;
}

async function isEmpty(tx: Tx, job: ReplayRow): Promise<boolean> {
  const rows = await tx.query(sql`select from replay_lane where replay_id = ${job.id} and state < 2 limit 1`);
  return rows.length === 0;
}

async function end(tx: Tx, job: ReplayRow, state: 'done' | 'failed', at: Date, reason?: string): Promise<void> {
  await tx.query(sql`
    update replay set state = ${state}, reason = ${reason ?? null}, ended_at = ${at} where id = ${job.id}`);
}
