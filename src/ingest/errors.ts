/**
 * The error inbox: what waits for a person, by its cause. Five thousand messages that one rule refuses are one line: where it comes from, in
 * which step, by which code, at which place; how many, since when, and a few to look at.
 */
import type { Tx } from '../db.ts';
import { join, sql, type Sql } from '../db/sql.ts';
import { reasonCode } from './status.ts';
import { assertEndpoint } from './registry/versions.ts';

export interface ErrorFilter {
  /** Name of the endpoint. */
  readonly source?: string;
  /** Put aside at or after. */
  readonly since?: Date;
}

export interface ErrorGroup {
  readonly source: string;
  /** `convert` or `apply`. */
  readonly step: string;
  /** FHIR IssueType, or `exception`. */
  readonly code: string;
  /** Where in the message, as printed: `OBX-11`; absent: nowhere in particular. */
  readonly position?: string;
  /** In words, of the latest. */
  readonly reason: string;
  /** Types of the messages, some of them. */
  readonly types: readonly string[];
  readonly count: number;
  /** Lanes (patients of a source) that are concerned. */
  readonly lanes: number;
  /** Put aside. */
  readonly firstAt: string;
  readonly lastAt: string;
  /** Ids of messages: the first, and the latest. */
  readonly examples: readonly number[];
}

export interface ErrorInbox {
  readonly errors: readonly ErrorGroup[];
  /** There are more causes than are listed. */
  readonly isCut: boolean;
  readonly quarantined: number;
  /** Behind a quarantined one of their lane, by the policy of their endpoint. */
  readonly held: number;
}

/** Causes that a person reads at once, most messages first. */
const groupsMax = 500;
const examplesMax = 5;
const typesMax = 5;

interface GroupRow {
  source: string;
  step: string;
  code: string;
  position: string | null;
  reason: string;
  types: string[];
  count: number;
  lanes: number;
  first_at: Date;
  last_at: Date;
  first: number;
  latest: string[];
}

/** @throws Problem not-found */
export async function listErrors(db: Tx, filter: ErrorFilter = {}): Promise<ErrorInbox> {
  await assertEndpoint(db, filter.source);
  const rows = await db.query<GroupRow>(sql`
    select e.name as source, coalesce(m.step, '') as step, ${reasonCode} as code, m.position,
      (array_agg(m.reason order by m.id desc))[1] as reason,
      (array_agg(distinct m.type))[1:${typesMax}] as types,
      count(*) as count, count(distinct m.lane_key) as lanes,
      min(coalesce(m.processed_at, m.received_at)) as first_at, max(coalesce(m.processed_at, m.received_at)) as last_at,
      min(m.id) as first, (array_agg(m.id order by m.id desc))[1:${examplesMax - 1}] as latest
    from message m join endpoint e on e.id = m.endpoint_id
    where m.status = 2 and ${where(filter)}
    group by 1, 2, 3, 4
    order by count(*) desc, 1, 2, 3, 4
    limit ${groupsMax + 1}`);
  const [totals] = await db.query<{ quarantined: number; held: number }>(sql`
    select count(*) filter (where m.status = 2) as quarantined, count(*) filter (where m.status = 3) as held
    from message m join endpoint e on e.id = m.endpoint_id
    where m.status in (2, 3) and ${where(filter)}`);
  return {
    errors: rows.slice(0, groupsMax).map(toGroup),
    isCut: rows.length > groupsMax,
    quarantined: totals?.quarantined ?? 0,
    held: totals?.held ?? 0,
  };
}

function where({ source, since }: ErrorFilter): Sql {
  const conditions = [sql`true`];
  if (source !== undefined) conditions.push(sql`e.name = ${source}`);
  if (since !== undefined) conditions.push(sql`coalesce(m.processed_at, m.received_at) >= ${since}`);
  return join(conditions, ' and ');
}

function toGroup({ position, first, latest, first_at: firstAt, last_at: lastAt, ...row }: GroupRow): ErrorGroup {
  return {
    ...row,
    ...(position === null ? {} : { position }),
    firstAt: firstAt.toISOString(),
    lastAt: lastAt.toISOString(),
    // Arrays of bigint come as texts.
    examples: [...new Set([first, ...latest.map(Number)])],
  };
}
