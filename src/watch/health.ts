/** How the sources are doing, for people: as the last round of the watch found it. Names, numbers and times; never content. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import type { Endpoint } from '../ingest/contract.ts';
import { listEndpoints } from '../ingest/endpoint.ts';
import { readFeeds } from './feed-rows.ts';
import { newFeed, receivedIn, silenceOf, type Feed } from './feed.ts';
import { readProgress } from './gather.ts';
import { skewOf } from './clock.ts';
import { unknownEndpoint } from '../ingest/registry/versions.ts';

/**
 * - `ok`; `new`: nothing came yet; `learning`: it comes, and its rhythm is not known yet.
 * - `silent`: longer than is usual for it at this time of the week; `failing`: more than a tenth of what came of late is quarantined.
 * - `draft`, `testing`, `paused`, `retired`: as its state says.
 */
export type FeedStatus = 'ok' | 'new' | 'learning' | 'silent' | 'failing' | 'draft' | 'testing' | 'paused' | 'retired';

export interface FeedHealth {
  readonly endpoint: string;
  readonly kind: string;
  readonly status: FeedStatus;
  readonly lastMessageAt: string | null;
  /** Messages a minute, of the last five minutes and of the last hour. */
  readonly perMinute: number;
  readonly perMinuteOfHour: number;
  /** The longest from receipt to commit of late, or how long the oldest waits. */
  readonly lagSeconds: number;
  readonly waiting: number;
  readonly held: number;
  readonly quarantined: number;
  /** Of the last quarter of an hour: what came, and what of it was quarantined. */
  readonly receivedLately: number;
  readonly failedLately: number;
  /** How long it may be silent from its last message on; null: not known, or any. */
  readonly silenceAllowedSeconds: number | null;
  /** The rule of a person for it, in seconds; 0: any silence is right; null: as it is learned. */
  readonly silenceRuleSeconds: number | null;
  /** When it is silent for too long, unless something comes. */
  readonly silentAt: string | null;
  /** Its clock less ours; null: not known. */
  readonly clockSeconds: number | null;
}

export interface Health {
  /** Of the last round; null: none yet. Older than a minute: no process watches. */
  readonly evaluatedAt: string | null;
  readonly endpoints: readonly FeedHealth[];
}

/** @param name of one endpoint alone @throws Problem not-found */
export async function readHealth(db: Tx, now: Date, name?: string): Promise<Health> {
  const [endpoints, feeds, progress] = await Promise.all([listEndpoints(db), readFeeds(db), readProgress(db)]);
  const wanted = name === undefined ? endpoints : endpoints.filter((endpoint) => endpoint.name === name);
  if (name !== undefined && wanted.length === 0) throw unknownEndpoint(name);
  return {
    evaluatedAt: progress.evaluatedAt?.toISOString() ?? null,
    endpoints: wanted.map((endpoint) => healthOf(endpoint, feeds.get(endpoint.id) ?? newFeed(endpoint.id, now), now)),
  };
}

export function healthOf(endpoint: Endpoint, feed: Feed, now: Date): FeedHealth {
  const silence = silenceOf(feed, now);
  const judged = silence.state === 'usual' || silence.state === 'unusual' ? silence : undefined;
  const alertAt = judged?.alertAt;
  const waitedMs = feed.waitingSince === undefined ? 0 : now.getTime() - feed.waitingSince.getTime();
  const skew = skewOf(endpoint, feed);
  return {
    endpoint: endpoint.name,
    kind: endpoint.kind,
    status: statusOf(endpoint, feed, silence.state),
    lastMessageAt: feed.lastAt?.toISOString() ?? null,
    perMinute: rounded(receivedIn(feed, 5) / 5),
    perMinuteOfHour: rounded(receivedIn(feed, 60) / 60),
    lagSeconds: rounded(Math.max(feed.lagSeconds, waitedMs / 1_000)),
    waiting: feed.waiting,
    held: feed.held,
    quarantined: feed.quarantined,
    receivedLately: feed.receivedLately,
    failedLately: feed.failedLately,
    silenceAllowedSeconds:
      judged === undefined || alertAt === undefined ? null : (alertAt.getTime() - judged.since.getTime()) / 1_000,
    silenceRuleSeconds: feed.silenceSeconds ?? null,
    silentAt: alertAt?.toISOString() ?? null,
    clockSeconds: skew === undefined ? null : Math.round(skew),
  };
}

/** Beyond this share of quarantined messages, of so many at least, a source is failing; below half of it no more. */
export const failingShare = 0.1;
export const failingMin = 5;

export function isFailing({ receivedLately, failedLately }: Feed, wasFailing = false): boolean {
  if (wasFailing) return failedLately > 0 && failedLately >= (failingShare / 2) * receivedLately;
  return failedLately >= failingMin && failedLately >= failingShare * receivedLately;
}

function statusOf({ state }: Endpoint, feed: Feed, silence: ReturnType<typeof silenceOf>['state']): FeedStatus {
  if (state !== 'live') return state;
  if (feed.lastAt === undefined) return 'new';
  if (isFailing(feed)) return 'failing';
  if (silence === 'unusual') return 'silent';
  return silence === 'learning' ? 'learning' : 'ok';
}

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** What a person allows: seconds of silence, 0 any, undefined as it is learned. @throws Problem not-found */
export async function allowSilence(db: Tx, name: string, seconds: number | undefined, now: Date): Promise<void> {
  const { hour, minute, received } = newFeed(0, now);
  const rows = await db.query(sql`
    insert into feed (endpoint_id, hour, minute, received, silence_seconds)
    select id, ${hour}, ${minute}, ${received}::int[], ${seconds ?? null}::int from endpoint where name = ${name}
    on conflict (endpoint_id) do update set silence_seconds = excluded.silence_seconds
    returning endpoint_id`);
  if (rows.length === 0) throw unknownEndpoint(name);
}
