/** What a check says and where it says it; paths are put together only when there is something to say. */
import type { Surroundings } from '../invariants.ts';
import type { ProblemCode } from '../problem.ts';
import type { AnyResource } from '../types.ts';
import type { Profiles } from './profiles.ts';

export type Severity = 'error' | 'warning' | 'information';

export interface Finding {
  readonly severity: Severity;
  readonly code: ProblemCode | 'informational';
  readonly message: string;
  /** What its sender can do about it. */
  readonly hint?: string | undefined;
  /** From the value that was checked: `.name[0].family`. */
  path: string;
}

/** How thorough: what refuses a write, or also what `$validate` tells beyond it. */
export type Depth = 'errors' | 'all';

export interface Context extends Surroundings {
  readonly findings: Finding[];
  /** Also of those that were no longer kept. */
  errors: number;
  notes: number;
  /** Definitions loaded beside R4's own. */
  readonly profiles: Profiles;
  /** The outermost Bundle, in which references are resolved, and its entries by address once somebody asked. */
  bundle?: AnyResource | undefined;
  entries?: ReadonlyMap<string, AnyResource> | undefined;
  /** What is known so far of values and profiles. */
  conformance?: Map<unknown, Map<string, boolean>> | undefined;
}

export type Check = (value: unknown, context: Context) => void;

/** As many errors as a person mends in one go, and as many notes. */
export const findingsMax = 50;

export interface Detail {
  readonly path?: string;
  readonly hint?: string | undefined;
  readonly severity?: Severity;
}

export function report(context: Context, code: Finding['code'], message: string, detail: Detail = {}): void {
  const { path = '', hint, severity = 'error' } = detail;
  // Each kind has a bound of its own, so that advice never takes the place of an error.
  const count = severity === 'error' ? ++context.errors : ++context.notes;
  if (count <= findingsMax) context.findings.push({ severity, code, message, hint, path });
}

/** Puts the step that led there before the paths of what was found since. */
export function within(step: string, context: Context, before: number): void {
  for (let at = before; at < context.findings.length; at++) {
    const finding = context.findings[at] as Finding;
    finding.path = `${step}${finding.path}`;
  }
}
