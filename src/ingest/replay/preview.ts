/** What a replay would put back into the queue, counted and not touched: whoever asks sees the size of it first. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { whereMessage, type MessageFilter } from '../status.ts';

export interface ReplayPreview {
  readonly matched: number;
  /** Those, and what came after them in their lanes and runs again too. */
  readonly queued: number;
  readonly lanes: number;
  /** Content that is no longer kept: not replayed. */
  readonly emptied: number;
  /** By endpoint, most messages first. */
  readonly endpoints: readonly Counts[];
  /** The largest lanes (patients of a source), by the first message that matches. */
  readonly largest: readonly (Counts & { readonly first: number })[];
  /** The archive is larger than a preview looks through: there is more. */
  readonly isPartial: boolean;
}

export interface Counts {
  readonly source: string;
  readonly matched: number;
  readonly queued: number;
  readonly lanes: number;
}

/** Ids looked at in one statement: some tens of milliseconds. */
const windowIds = 20_000;
/** Some seconds of one connection. */
const previewIdsMax = 4_000_000;
const largestMax = 20;

interface Lane {
  readonly source: string;
  readonly first: number;
  matched: number;
  queued: number;
}

export async function previewReplay(db: Tx, filter: MessageFilter): Promise<ReplayPreview> {
  const [range] = await db.query<{ first: number | null; last: number | null }>(sql`
    select min(m.id) as first, (select max(id) from message) as last
    from message m join endpoint e on e.id = m.endpoint_id where ${whereMessage(filter)}`);
  const lanes = new Map<number, Lane>();
  let emptied = 0;
  const { first, last } = range ?? { first: null, last: null };
  const end = first === null || last === null ? -1 : Math.min(last, first + previewIdsMax);
  for (let from = first ?? 0; from <= end; from += windowIds) {
    const rows = await db.query<{ lane: number; source: string; id: number; matches: boolean; empty: boolean }>(sql`
      select m.id, m.lane_key as lane, e.name as source, (${whereMessage(filter)}) as matches,
        octet_length(m.raw) = 0 as empty
      from message m join endpoint e on e.id = m.endpoint_id
      where m.id >= ${from} and m.id < ${Math.min(from + windowIds, end + 1)}
      order by m.id`);
    for (const { lane: key, source, id, matches, empty } of rows) {
      const lane = lanes.get(key);
      if (!matches && lane === undefined) continue;
      if (empty) {
        if (matches) emptied++;
        continue;
      }
      const counted = lane ?? { source, first: id, matched: 0, queued: 0 };
      lanes.set(key, counted);
      counted.queued++;
      if (matches) counted.matched++;
    }
  }
  const largest = [...lanes.values()].toSorted((a, b) => b.queued - a.queued || a.first - b.first);
  const endpoints = [...Map.groupBy(largest, ({ source }) => source)]
    .map(([source, own]) => ({ source, ...sum(own) }))
    .toSorted((a, b) => b.queued - a.queued);
  return {
    ...sum(largest),
    emptied,
    endpoints,
    largest: largest.slice(0, largestMax).map((lane) => ({ ...lane, lanes: 1 })),
    isPartial: last !== null && first !== null && end < last,
  };
}

function sum(lanes: readonly Lane[]): { matched: number; queued: number; lanes: number } {
  return {
    matched: lanes.reduce((total, { matched }) => total + matched, 0),
    queued: lanes.reduce((total, { queued }) => total + queued, 0),
    lanes: lanes.length,
  };
}
