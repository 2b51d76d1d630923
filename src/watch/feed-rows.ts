/** What is known of each source, as rows of the tables `feed` and `feed_rhythm`: read and written. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import type { Feed } from './feed.ts';
import { newRhythm } from './rhythm.ts';

interface FeedRow {
  endpoint_id: number;
  last_at: Date | null;
  watched_from: Date | null;
  hour: number;
  busy: number;
  minute: number;
  received: number[];
  delays: number[];
  silence_seconds: number | null;
  received_lately: number;
  failed_lately: number;
  waiting: number;
  waiting_since: Date | null;
  held: number;
  quarantined: number;
  lag_seconds: number;
  hours: number[] | null;
  gaps: number[] | null;
  gap: number | null;
}

export async function readFeeds(db: Tx): Promise<Map<number, Feed>> {
  const rows = await db.query<FeedRow>(sql`select * from feed left join feed_rhythm using (endpoint_id)`);
  return new Map(rows.map((row) => [row.endpoint_id, toFeed(row)]));
}

export async function readSilenceRules(db: Tx): Promise<Map<number, number>> {
  const rows = await db.query<{ id: number; seconds: number }>(sql`
    select endpoint_id as id, silence_seconds as seconds from feed where silence_seconds is not null`);
  return new Map(rows.map(({ id, seconds }) => [id, seconds]));
}

function toFeed(row: FeedRow): Feed {
  const rhythm = newRhythm();
  if (row.hours !== null && row.gaps !== null) {
    rhythm.hours.set(row.hours);
    rhythm.gaps.set(row.gaps);
    rhythm.gap = row.gap ?? 0;
  }
  return {
    endpointId: row.endpoint_id,
    lastAt: row.last_at ?? undefined,
    watchedFrom: row.watched_from ?? undefined,
    hour: row.hour,
    busy: row.busy,
    minute: row.minute,
    received: row.received,
    delays: row.delays,
    silenceSeconds: row.silence_seconds ?? undefined,
    receivedLately: row.received_lately,
    failedLately: row.failed_lately,
    waiting: row.waiting,
    waitingSince: row.waiting_since ?? undefined,
    held: row.held,
    quarantined: row.quarantined,
    lagSeconds: row.lag_seconds,
    rhythm,
    isChanged: false,
    isRhythmChanged: false,
  };
}

/** Writes what has changed; a person's `silence_seconds` is left as it is. */
export async function writeFeeds(tx: Tx, feeds: Iterable<Feed>): Promise<void> {
  const all = [...feeds];
  const changed = all.filter(({ isChanged }) => isChanged);
  if (changed.length > 0) await tx.query(upsertFeeds(JSON.stringify(changed.map(toRow))));
  const learned = all.filter(({ isRhythmChanged }) => isRhythmChanged);
  if (learned.length === 0) return;
  const rows = learned.map(({ endpointId, rhythm: { hours, gaps, gap } }) => ({
    endpoint_id: endpointId,
    hours: [...hours],
    gaps: [...gaps],
    gap,
  }));
  await tx.query(sql`
    insert into feed_rhythm
    select * from jsonb_populate_recordset(null::feed_rhythm, ${JSON.stringify(rows)}::jsonb)
    on conflict (endpoint_id) do update set hours = excluded.hours, gaps = excluded.gaps, gap = excluded.gap`);
}

/** After the commit. */
export function markWritten(feeds: Iterable<Feed>): void {
  for (const feed of feeds) feed.isChanged = feed.isRhythmChanged = false;
}

function toRow(feed: Feed): Omit<FeedRow, 'hours' | 'gaps' | 'gap' | 'silence_seconds'> {
  return {
    endpoint_id: feed.endpointId,
    last_at: feed.lastAt ?? null,
    watched_from: feed.watchedFrom ?? null,
    hour: feed.hour,
    busy: feed.busy,
    minute: feed.minute,
    received: feed.received,
    delays: [...feed.delays],
    received_lately: feed.receivedLately,
    failed_lately: feed.failedLately,
    waiting: feed.waiting,
    waiting_since: feed.waitingSince ?? null,
    held: feed.held,
    quarantined: feed.quarantined,
    lag_seconds: feed.lagSeconds,
  };
}

const upsertFeeds = (rows: string): ReturnType<typeof sql> => sql`
  insert into feed
  select * from jsonb_populate_recordset(null::feed, ${rows}::jsonb)
  on conflict (endpoint_id) do update set last_at = excluded.last_at, watched_from = excluded.watched_from,
    hour = excluded.hour, busy = excluded.busy, minute = excluded.minute, received = excluded.received,
    delays = excluded.delays, received_lately = excluded.received_lately, failed_lately = excluded.failed_lately,
    waiting = excluded.waiting, waiting_since = excluded.waiting_since, held = excluded.held,
    quarantined = excluded.quarantined, lag_seconds = excluded.lag_seconds`;
