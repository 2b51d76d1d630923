/** What validation asks of the definitions that were loaded beside R4's own. */
import type { Check, Depth } from './finding.ts';

export interface Profiles {
  /**
   * The compiled check of a loaded definition: a profile on a resource or data type, or an extension.
   * @param canonical its URL, perhaps with `|version`
   */
  check(canonical: string, depth: Depth): Check | undefined;
  /** Canonical URLs of the profiles on each resource type; another map when they have changed. */
  supported(): ReadonlyMap<string, readonly string[]>;
}

const none: ReadonlyMap<string, readonly string[]> = new Map();

export const noProfiles: Profiles = { check: () => undefined, supported: () => none };
