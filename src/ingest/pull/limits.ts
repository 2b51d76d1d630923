/** How much a process asks at a time. Sources that fail have places of their own, so that what hangs costs the others nothing. Pure. */
import type { PullSource } from './sources.ts';

export interface PullLimits {
  /** Runs that get on, of sources that were well: each may hold a page in memory. */
  readonly activeMax: number;
  /** Of sources that failed the last time: what hangs among them gives its place up like the others, so that what is mended is asked soon. */
  readonly failingMax: number;
  /** Runs in all. Those that wait long for an answer count here alone. */
  readonly runsMax: number;
  /** A run that took nothing for so long waits for its source, and holds no memory to speak of. */
  readonly waitingMs: number;
  /** A source that failed before has so long to show that it answers. */
  readonly silentMs: number;
  /** How long a source is not asked after the process that asked it died: with the tick, well below half a minute. */
  readonly leaseMs: number;
  /** After an abort an adapter has so long to come to its end; then it is left to itself, and what it takes is refused by the fence. */
  readonly graceMs: number;
  /** When the hub stops runs may go on for so long, before they are aborted. */
  readonly drainMs: number;
}

export const pullLimits: PullLimits = {
  activeMax: 128,
  failingMax: 32,
  runsMax: 2_000,
  waitingMs: 15_000,
  silentMs: 90_000,
  leaseMs: 15_000,
  // Together well below the ten seconds in which a hub is gone.
  graceMs: 3_000,
  drainMs: 2_000,
};

/**
 * Starts a second: so many times what the intervals need, so that after a pause the sources are not all asked at once; and as many as
 * they need of those that failed, so that what failed together does not come back in one second. Three times the mean in all.
 */
const catchUp = 2;
const startsMin = 4;
/** What a sum of thousands of fractions may be off. */
const rounding = 1e-6;

interface Running {
  readonly claimed: { readonly failures: number; readonly isAsked: boolean };
  /** When it last got on, in milliseconds of a clock that nobody sets. */
  readonly movedAt: number;
}

/** What a person asks for has a place among those that are well. */
export function isFailing({ failures, isAsked }: Running['claimed']): boolean {
  return failures > 0 && !isAsked;
}

/** Places for what is due at this second. @param elapsed now, by the clock of `movedAt` */
export function freePlaces(
  runs: readonly Running[],
  sources: readonly Pick<PullSource, 'settings'>[],
  { activeMax, failingMax, runsMax, waitingMs }: PullLimits,
  elapsed: number,
): { readonly well: number; readonly failing: number } {
  const since = elapsed - waitingMs;
  const gettingOn = runs.filter((run) => run.movedAt > since);
  const failing = gettingOn.filter(({ claimed }) => isFailing(claimed)).length;
  const active = gettingOn.length - failing;
  const perSecond = sources.reduce((sum, { settings }) => sum + 1_000 / settings.everyMs, 0);
  const starts = (times: number): number => Math.max(startsMin, Math.ceil(perSecond * times - rounding));
  const room = Math.max(0, runsMax - runs.length);
  return {
    well: Math.max(0, Math.min(starts(catchUp), activeMax - active, room)),
    failing: Math.max(0, Math.min(starts(1), failingMax - failing, room)),
  };
}
