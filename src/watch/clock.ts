/**
 * The clock of a source. Of one that is asked its answers tell the time (their `Date`); of one that sends, by the time it writes into its messages and the time they come. A message may wait before it is sent, so the shortest
 * delay of the latest ones says most: when even that is long, or less than nothing, the clock is off, or all of them wait.
 */

import { isPulled } from '../ingest/registry/description.ts';
import type { Endpoint } from '../ingest/contract.ts';
import type { Feed } from './feed.ts';

/** Samples kept of each source, and how many are needed to say anything. */
const samplesMax = 20;
const samplesMin = 5;

/** @param delay seconds from the time in a message to its receipt */
export function addDelay(delays: readonly number[], delay: number): number[] {
  return [...delays, Math.round(delay * 10) / 10].slice(-samplesMax);
}

/** Runs of a source that is asked, which must agree. */
const runsMin = 3;

/** Seconds that the source's clock is ahead of ours (behind: negative); undefined: too few samples. */
export function skewOf({ kind }: Pick<Endpoint, 'kind'>, { delays }: Pick<Feed, 'delays'>): number | undefined {
  if (isPulled(kind)) return leastOf(delays.map((delay) => -delay));
  if (delays.length < samplesMin) return undefined;
  const shortest = Math.min(...delays);
  return shortest === 0 ? 0 : -shortest;
}

/** Each run has told the time itself, so what all of them agree upon is true: one that was right ends it. */
function leastOf(aheads: readonly number[]): number | undefined {
  if (aheads.length < runsMin) return undefined;
  const [least, most] = [Math.min(...aheads), Math.max(...aheads)];
  return least > 0 ? least : Math.min(most, 0);
}
