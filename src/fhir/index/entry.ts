/**
 * What a resource says to the search index: one entry per value of a search parameter. The store decides how entries are
 * laid out; what they mean is decided here, so indexing and matching cannot drift.
 *
 * `param` is the name in the index. Beside the parameter's code there are derived names, which keep modifiers out of the
 * store: `code:text` (strings of a token, for `:text`), `identifier:of-type` (a token whose system is that of the
 * identifier's type and whose code is `type code|value`), `subject:identifier` (the identifier of a logical reference),
 * `near:latitude` and `near:longitude`.
 *
 * @see https://hl7.org/fhir/R4/search.html#ptypes
 */
export type IndexEntry =
  | TokenEntry
  | ReferenceEntry
  | StringEntry
  | DateEntry
  | NumberEntry
  | QuantityEntry
  | UriEntry
  | CompositeEntry;

/** Coding, CodeableConcept (one entry a coding), Identifier, ContactPoint, code, boolean, id, string. */
export interface TokenEntry {
  readonly kind: 'token';
  readonly param: string;
  readonly system?: string;
  readonly code?: string;
}

/** A literal reference. One that leads nowhere (a display, a contained resource) has a param alone. Relative `Type/id` has type and id; an absolute or canonical one has `url` (and type and id when it shows them). */
export interface ReferenceEntry {
  readonly kind: 'reference';
  readonly param: string;
  readonly type?: string;
  readonly id?: string;
  /** Absolute URL, `urn:uuid:`..., or canonical without its version. */
  readonly url?: string;
  /** Version of a canonical (after `|`) or of a versioned reference (after `_history/`). */
  readonly version?: string;
}

export interface StringEntry {
  readonly kind: 'string';
  readonly param: string;
  /** Folded by `foldString`: what default and `:contains` matching see. */
  readonly value: string;
  /** As sent: what `:exact` sees. A spelling of a name (hanzi.ts) has none. */
  readonly exact?: string;
}

/** An interval [low, high) in epoch milliseconds; an open end is -Infinity or Infinity. */
export interface DateEntry {
  readonly kind: 'date';
  readonly param: string;
  readonly low: number;
  readonly high: number;
}

/** A closed interval [low, high]; a plain number has low = high: precision belongs to the searched value, not to the stored one. */
export interface NumberEntry {
  readonly kind: 'number';
  readonly param: string;
  readonly low: number;
  readonly high: number;
}

/** As {@link NumberEntry}; a Quantity with a comparator (`<`) and a Range have open or wide intervals. */
export interface QuantityEntry {
  readonly kind: 'quantity';
  readonly param: string;
  readonly low: number;
  readonly high: number;
  readonly system?: string;
  readonly code?: string;
  readonly unit?: string;
}

export interface UriEntry {
  readonly kind: 'uri';
  readonly param: string;
  readonly value: string;
}

/**
 * One element that composites read from (`Observation.component`): its values stay together. `param` names the element, those
 * of the entries the component (`elementIndex`). Composites of the resource itself need no entry: what belongs to it is
 * together by itself.
 */
export interface CompositeEntry {
  readonly kind: 'composite';
  readonly param: string;
  readonly entries: readonly IndexEntry[];
  /** Index names of the composites that have a value for each of their components here (`:missing`). */
  readonly whole: readonly string[];
}

/**
 * The codes of what a resource contains, as one parameter that nobody can search for: a consent that denies a code denies the
 * resource that holds it in a contained part (a compound's Medication). What permits a code never looks there.
 */
export const containedCodes = 'contained:code';

/**
 * Among the tokens of a row, beside hashes: that it contains something of a patient's record, and the codes of its types
 * (types.ts). A hash is none of these numbers but once in 10^17. Medications, staff and the like are nobody's record.
 */
export const containsRecord = 0n;

/** Index names of a place on the earth: two numbers, in degrees. */
export const latitudeOf = (param: string): string => `${param}:latitude`;
export const longitudeOf = (param: string): string => `${param}:longitude`;
