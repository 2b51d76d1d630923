/** What answers show of a server: whether it read the time that it was asked for, and whether its clock went on as ours did. */
import type { Pulled } from '../../../src/ingest/contract.ts';
import type { OpenWindow, TypeMark } from './mark.ts';
import type { DatedPage } from './pages.ts';

/** Servers that keep times to the second cut them. */
const toleranceMs = 1_000;

/** Whether the answers are of the window: not older than asked, dated at all, and, where the server says what it understood, by time. */
export function isHeeded(entries: readonly Pulled[], { self }: DatedPage, { from = '', way }: OpenWindow): boolean {
  const earliest = Date.parse(from) - toleranceMs;
  const isInside = entries.every(({ updatedAt }) => updatedAt !== undefined && updatedAt.getTime() >= earliest);
  const name = way === 'history' ? '_since' : '_lastUpdated';
  const query = self?.split('?')[1];
  // FHIR R4 search.html#conformance: the self link says which parameters were used. Some servers put a token there instead.
  const isSaid =
    query === undefined || !/(^|&)_(count|sort|lastUpdated|since)=/.test(query) || query.includes(`${name}=`);
  return isInside && isSaid;
}

/** Clocks that are corrected by less are covered by the overlap. */
const setBackMsMin = 60_000;

/** By how much the server's clock was set back since the last window: it should have moved as ours has. */
export function setBackMs({ since, at }: TypeMark, serverTime: Date, now: Date): number {
  if (since === undefined || at === undefined) return 0;
  const expected = Date.parse(since) + (now.getTime() - Date.parse(at));
  const back = expected - serverTime.getTime();
  return back > setBackMsMin ? back : 0;
}
