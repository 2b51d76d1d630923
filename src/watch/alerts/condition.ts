/** What can be wrong, and what of it is now. Pure: from what a round found to a list; who is told, and when, is decided later. */
import type { Endpoint } from '../../ingest/contract.ts';
import { isPulled } from '../../ingest/registry/description.ts';
import { skewOf } from '../clock.ts';
import { silenceOf, type Feed } from '../feed.ts';
import { isFailing } from '../health.ts';

/** Each has a section in docs/operations.md that says what to do. */
export const alertKinds = [
  'silence',
  'silence-many',
  'failing',
  'held',
  'backlog',
  'outbound',
  'clock',
  'pull',
  'pull-many',
  'certificate',
  'storage',
] as const;
export type AlertKind = (typeof alertKinds)[number];
export type Severity = 'warning' | 'critical';

export interface Condition {
  readonly kind: AlertKind;
  /** An endpoint's name, a destination's, a certificate's, a disk's, or `hub`. One alert of a kind is open for each. */
  readonly subject: string;
  readonly severity: Severity;
  /** One sentence for an operator; names, numbers and times, never content. */
  readonly summary: string;
  readonly detail: Readonly<Record<string, string | number | boolean | null>>;
}

/** Since when there is an alert of this: what ends has another threshold than what starts, so that nothing flaps. */
export type OpenSince = (kind: AlertKind, subject: string) => Date | undefined;

/** Of the sources that are live. */
export function feedConditions(
  endpoints: readonly Endpoint[],
  feeds: ReadonlyMap<number, Feed>,
  now: Date,
  openSince: OpenSince,
): Condition[] {
  return endpoints.flatMap((endpoint) => {
    const feed = feeds.get(endpoint.id);
    if (feed === undefined || endpoint.state !== 'live') return [];
    return [
      silence(endpoint, feed, now, openSince('silence', endpoint.name)),
      failing(endpoint, feed, openSince),
      held(endpoint, feed),
      clock(endpoint, feed, openSince),
    ].filter((one) => one !== undefined);
  });
}

function silence({ name }: Endpoint, feed: Feed, now: Date, openSince: Date | undefined): Condition | undefined {
  const found = silenceOf(feed, now);
  if (found.state === 'unwatched') return undefined;
  const lastMessageAt = feed.lastAt?.toISOString() ?? null;
  // It ends with a message: not when the hub was away, or when more is allowed than was.
  if (openSince !== undefined && (feed.lastAt === undefined || feed.lastAt < openSince)) {
    return {
      kind: 'silence',
      subject: name,
      severity: 'warning',
      summary: `${name} is silent`,
      detail: { lastMessageAt },
    };
  }
  if (found.state !== 'unusual' || found.alertAt === undefined) return undefined;
  const allowedSeconds = (found.alertAt.getTime() - found.since.getTime()) / 1_000;
  return {
    kind: 'silence',
    subject: name,
    severity: 'warning',
    summary: `${name} is silent: nothing since ${lastMessageAt}, and ${duration(allowedSeconds)} are usual for it at this time of the week`,
    detail: { lastMessageAt, allowedSeconds },
  };
}

function failing({ name }: Endpoint, feed: Feed, openSince: OpenSince): Condition | undefined {
  if (!isFailing(feed, openSince('failing', name) !== undefined)) return undefined;
  const { receivedLately: received, failedLately: failed } = feed;
  return {
    kind: 'failing',
    subject: name,
    severity: failed * 2 >= received ? 'critical' : 'warning',
    summary: `${name}: of ${received} messages in a quarter of an hour ${failed} are quarantined`,
    detail: { received, failed },
  };
}

function held({ name, poisonPolicy }: Endpoint, { held: count, quarantined }: Feed): Condition | undefined {
  if (poisonPolicy !== 'hold' || count === 0 || quarantined === 0) return undefined;
  return {
    kind: 'held',
    subject: name,
    severity: 'warning',
    summary: `${name}: ${count} messages wait behind ${quarantined} that are quarantined, until a person decides`,
    detail: { held: count, quarantined },
  };
}

/** An offset of time zones is caught, and results that seem to come from the future; less is usual for a source without NTP. */
const skewStart = 300;
const skewEnd = 120;

function clock(endpoint: Endpoint, feed: Feed, openSince: OpenSince): Condition | undefined {
  const { name, kind } = endpoint;
  const seconds = skewOf(endpoint, feed);
  if (seconds === undefined || Math.abs(seconds) < (openSince('clock', name) !== undefined ? skewEnd : skewStart))
    return undefined;
  // What is asked tells the time as it answers; what sends may have kept it waiting.
  const behind = isPulled(kind) ? 'behind ours' : 'behind ours, or all it sends has waited as long';
  const side = seconds > 0 ? 'ahead of ours' : behind;
  return {
    kind: 'clock',
    subject: name,
    severity: 'warning',
    summary: `${name}: its clock is ${duration(Math.abs(seconds))} ${side}`,
    detail: { seconds: Math.round(seconds) },
  };
}

/** The oldest message has waited for this long; a busy hub takes seconds. */
const backlogStartSeconds = 120;
const backlogEndSeconds = 30;
const backlogCritical = 900;
/** Lanes that are tried again later wait for up to some four minutes by themselves. */
const waitersMin = 10;

export function backlog(feeds: Iterable<Feed>, now: Date, openSince: OpenSince): Condition[] {
  let [waiting, since] = [0, now.getTime()];
  for (const feed of feeds) {
    waiting += feed.waiting;
    since = Math.min(since, feed.waitingSince?.getTime() ?? since);
  }
  const seconds = Math.round((now.getTime() - since) / 1_000);
  const isOpen = openSince('backlog', 'hub') !== undefined;
  if (seconds < (isOpen ? backlogEndSeconds : backlogStartSeconds) || (!isOpen && waiting < waitersMin)) return [];
  return [
    {
      kind: 'backlog',
      subject: 'hub',
      severity: seconds >= backlogCritical ? 'critical' : 'warning',
      summary: `${waiting} accepted messages wait to be processed, the oldest for ${duration(seconds)}`,
      detail: { waiting, seconds },
    },
  ];
}

/** `90 s`, `25 min`, `6 h`, `3 d`: for people. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
