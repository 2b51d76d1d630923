/** Invariants of a type, an element or a profile, run on one value. */
import type { Invariant } from '../definitions.ts';
import { invariantCheck, type InvariantCheck } from '../invariants.ts';
import { report, type Context, type Depth } from './finding.ts';

export interface Rule {
  readonly check: InvariantCheck;
  readonly message: string;
  readonly isWarning: boolean;
}

/** Best practice rules refuse nothing, so writes do not evaluate them. */
export function compileInvariants(invariants: readonly Invariant[], type: string, depth: Depth): Rule[] {
  return invariants.flatMap((invariant) => {
    const { key, human, isWarning = false } = invariant;
    if (isWarning && depth === 'errors') return [];
    const check = invariantCheck(invariant, type);
    return check === undefined ? [] : [{ check, message: `${key}: ${human}`, isWarning }];
  });
}

export function runInvariants(invariants: readonly Rule[], value: unknown, context: Context): void {
  for (const { check, message, isWarning } of invariants) {
    if (!check(value, context)) report(context, 'invariant', message, isWarning ? { severity: 'warning' } : {});
  }
}
