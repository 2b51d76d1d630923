/** The shape of the pruned definitions, shared by the script that writes them and the code that reads them. */
import type { SearchParamType } from '../search-request.ts';

export interface Definitions {
  /** By type name, or by path for inner types: `Observation`, `Observation.component`, `Coding`. */
  readonly types: Record<string, TypeDefinition>;
  /** Value sets of required bindings: URL -> system -> codes. Those that cannot be listed are left out. */
  readonly valueSets: Record<string, Record<string, string[]>>;
  /** The same of extensible and preferred bindings. */
  readonly suggestedValueSets: Record<string, Record<string, string[]>>;
  readonly searchParams: readonly SearchParamDefinition[];
  /** Resource type -> search parameters that put it into a patient's compartment. */
  readonly patientCompartment: Record<string, string[]>;
}

export interface TypeDefinition {
  elements: Record<string, ElementDefinition>;
  /** Of the type itself. */
  invariants: Invariant[];
}

/** A name that ends in `[x]` is a choice: its JSON names are the name and each type (`valueQuantity`). */
export interface ElementDefinition {
  min?: number;
  /** -1 for unbounded; absent for 1. */
  max?: number;
  types: string[];
  /** Resource types a reference may point to; absent for any. */
  targets?: string[];
  /** Required binding. */
  valueSet?: string;
  /** Extensible or preferred binding. */
  suggested?: { strength: 'extensible' | 'preferred'; valueSet: string };
  isSummary?: boolean;
  invariants?: Invariant[];
}

/** @see https://hl7.org/fhir/R4/conformance-rules.html#constraints */
export interface Invariant {
  key: string;
  human: string;
  expression: string;
  /** Severity warning: a resource that breaks it is accepted. */
  isWarning?: true;
}

export interface SearchParamDefinition {
  readonly code: string;
  readonly type: SearchParamType;
  readonly url: string;
  readonly base: readonly string[];
  /** Of all bases: `Patient.name | Person.name`. */
  readonly expression?: string;
  readonly target?: readonly string[];
  readonly components?: readonly {
    readonly code: string;
    readonly type: SearchParamType;
    readonly url: string;
    readonly expression: string;
  }[];
}
