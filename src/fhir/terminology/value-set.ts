/**
 * The codes of a value set, where they can be listed from definitions at hand: code systems with all their concepts, listed
 * concepts, hierarchies (`is-a`), other value sets, exclusions, or the expansion it was published with. What refers to a code
 * system elsewhere (LOINC, SNOMED CT, UCUM) cannot be listed, and such a binding is not checked.
 *
 * @see https://hl7.org/fhir/R4/valueset.html#compositions
 */

/** system -> codes */
export type CodeList = Readonly<Record<string, readonly string[]>>;

interface Concept {
  readonly code: string;
  readonly concept?: readonly Concept[];
  readonly property?: readonly { readonly code?: string; readonly valueCode?: string }[];
}

interface Include {
  readonly system?: string;
  readonly concept?: readonly Concept[];
  readonly filter?: readonly { readonly property?: string; readonly op?: string; readonly value?: string }[];
  readonly valueSet?: readonly string[];
}

interface Contained {
  readonly system?: string;
  readonly code?: string;
  readonly abstract?: boolean;
  readonly contains?: readonly Contained[];
}

/** As much of a ValueSet or CodeSystem as is read here. */
export interface Terminology {
  readonly resourceType: string;
  readonly content?: string;
  readonly concept?: readonly Concept[];
  readonly compose?: { readonly include?: readonly Include[]; readonly exclude?: readonly Include[] };
  readonly expansion?: {
    readonly total?: number;
    readonly contains?: readonly Contained[];
    readonly parameter?: unknown;
  };
}

export type Find = (type: 'ValueSet' | 'CodeSystem', url: string) => Terminology | undefined;

/** Larger sets belong to a terminology server. */
const codesMax = 100_000;
/** Value sets within value sets; a circle ends here. */
const depthMax = 16;

/** undefined when the codes cannot be listed. */
export function listCodes(url: string, find: Find): CodeList | undefined {
  const codes = codesOfSet(withoutVersion(url), find, 0);
  if (codes === undefined) return undefined;
  return Object.fromEntries([...codes].map(([system, set]) => [system, [...set]]));
}

type Codes = Map<string, Set<string>>;

function codesOfSet(url: string, find: Find, depth: number): Codes | undefined {
  const source = find('ValueSet', url);
  if (source === undefined || depth > depthMax) return undefined;
  const included = source.compose?.include;
  const codes = included === undefined ? undefined : unionOf(included, find, depth);
  if (codes === undefined) return codesOfExpansion(source);
  for (const exclude of source.compose?.exclude ?? []) {
    const excluded = codesOfInclude(exclude, find, depth);
    if (excluded === undefined) return codesOfExpansion(source);
    for (const [system, set] of excluded) for (const code of set) codes.get(system)?.delete(code);
  }
  return codes;
}

function unionOf(includes: readonly Include[], find: Find, depth: number): Codes | undefined {
  const codes: Codes = new Map();
  let count = 0;
  for (const include of includes) {
    const part = codesOfInclude(include, find, depth);
    if (part === undefined) return undefined;
    for (const [system, set] of part) {
      const into = codes.get(system) ?? new Set();
      codes.set(system, into);
      for (const code of set) into.add(code);
      count += set.size;
    }
    if (count > codesMax) return undefined;
  }
  return codes;
}

/** FHIR R4 valueset.html#compositions: within one include all conditions hold together. */
function codesOfInclude(include: Include, find: Find, depth: number): Codes | undefined {
  const parts = (include.valueSet ?? []).map((url) => codesOfSet(withoutVersion(url), find, depth + 1));
  if (include.system !== undefined) parts.push(codesOfSystem(include.system, include, find));
  const [first, ...others] = parts;
  if (first === undefined) return undefined;
  for (const other of others) {
    if (other === undefined) return undefined;
    for (const [system, set] of first) {
      const both = other.get(system);
      first.set(system, new Set([...set].filter((code) => both?.has(code))));
    }
  }
  return first;
}

function codesOfSystem(system: string, { concept: listed, filter = [] }: Include, find: Find): Codes | undefined {
  if (listed !== undefined && filter.length === 0) return new Map([[system, new Set(listed.map(({ code }) => code))]]);
  const source = find('CodeSystem', system);
  // A fragment or an example names some of the codes.
  if (source?.concept === undefined || (source.content !== undefined && source.content !== 'complete'))
    return undefined;
  let codes = [...codesBelow(source.concept)];
  if (filter.length > 0) {
    const parents = parentsOf(source.concept);
    for (const { property, op, value = '' } of filter) {
      if (property !== 'concept' || (op !== 'is-a' && op !== 'descendent-of')) return undefined;
      codes = codes.filter((code) => (code === value ? op === 'is-a' : isBelow(code, value, parents)));
    }
  }
  return codes.length > codesMax ? undefined : new Map([[system, new Set(codes)]]);
}

function* codesBelow(concepts: readonly Concept[]): Generator<string> {
  for (const concept of concepts) {
    yield concept.code;
    yield* codesBelow(concept.concept ?? []);
  }
}

type Parents = ReadonlyMap<string, ReadonlySet<string>>;

/** By nesting, or by the property `subsumedBy` as the code systems of HL7 v3 have it. */
function parentsOf(concepts: readonly Concept[]): Parents {
  const parents = new Map<string, Set<string>>();
  const add = (code: string, parent: string): void => {
    parents.set(code, (parents.get(code) ?? new Set()).add(parent));
  };
  const visit = (list: readonly Concept[], parent: string | undefined): void => {
    for (const { code, concept = [], property = [] } of list) {
      if (parent !== undefined) add(code, parent);
      for (const { code: name, valueCode } of property) {
        if ((name === 'subsumedBy' || name === 'parent') && valueCode !== undefined) add(code, valueCode);
      }
      visit(concept, code);
    }
  };
  visit(concepts, undefined);
  return parents;
}

function isBelow(code: string, ancestor: string, parents: Parents): boolean {
  const seen = new Set<string>();
  const waiting = [code];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const parent of parents.get(next) ?? []) {
      if (parent === ancestor) return true;
      if (!seen.has(parent)) waiting.push(parent);
      seen.add(parent);
    }
  }
  return false;
}

/** The expansion of the publisher, when it is whole. */
function codesOfExpansion({ expansion }: Terminology): Codes | undefined {
  if (expansion?.contains === undefined) return undefined;
  const codes: Codes = new Map();
  let count = 0;
  const visit = (list: readonly Contained[]): void => {
    for (const { system, code, abstract, contains = [] } of list) {
      if (system !== undefined && code !== undefined && abstract !== true) {
        codes.set(system, (codes.get(system) ?? new Set()).add(code));
        count++;
      }
      visit(contains);
    }
  };
  visit(expansion.contains);
  return count >= (expansion.total ?? count) && count <= codesMax ? codes : undefined;
}

function withoutVersion(url: string): string {
  return url.split('|', 1)[0] as string;
}
