/** What a process that watches knows, and what each round adds to it: what came, the states, rules and clocks of sources, what waits. */
import { setImmediate } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Database } from '../db.ts';
import type { Endpoint } from '../ingest/contract.ts';
import { readSourceClocks } from '../ingest/pull/clock.ts';
import type { Lease } from '../jobs/lease.ts';
import { addDelay } from './clock.ts';
import { readSilenceRules } from './feed-rows.ts';
import { newFeed, receivedIn, takeActivity, turnTo, type Feed } from './feed.ts';
import { markBefore, readHeads, readStuck, readWaiting, type Gathered, type Progress } from './gather.ts';
import type { WatchOptions } from './watch.ts';

/** What counts as of late. */
export const lateMinutes = 15;
/** A millisecond or two. */
const atOnceMax = 1_000;
/** Clocks that are read in one go. */
const clocksMax = 200;
/** What comes as it is made; files wait. */
const clocked: ReadonlySet<string> = new Set(['hl7v2-mllp', 'hl7v2-http']);
/** Nobody watched for longer than this: silences begin anew. */
const blindMs = 300_000;

export interface Known {
  readonly lease: Lease;
  readonly feeds: Map<number, Feed>;
  progress: Progress;
}

type IsAlarming = (endpointId: number) => boolean;

export async function take(
  { feeds }: Known,
  { activity, lags }: Gathered,
  now: Date,
  isAlarming: IsAlarming,
): Promise<void> {
  for (const [index, one] of activity.entries()) {
    // An archive takes a while, and requests are answered meanwhile.
    if (index % atOnceMax === atOnceMax - 1) await setImmediate();
    // From the minute of its first message on.
    const feed =
      feeds.get(one.endpointId) ?? newFeed(one.endpointId, new Date(Math.min(one.minute * 60_000, now.getTime())));
    feeds.set(one.endpointId, feed);
    takeActivity(feed, one, isAlarming(one.endpointId));
  }
  for (const [endpointId, lagSeconds] of lags) {
    const feed = feeds.get(endpointId);
    if (feed !== undefined) update(feed, { lagSeconds });
  }
}

/** Everything that came before is known. */
export function turnAll({ feeds }: Known, until: Date, isAlarming: IsAlarming): void {
  const minute = Math.floor(until.getTime() / 60_000);
  for (const feed of feeds.values()) turnTo(feed, minute, isAlarming(feed.endpointId));
}

function byEndpoint<T extends { readonly endpointId: number }>(list: readonly T[]): Map<number, T> {
  return new Map(list.map((one) => [one.endpointId, one]));
}

function update(feed: Feed, values: Partial<Feed>): void {
  for (const [name, value] of Object.entries(values)) {
    const before = feed[name as keyof Feed];
    const isSame =
      value instanceof Date && before instanceof Date ? value.getTime() === before.getTime() : value === before;
    if (isSame) continue;
    Object.assign(feed, { [name]: value });
    feed.isChanged = true;
  }
}

/** Of some of those that sent; in time of all. */
export async function readClocks(
  { feeds }: Known,
  samples: ReadonlyMap<number, number>,
  { database, readClock, endpoints }: Pick<WatchOptions, 'database' | 'readClock' | 'endpoints'>,
): Promise<void> {
  if (readClock === undefined) return;
  const byId = new Map(endpoints().map((endpoint) => [endpoint.id, endpoint]));
  const wanted = [...samples].filter(([id]) => clocked.has(byId.get(id)?.kind ?? ''));
  const from = wanted.length <= clocksMax ? 0 : Math.floor(Math.random() * (wanted.length - clocksMax));
  const ids = wanted.slice(from, from + clocksMax).map(([, messageId]) => messageId);
  for (const { endpointId, receivedAt, head } of await readHeads(database, ids)) {
    const [endpoint, feed] = [byId.get(endpointId), feeds.get(endpointId)];
    const sentAt = endpoint === undefined ? undefined : readClock(head, endpoint);
    if (sentAt === undefined || feed === undefined) continue;
    feed.delays = addDelay(feed.delays, (receivedAt.getTime() - sentAt.getTime()) / 1_000);
    feed.isChanged = true;
  }
}

/** The hub was away: what did not come meanwhile is not missed. */
export function noticeBlindness(known: Known, now: Date): void {
  const { evaluatedAt, watchedFrom } = known.progress;
  // Also when a clock was set, forward or back.
  if (evaluatedAt !== undefined && Math.abs(now.getTime() - evaluatedAt.getTime()) <= blindMs) return;
  known.progress = { ...known.progress, watchedFrom: now };
  // The first time there is nothing but an archive: its rhythm is learned as it was.
  if (evaluatedAt === undefined && watchedFrom === undefined) return;
  for (const feed of known.feeds.values()) {
    if (feed.watchedFrom === undefined) continue;
    feed.watchedFrom = now;
    feed.isChanged = true;
  }
}

/** Only what is live can be silent, from then on. */
export function followStates({ feeds, progress }: Known, endpoints: readonly Endpoint[], now: Date): void {
  for (const { id, state } of endpoints) {
    const feed = feeds.get(id) ?? newFeed(id, now);
    feeds.set(id, feed);
    const from = state === 'live' ? (feed.watchedFrom ?? (feed.lastAt && now)) : undefined;
    const isLater = from !== undefined && progress.watchedFrom !== undefined && from < progress.watchedFrom;
    const watchedFrom = isLater ? progress.watchedFrom : from;
    if (watchedFrom?.getTime() === feed.watchedFrom?.getTime()) continue;
    feed.watchedFrom = watchedFrom;
    feed.isChanged = true;
  }
}

/** What people allow, by whatever process they said it. */
export async function followRules({ feeds }: Known, database: Database): Promise<void> {
  const rules = await readSilenceRules(database);
  for (const feed of feeds.values()) feed.silenceSeconds = rules.get(feed.endpointId);
}

/** Of sources that are asked: by whichever process asked them. */
export async function followClocks({ feeds }: Known, database: Database): Promise<void> {
  for (const [id, aheads] of await readSourceClocks(database)) {
    const feed = feeds.get(id);
    const delays = aheads.map((ahead) => 0 - ahead);
    if (feed === undefined || isDeepStrictEqual(feed.delays, delays)) continue;
    feed.delays = delays;
    feed.isChanged = true;
  }
}

export async function look({ feeds, progress }: Known, database: Database, now: Date): Promise<void> {
  const [waiting, stuck] = await Promise.all([
    readWaiting(database),
    readStuck(database, markBefore(progress, now, lateMinutes)),
  ]);
  const [waitingOf, stuckOf] = [byEndpoint(waiting), byEndpoint(stuck)];
  for (const feed of feeds.values()) {
    const [waits, stands] = [waitingOf.get(feed.endpointId), stuckOf.get(feed.endpointId)];
    update(feed, {
      receivedLately: receivedIn(feed, lateMinutes),
      failedLately: stands?.failedLately ?? 0,
      waiting: waits?.waiting ?? 0,
      waitingSince: waits?.waitingSince ?? undefined,
      held: stands?.held ?? 0,
      quarantined: stands?.quarantined ?? 0,
    });
  }
}
