/** What differs between the ledger and the hub: all of it counted, some of it shown. */

export interface Findings {
  add(kind: string, which: string): void;
  readonly count: number;
  /** `3 messages were accepted and are not stored: SIM0001 S1N5, ...` */
  describe(): string[];
}

/** Enough to see a pattern. */
const examplesMax = 5;

export function noFindings(): Findings {
  const kinds = new Map<string, { count: number; examples: string[] }>();
  return {
    add: (kind, which) => {
      const found = kinds.get(kind) ?? { count: 0, examples: [] };
      kinds.set(kind, found);
      if (++found.count <= examplesMax) found.examples.push(which);
    },
    get count() {
      return kinds.values().reduce((sum, { count }) => sum + count, 0);
    },
    describe: () => [...kinds].map(([kind, { count, examples }]) => `WRONG ${count} x ${kind}: ${examples.join(', ')}`),
  };
}
