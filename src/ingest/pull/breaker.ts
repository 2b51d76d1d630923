/**
 * How a run's end decides when its source is asked again. A failure is tried again within seconds, as most pass; from the third in a
 * row on the source is left alone for longer and longer (open), and asked once each time (half open). One run that ends well closes it.
 *
 * @see https://martinfowler.com/bliki/CircuitBreaker.html
 */
import type { PullSettings } from './settings.ts';
import { nextTurn, turnAfter, type Turn } from './calendar.ts';

/** From so many failures in a row on it is open. */
export const openFailures = 3;
const firstWaitsMs: readonly number[] = [10_000, 20_000];
const openMsMin = 60_000;
/** A source that is mended is asked again within the hour, without hands. */
const openMsMax = 3_600_000;
/** The rest of a run that was too long: the source and the others have a moment. */
const moreMs = 5_000;

export type RunEnd =
  | { readonly outcome: 'done' | 'more'; readonly reason?: string; readonly notBefore?: Date }
  | { readonly outcome: 'failed'; readonly reason: string; readonly notBefore?: Date }
  /** Not the source's doing: the hub stops, or its own database is away. Another process may go on at once. */
  | { readonly outcome: 'stopped'; readonly reason: string; readonly waitMs?: number };

export interface Next extends Turn {
  readonly failures: number;
}

/** @param failures in a row before this run */
export function decideNext(
  end: RunEnd,
  run: { readonly endpointId: number; readonly slotAt: Date; readonly failures: number },
  { everyMs, blackout }: Pick<PullSettings, 'everyMs' | 'blackout'>,
  now: Date,
): Next {
  const { endpointId, failures } = run;
  const options = { endpointId, everyMs, blackout, after: now };
  switch (end.outcome) {
    case 'done':
      return { ...nextTurn({ ...options, after: latest(now, end.notBefore) }), failures: 0 };
    case 'more':
      return { ...turnAfter(waitMs(moreMs, now, end.notBefore), options), failures: 0 };
    case 'failed': {
      const wait = waitMs(waitAfter(failures + 1, everyMs), now, end.notBefore);
      return { ...turnAfter(wait, options), failures: failures + 1 };
    }
    default:
      return { ...turnAfter(end.waitMs ?? 0, options), slotAt: run.slotAt, failures };
  }
}

function waitAfter(failures: number, everyMs: number): number {
  const first = firstWaitsMs[failures - 1];
  return first === undefined
    ? Math.min(openMsMin * 2 ** Math.min(failures - openFailures, 30), openMsMax)
    : Math.min(first, everyMs);
}

/** A source may ask for more patience than the hub would have, within reason: a day is a mistake of a clock. */
const notBeforeMsMax = 86_400_000;

function waitMs(least: number, now: Date, notBefore: Date | undefined): number {
  return Math.max(least, latest(now, notBefore).getTime() - now.getTime());
}

function latest(now: Date, notBefore: Date | undefined): Date {
  if (notBefore === undefined || notBefore <= now) return now;
  return new Date(Math.min(notBefore.getTime(), now.getTime() + notBeforeMsMax));
}
