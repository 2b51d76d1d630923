/**
 * What a table of `mappings/fhir` says of a release: for each type how its elements become R4's. An element that no rule names goes to
 * the element of the same name, where R4 has one that takes it. The language is closed: see docs/fhir-versions.md.
 */
import type { Property } from '../../../src/fhir/definitions.ts';
import type { Shape } from './values.ts';

export interface VersionTable {
  readonly version: string;
  /** `3.0`: in the URLs of what is kept. */
  readonly release: string;
  /** What coding systems are called in R4; the first that fits. */
  readonly systems: readonly SystemRule[];
  readonly types: ReadonlyMap<string, TypeTable>;
}

/** `*` stands for the rest of the URL, one of `names` where there are any. */
export interface SystemRule {
  readonly from: string;
  readonly to: string;
  readonly names: ReadonlySet<string> | undefined;
}

export interface TypeTable {
  readonly name: string;
  /** The R4 type: `MedicationRequest` of `MedicationOrder`. */
  readonly becomes: string;
  readonly root: Node;
  /** In their order; also those of the root. */
  readonly rules: readonly Rule[];
  /** What is set when nothing else was. */
  readonly defaults: readonly Rule[];
}

/** An element of the source, by its path: its rules, and those of what is in it. */
export interface Node {
  readonly rules: Rule[];
  readonly children: Map<string, Node>;
}

/** `name`, or `name[label]`: within one object the items of a list that have the same label are one. */
export interface Segment {
  readonly name: string;
  readonly label: string | undefined;
}

export interface Rule {
  /** file:line */
  readonly at: string;
  /** Path in the source; empty for a default. */
  readonly from: readonly string[];
  /** Path in R4, and the element at its end. */
  readonly to: readonly Segment[] | undefined;
  readonly property: Property | undefined;
  /** How the value is shaped anew. */
  readonly as: Shape | undefined;
  /** The system of a code that becomes a Coding. */
  readonly system: string | undefined;
  /** Codes of the source -> codes of R4; null: nothing is said by this code. */
  readonly codes: Readonly<Record<string, string | null>> | undefined;
  /** Elements beside the value, in the object that was made for it. */
  readonly beside: Readonly<Record<string, unknown>>;
  readonly when: readonly Condition[];
  /** Kept as an extension on purpose: R4 has no place for it. A modifier stays one. */
  readonly keep: 'extension' | 'modifier' | undefined;
  /** Type of what is kept, where its shape does not tell. */
  readonly type: string | undefined;
  /** Why nothing of it is needed. */
  readonly drop: string | undefined;
  /** An item for each value of this element of it. */
  readonly split: string | undefined;
  /** The element of that name in R4 is another: only what is in it goes somewhere. */
  readonly isOpened: boolean;
  /** Of a default: the value. */
  readonly constant: unknown;
  /** Of a default: why there is none (data-absent-reason). */
  readonly absent: string | undefined;
}

/** Of an element beside the rule's, in the same object; `isWithin`: of one inside the value; of a default, of one of the resource. */
export interface Condition {
  /** Names by dots; of lists, any value counts. */
  readonly path: readonly string[];
  readonly isWithin: boolean;
  readonly exists: boolean | undefined;
  readonly in: readonly string[] | undefined;
  readonly not: readonly string[] | undefined;
}

export function holds(rule: Rule, beside: unknown, value?: unknown): boolean {
  return rule.when.every(({ path, isWithin, exists, in: among, not }) => {
    const found = findAll(isWithin ? value : beside, path);
    if (exists !== undefined && exists !== found.length > 0) return false;
    const texts = found.map(String);
    if (among !== undefined && !texts.some((text) => among.includes(text))) return false;
    return not === undefined || !texts.some((text) => not.includes(text));
  });
}

function findAll(value: unknown, [name, ...rest]: readonly string[]): unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((item) => findAll(item, name === undefined ? [] : [name, ...rest]));
  if (name === undefined) return [value];
  return typeof value === 'object' ? findAll((value as Record<string, unknown>)[name], rest) : [];
}

export const emptyNode: Node = { rules: [], children: new Map() };
