/** Replays in the background, as rows: what was asked for, by whom, how far it is. What does them is run.ts. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { parseStatus, type MessageFilter } from '../status.ts';

export type ReplayState = 'planning' | 'running' | 'done' | 'stopped' | 'failed';

export interface Replay {
  readonly id: number;
  readonly filter: Readonly<Record<string, unknown>>;
  /** Messages a second, at most. */
  readonly rate: number;
  readonly askedBy: string;
  readonly askedAt: string;
  readonly state: ReplayState;
  readonly reason?: string;
  /** Messages that match; with those after them in their lanes: `planned`. */
  readonly matched: number;
  readonly planned: number;
  readonly lanes: number;
  /** Put back into the queue so far. */
  readonly queued: number;
  readonly endedAt?: string;
}

export interface ReplayRow {
  id: number;
  filter: StoredFilter;
  rate: number;
  asked_by: string;
  asked_at: Date;
  state: ReplayState;
  reason: string | null;
  scanned_to: number;
  matched: number;
  planned: number;
  lanes: number;
  queued: number;
  ended_at: Date | null;
}

/** As JSON: instants as texts. */
type StoredFilter = Omit<MessageFilter, 'since' | 'until'> & { readonly since?: string; readonly until?: string };

/** What a hub of two cores processes beside its live traffic without being noticed. */
export const rateDefault = 100;
export const rateMax = 5_000;
/** Of the list. */
const listMax = 200;

/** @throws Problem value for a rate that is none */
export async function askReplay(
  db: Tx,
  { filter, rate, by, at }: { readonly filter: MessageFilter; rate: number; by: string; at: Date },
): Promise<Replay> {
  if (!Number.isInteger(rate) || rate < 1 || rate > rateMax) {
    throw new Problem('value', 'the rate is none', {
      expression: 'rate',
      hint: `Messages a second, from 1 to ${rateMax}.`,
    });
  }
  const [row] = await db.query<ReplayRow>(sql`
    insert into replay (filter, rate, asked_by, asked_at) values (${JSON.stringify(filter)}::jsonb, ${rate}, ${by}, ${at})
    returning *`);
  return toReplay(row as ReplayRow);
}

/** Newest first. */
export async function listReplays(db: Tx): Promise<Replay[]> {
  return (await db.query<ReplayRow>(sql`select * from replay order by id desc limit ${listMax}`)).map(toReplay);
}

/** @throws Problem not-found */
export async function findReplay(db: Tx, id: number): Promise<Replay> {
  const [row] = await db.query<ReplayRow>(sql`select * from replay where id = ${id}`);
  if (row === undefined) throw unknown();
  return toReplay(row);
}

/**
 * What is back in the queue is processed; the rest stays as it is. A lane is either whole in the queue or not touched.
 * @throws Problem not-found, conflict when it has ended
 */
export async function stopReplay(db: Tx, id: number, at: Date): Promise<Replay> {
  const [row] = await db.query<ReplayRow>(sql`
    update replay set state = 'stopped', ended_at = ${at} where id = ${id} and state in ('planning', 'running')
    returning *`);
  if (row !== undefined) return toReplay(row);
  const { state } = await findReplay(db, id);
  throw new Problem('conflict', `the replay has ended: ${state}`);
}

export function filterOfRow({ filter: { since, until, ...rest } }: ReplayRow): MessageFilter {
  return {
    ...rest,
    ...(rest.status === undefined ? {} : { status: parseStatus(rest.status) }),
    ...(since === undefined ? {} : { since: new Date(since) }),
    ...(until === undefined ? {} : { until: new Date(until) }),
  };
}

function toReplay(row: ReplayRow): Replay {
  const { id, filter, rate, state, matched, planned, lanes, queued, reason } = row;
  // Hashes say nothing to anybody.
  const { unmapped, marks: _marks, ...named } = filter;
  return {
    id,
    filter: { ...named, ...(unmapped !== undefined && { unmapped: unmapped.length }) },
    rate,
    askedBy: row.asked_by,
    askedAt: row.asked_at.toISOString(),
    state,
    ...(reason === null ? {} : { reason }),
    matched,
    planned,
    lanes,
    queued,
    ...(row.ended_at === null ? {} : { endedAt: row.ended_at.toISOString() }),
  };
}

function unknown(): Problem {
  return new Problem('not-found', 'there is no replay with this id', { hint: 'GET /ops/replays lists them.' });
}

/** How long it stays readable what was replayed: the timeline of a message names it. */
const keptDays = 90;

export async function sweepReplays(db: Tx): Promise<void> {
  await db.query(sql`delete from replay where ended_at < now() - make_interval(days => ${keptDays})`);
}
