/** How far a hospital's connection is: what is well, what is missing, and the command that mends it. */

export interface ReadinessCheck {
  readonly name: string;
  readonly isOk: boolean;
  /** Without it the endpoint cannot do its work. */
  readonly isNeeded: boolean;
  readonly detail: string;
  /** What to do about it. */
  readonly fix?: string;
}

export interface Readiness {
  /** 0 to 100: what is needed weighs three times as much as what is good to have. */
  readonly score: number;
  /** All that is needed is there. */
  readonly isReady: boolean;
  readonly checks: readonly ReadinessCheck[];
}

const neededWeight = 3;

export function judge(checks: readonly ReadinessCheck[]): Readiness {
  const weigh = (some: readonly ReadinessCheck[]): number =>
    some.reduce((sum, { isNeeded }) => sum + (isNeeded ? neededWeight : 1), 0);
  const all = weigh(checks);
  const well = weigh(checks.filter(({ isOk }) => isOk));
  return {
    score: all === 0 ? 100 : Math.floor((100 * well) / all),
    isReady: checks.every(({ isOk, isNeeded }) => isOk || !isNeeded),
    checks,
  };
}
