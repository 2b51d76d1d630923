/** What a language has to say. Whole phrases with places in them, because the order of their parts is the language's own. */

/** The parts of a sentence about one rule; absent: the rule does not say. */
export interface Said {
  /** Absent of a deny: everybody. */
  readonly who?: string | undefined;
  readonly isMany: boolean;
  readonly what: string;
  readonly why?: string | undefined;
  readonly when?: string | undefined;
}

/** Of the rules of a Consent at a moment; the statuses that have none are `inactive`. */
export type State = 'in-force' | 'later' | 'over' | 'proposed' | 'inactive';

export interface Words {
  /** For dates and lists. */
  readonly locale: string;
  readonly permit: (said: Said & { readonly who: string; readonly why: string; readonly when: string }) => string;
  readonly deny: (said: Said) => string;
  /** Between the clauses of what is seen. */
  readonly clauses: string;
  /** Instead of what is seen. */
  readonly nothing: string;
  readonly all: string;
  readonly instances: (count: number) => string;
  /** What follows narrows the clause above. */
  readonly about: (codes: string) => string;
  readonly mentioning: (codes: string) => string;
  readonly writtenBy: (sources: string) => string;
  readonly dated: (data: { readonly from?: string | undefined; readonly to?: string | undefined }) => string;
  readonly unprotected: string;
  readonly onlyProtected: (labels: string) => string;
  readonly alsoProtected: (labels: string) => string;
  /** A sentence of its own: the minimum of payment. */
  readonly payment: string;
  readonly until: (to: string) => string;
  readonly from: (from: string) => string;
  readonly between: (from: string, to: string) => string;
  readonly untilStopped: string;
  /** A source, which sees what it wrote. */
  readonly wrote: (who: string, count: number) => string;
  /** A proxy. `isWhole`: also what is private to a minor. */
  readonly actsFor: (proxy: {
    readonly who: string;
    readonly relationship: string;
    readonly isWhole: boolean;
    readonly until?: string | undefined;
  }) => string;
  readonly relationships: Readonly<Record<'parent' | 'guardian' | 'caregiver', string>>;
  readonly nobody: string;
  /** How long after its end copies are kept. */
  readonly copies: (days: number) => string;
  /** Emergency access that is open; `until` as {@link Words.until} says it. */
  readonly emergency: (who: string, until: string) => string;
  /** Whoever was shown something under a Consent that has ended is to delete its copies. */
  readonly deletion: (who: string, by: string, answer: 'asked' | 'done' | 'refused') => string;
  readonly states: Readonly<Record<State, string>>;
  /** By code of v3-PurposeOfUse. */
  readonly purposes: Readonly<Record<string, string>>;
  /** By code of the label. */
  readonly labels: Readonly<Record<string, string>>;
  /** By key of categories.ts. */
  readonly categories: Readonly<Record<string, string>>;
  /** By resource type; those that no Consent opens have none. */
  readonly types: Readonly<Record<string, string>>;
}
