/** From page to page where a server gives no links. */
import type { Pulled } from '../../../src/ingest/contract.ts';
import type { OpenWindow } from './mark.ts';
import type { DatedPage } from './pages.ts';

/** What the server counts in `total`: matches, or versions of a history. */
export function countPassed(open: OpenWindow, { entries }: DatedPage, isLink: boolean): void {
  const before = isLink || open.offset !== undefined ? (open.passed ?? 0) : 0;
  open.passed = before + entries.filter(({ mode }) => mode !== 'include' && mode !== 'outcome').length;
  open.isLinked = isLink;
}

/**
 * Servers that give no link to the next page, though they have more than they sent: asked again from the last time on, or, within one time
 * and without order, past what was sent.
 * @returns false when there is no more
 */
export function stride(open: OpenWindow, { total }: DatedPage, entries: readonly Pulled[]): boolean {
  const { passed = 0, isLinked = false, reached } = open;
  const [first] = entries;
  if (total === undefined || isLinked || first === undefined || passed >= total) return false;
  // From a time that the page goes beyond, or the same page would come again.
  if (reached !== undefined && first.updatedAt?.toISOString() !== reached) {
    open.from = reached;
    delete open.offset;
  } else open.offset = passed;
  return true;
}
