/**
 * When a server that has no time now wants to be asked again.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
 */
import { Problem } from '../../src/fhir/problem.ts';

/** A server that says next year is broken: its endpoint would never be asked again. */
const waitMsMax = 24 * 60 * 60 * 1_000;

/**
 * Milliseconds from now on: of a number of seconds, or of a date by the clock of the server, which may differ from ours.
 * @param serverNow the `Date` of the same answer, or our own time where it has none
 * @returns undefined for a text that is neither
 */
export function readRetryAfter(text: string | undefined, serverNow: Date): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  const ms = /^\d+$/.test(trimmed) ? Number(trimmed) * 1_000 : Date.parse(trimmed) - serverNow.getTime();
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), waitMsMax);
}

/** The source asks for time: not a failure of its, and nothing that a person mends. */
export class RetryLater extends Problem {
  readonly notBefore: Date;

  constructor(status: number, notBefore: Date) {
    super('throttled', `the source answers ${status} and asks to come back later`);
    this.notBefore = notBefore;
  }
}
