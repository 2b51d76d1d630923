/** What the evaluator judges: records with all their versions, Consents as they were posted, and who asks. No rule is in here. */
import type { AnyResource } from '../../src/fhir/types.ts';

export interface WrittenRecord {
  /** `Observation/x`. */
  readonly key: string;
  /** `Organization/x`, or `Patient/x` of a Consent. */
  readonly owner: string;
  /** Oldest first; the last is the current one. */
  readonly versions: readonly AnyResource[];
  readonly isDeleted: boolean;
}

/** One version of a record, as it is asked for. */
export interface Shown extends WrittenRecord {
  readonly shown: AnyResource;
  /** It is not what the record is now. */
  readonly isPast: boolean;
}

export interface WrittenConsent {
  readonly resource: AnyResource;
  /** Source patients of the person at the time it was last written. */
  readonly coveredThen: readonly string[];
}

export interface Asking {
  /** `client_id`. */
  readonly client: string;
  readonly organization?: string;
  /** `Patient/x`, `RelatedPerson/x`, `Practitioner/x`. */
  readonly user?: string;
  /** Launch context: an id. */
  readonly patient?: string;
  readonly purposes: readonly string[];
  /** `system/Observation.rs?category=laboratory`. */
  readonly scopes: readonly string[];
  /** Emergency access that was opened to a registered hospital, by the client and user that ask. */
  readonly window?: { readonly patient: string; readonly labels: readonly string[] };
}

export interface World {
  readonly records: readonly WrittenRecord[];
  readonly consents: readonly WrittenConsent[];
  /** Ids of source patients that are one person. */
  readonly persons: readonly (readonly string[])[];
  readonly now: number;
}

export type Element = Record<string, unknown>;

/** The elements below a name: of a list, of one, of none. */
export function elements(of: Element | undefined, name: string): Element[] {
  const value = of?.[name];
  return (Array.isArray(value) ? value : value === undefined ? [] : [value]) as Element[];
}

/** "All source records of the person": this one and those linked to it. */
export function personOf({ persons }: Pick<World, 'persons'>, patient: string): readonly string[] {
  return persons.find((person) => person.includes(patient)) ?? [patient];
}
