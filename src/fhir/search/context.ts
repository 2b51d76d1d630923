/**
 * What every part of the search grammar shares: how the request is to be read, what it has said so far, and the two ways
 * to turn a parameter down.
 */
import { Problem } from '../problem.ts';
import { printable } from './filters.ts';

export interface SearchOptions {
  /** `Prefer: handling=`; R4 leaves the default to the server: lenient. */
  readonly handling: 'strict' | 'lenient';
  /** The server's FHIR base URL without a slash at the end: its absolute references are its relative ones. */
  readonly base: string;
  /** Epoch milliseconds, for `ap` on dates. */
  readonly now: number;
}

export interface SearchContext extends SearchOptions {
  /** Of the resources the parameter is about: inside a chain it is another than the one searched. */
  readonly type: string;
  readonly issues: Problem[];
  /** Names and values in effect, in order. */
  readonly parameters: [string, string][];
}

/** More parameters than any real query has; each costs the database a condition. */
const parametersMax = 64;

/** Names and values as sent. @throws Problem too-costly */
export function pairsOf(query: string | URLSearchParams): [string, string][] {
  const pairs = [...new URLSearchParams(query)];
  if (pairs.length > parametersMax) {
    throw new Problem('too-costly', `a search takes at most ${parametersMax} parameters`);
  }
  return pairs;
}

/** FHIR R4 search.html#errors: refused under strict handling, otherwise named in the answer and left out. */
export function ignore(problem: Problem, context: SearchContext): undefined {
  if (context.handling === 'strict') throw problem;
  context.issues.push(problem);
  return undefined;
}

export function details(name: string, { type }: SearchContext): { expression: string; hint: string } {
  return { expression: printable(name), hint: `The CapabilityStatement lists the parameters of ${type}.` };
}
