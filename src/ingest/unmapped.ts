/** Counts what no mapping rule took, per endpoint: in memory first, because hot rows would make every commit wait. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import type { Unmapped } from '../mapping/draft.ts';

export interface UnmappedCounts {
  add(endpointId: number, unmapped: readonly Unmapped[]): void;
  /** Writes what was counted since the last time. */
  flush(at: Date): Promise<void>;
}

/** Different entries between two writes; a sender of ever new codes is counted no finer than that. */
const entriesMax = 10_000;

interface Entry extends Unmapped {
  readonly endpointId: number;
  count: number;
}

export function countUnmapped(db: Tx): UnmappedCounts {
  let entries = new Map<string, Entry>();
  return {
    add: (endpointId, unmapped) => {
      for (const one of unmapped) {
        const key = `${endpointId} ${one.kind} ${one.position} ${one.code ?? ''}`;
        const entry = entries.get(key);
        if (entry !== undefined) entry.count++;
        else if (entries.size < entriesMax) entries.set(key, { ...one, endpointId, count: 1 });
      }
    },
    flush: async (at) => {
      if (entries.size === 0) return;
      // One order for all processes, so that two flushes cannot wait for each other.
      const rows = [...entries].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
      const before = entries;
      entries = new Map();
      try {
        await writeCounts(db, rows, at);
      } catch (error) {
        for (const [key, entry] of before) {
          const newer = entries.get(key);
          if (newer !== undefined) newer.count += entry.count;
          else entries.set(key, entry);
        }
        throw error;
      }
    },
  };
}

async function writeCounts(db: Tx, rows: readonly Entry[], at: Date): Promise<void> {
  await db.query(sql`
    insert into unmapped (endpoint_id, kind, position, code, count, last_seen_at)
    select u.endpoint_id, u.kind, u.position, u.code, u.count, ${at}::timestamptz
    from unnest(
      ${rows.map(({ endpointId }) => endpointId)}::int[],
      ${rows.map(({ kind }) => kind)}::text[],
      ${rows.map(({ position }) => position)}::text[],
      ${rows.map(({ code }) => code ?? '')}::text[],
      ${rows.map(({ count }) => count)}::bigint[]
    ) with ordinality as u (endpoint_id, kind, position, code, count, n)
    order by u.n
    on conflict (endpoint_id, kind, position, code)
    do update set count = unmapped.count + excluded.count, last_seen_at = excluded.last_seen_at`);
}

export interface UnmappedLine {
  readonly source: string;
  readonly kind: string;
  readonly position: string;
  readonly code?: string;
  readonly count: number;
  readonly lastSeenAt: string;
}

/** Lines of the work list that a person reads at once. */
const linesMax = 1_000;

export async function listUnmapped(db: Tx, source?: string): Promise<UnmappedLine[]> {
  const rows = await db.query<{
    source: string;
    kind: string;
    position: string;
    code: string;
    count: number;
    last_seen_at: Date;
  }>(sql`
    select e.name as source, u.kind, u.position, u.code, u.count, u.last_seen_at
    from unmapped u join endpoint e on e.id = u.endpoint_id
    where ${source ?? null}::text is null or e.name = ${source ?? null}
    order by u.count desc, e.name, u.position, u.code
    limit ${linesMax}`);
  return rows.map(({ code, last_seen_at: at, ...row }) => ({
    ...row,
    ...(code === '' ? {} : { code }),
    lastSeenAt: at.toISOString(),
  }));
}
