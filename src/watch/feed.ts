/**
 * What is known of each source, in memory while this process watches, and in the tables `feed` and `feed_rhythm` (feed-rows.ts) for the one
 * that takes over and for whoever asks. Pure.
 */
import {
  endWeek,
  hourOf,
  hoursPerWeek,
  limitOf,
  newRhythm,
  recordGap,
  recordHour,
  slotAtWeight,
  slotMs,
  slotOf,
  slotsPerHour,
  unseen,
  weigh,
  type Rhythm,
} from './rhythm.ts';

/** What came from one source in one minute. */
export interface Activity {
  readonly endpointId: number;
  /** Number since 1970. */
  readonly minute: number;
  readonly received: number;
  readonly lastAt: Date;
}

/** As the last evaluation found it. */
export interface Present {
  /** Of the last quarter of an hour: received, and quarantined among them. */
  receivedLately: number;
  failedLately: number;
  waiting: number;
  waitingSince: Date | undefined;
  held: number;
  quarantined: number;
  /** From receipt to commit, the longest of what was looked at last. */
  lagSeconds: number;
}

export interface Feed extends Present {
  readonly endpointId: number;
  lastAt: Date | undefined;
  watchedFrom: Date | undefined;
  hour: number;
  busy: number;
  minute: number;
  readonly received: number[];
  delays: readonly number[];
  /** Allowed by a person: 0 any; undefined as it is learned. */
  silenceSeconds: number | undefined;
  readonly rhythm: Rhythm;
  /** To be written. */
  isChanged: boolean;
  isRhythmChanged: boolean;
}

export const minutesKept = 60;
const minuteMs = 60_000;

export function newFeed(endpointId: number, now: Date): Feed {
  return {
    endpointId,
    lastAt: undefined,
    watchedFrom: undefined,
    hour: hourOf(now.getTime()),
    busy: 0,
    minute: Math.floor(now.getTime() / minuteMs),
    received: Array<number>(minutesKept).fill(0),
    delays: [],
    silenceSeconds: undefined,
    receivedLately: 0,
    failedLately: 0,
    waiting: 0,
    waitingSince: undefined,
    held: 0,
    quarantined: 0,
    lagSeconds: 0,
    rhythm: newRhythm(),
    isChanged: true,
    isRhythmChanged: true,
  };
}

/** What came in one minute, minutes in order. @param isAlarming its silence is told of: what ends now was no habit */
export function takeActivity(feed: Feed, { minute, received, lastAt }: Activity, isAlarming: boolean): void {
  const at = minute * minuteMs;
  const slot = slotOf(at);
  turnTo(feed, minute, isAlarming);
  if (feed.lastAt !== undefined && !isAlarming) {
    const last = Math.max(slotOf(feed.lastAt.getTime()), slotOf(feed.watchedFrom?.getTime() ?? 0));
    if (slot > last && recordGap(feed.rhythm, weigh(feed.rhythm, last + 1, slot))) feed.isRhythmChanged = true;
  }
  if (feed.lastAt === undefined || lastAt > feed.lastAt) feed.lastAt = lastAt;
  feed.watchedFrom ??= lastAt;
  if (hourOf(at) === feed.hour) feed.busy |= 1 << (slot % slotsPerHour);
  if (minute > feed.minute - minutesKept)
    feed.received[minute % minutesKept] = (feed.received[minute % minutesKept] ?? 0) + received;
  feed.isChanged = true;
}

/** Time has passed up to this minute: hours and weeks that ended are learned. */
export function turnTo(feed: Feed, minute: number, isAlarming: boolean): void {
  if (minute <= feed.minute) return;
  for (let next = Math.max(feed.minute + 1, minute - minutesKept + 1); next <= minute; next++)
    feed.received[next % minutesKept] = 0;
  feed.minute = minute;
  feed.isChanged = true;
  const hour = hourOf(minute * minuteMs);
  if (hour === feed.hour) return;
  const seenFrom = feed.watchedFrom === undefined ? Infinity : hourOf(feed.watchedFrom.getTime());
  // Hours of a silence that is told of, or that nobody saw, are no habit.
  const endHour = (one: number, slots: number): void => {
    const isSeen = slots > 0 || (one > seenFrom && !isAlarming);
    recordHour(feed.rhythm, one, isSeen ? slots : unseen);
    if ((one + 1) % hoursPerWeek === 0)
      endWeek(feed.rhythm, (one + 1) / hoursPerWeek, seenFrom <= one + 1 - hoursPerWeek);
  };
  endHour(feed.hour, bitsOf(feed.busy));
  // Long away: what is older than is kept need not be gone through.
  for (let one = Math.max(feed.hour + 1, hour - feed.rhythm.hours.length); one < hour; one++) endHour(one, 0);
  feed.hour = hour;
  feed.busy = 0;
  feed.isRhythmChanged = true;
}

const bitsOf = (mask: number): number => mask.toString(2).replaceAll('0', '').length;

export type Silence =
  /** No message was seen yet, or it is being learned when it sends. */
  | { readonly state: 'learning' }
  /** Not live, or a person said that any silence is right. */
  | { readonly state: 'unwatched' }
  /** `alertAt`: when the silence that began with the last message is unusual; undefined: not within three weeks. */
  | { readonly state: 'usual' | 'unusual'; readonly since: Date; readonly alertAt: Date | undefined };

/** A source that sends all the time may stop to be restarted: shorter is nobody's trouble. */
const silenceMsMin = 900_000;

export function silenceOf(feed: Feed, now: Date): Silence {
  const { lastAt, watchedFrom, silenceSeconds, rhythm } = feed;
  if (watchedFrom === undefined || silenceSeconds === 0) return { state: 'unwatched' };
  if (lastAt === undefined) return { state: 'learning' };
  const since = new Date(Math.max(lastAt.getTime(), watchedFrom.getTime()));
  if (silenceSeconds !== undefined) return judged(since, new Date(since.getTime() + silenceSeconds * 1_000), now);
  const limit = limitOf(rhythm);
  if (limit === undefined) return { state: 'learning' };
  const slot = slotAtWeight(rhythm, slotOf(since.getTime()) + 1, limit);
  if (slot === undefined) return judged(since, undefined, now);
  return judged(since, new Date(Math.max((slot + 1) * slotMs, since.getTime() + silenceMsMin)), now);
}

function judged(since: Date, alertAt: Date | undefined, now: Date): Silence {
  return { state: alertAt !== undefined && now >= alertAt ? 'unusual' : 'usual', since, alertAt };
}

/** Messages of the last minutes, the one that runs included. */
export function receivedIn(feed: Pick<Feed, 'received' | 'minute'>, minutes: number): number {
  let sum = 0;
  for (let back = 0; back < minutes; back++) sum += feed.received[(feed.minute - back) % minutesKept] ?? 0;
  return sum;
}
