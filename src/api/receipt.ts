/**
 * The consent receipt: which versions of which Consents allowed an answer, in a header of it. Named is what let each row through,
 * of the row's own patient (LEAKS 20), so it costs no question to the database; what needs no Consent (one's own record, what one
 * wrote) has no receipt.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8941#name-lists a list of tokens; `more` on the last counts those that did not fit
 */
import type { Shown } from './interaction.ts';
import type { Answer } from './respond.ts';

export const receiptHeader = 'consent-receipt';

/** A header of 1 kB; the patient's log has the rest. */
const namedMax = 12;
const prefix = 'consent:';

/** Adds what decided these rows. @returns the same set; one is made when there is something to be kept */
export function addDecided(decided: Set<string> | undefined, shown: readonly Shown[]): Set<string> | undefined {
  let found = decided;
  let last: string | undefined;
  for (const { decidedBy } of shown) {
    // Most answers are allowed by one Consent.
    if (decidedBy === last || decidedBy === undefined || !decidedBy.startsWith(prefix)) continue;
    last = decidedBy;
    found = (found ?? new Set()).add(decidedBy);
  }
  return found;
}

/** The answer with its receipt; as it is when no Consent was needed. */
export function receipted(answer: Answer, decided: ReadonlySet<string> | undefined): Answer {
  if (decided === undefined || decided.size === 0) return answer;
  return { ...answer, headers: { ...answer.headers, [receiptHeader]: receiptOf(decided) } };
}

/** @param decided `consent:ID/VERSION` */
export function receiptOf(decided: ReadonlySet<string>): string {
  const named = Array.from(decided)
    .slice(0, namedMax)
    .map((one) => `Consent/${one.slice(prefix.length).replace('/', '/_history/')}`)
    .join(', ');
  return decided.size > namedMax ? `${named};more=${decided.size - namedMax}` : named;
}
