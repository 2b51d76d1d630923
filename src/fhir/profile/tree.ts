/**
 * A profile as a tree of what it adds: one node an element, with its slices. A differential is laid over the tree of the base
 * it names, so a snapshot is needed only where that base is not at hand.
 *
 * @see https://hl7.org/fhir/R4/profiling.html
 * @see https://hl7.org/fhir/R4/elementdefinition.html
 */
import type { Invariant } from '../definitions.ts';
import { Problem } from '../problem.ts';
import type { Strength } from '../validation/bindings.ts';

/** As much of a StructureDefinition as is read here. */
export interface StructureDefinition {
  readonly url: string;
  readonly version?: string;
  readonly name?: string;
  readonly type: string;
  readonly kind?: string;
  readonly derivation?: string;
  readonly baseDefinition?: string;
  readonly snapshot?: { readonly element?: readonly Element[] };
  readonly differential?: { readonly element?: readonly Element[] };
}

/** As much of an ElementDefinition. */
interface Element {
  readonly id?: string;
  readonly path?: string;
  readonly min?: number;
  readonly max?: string;
  readonly type?: readonly {
    readonly code?: string;
    readonly profile?: readonly string[];
    readonly targetProfile?: readonly string[];
  }[];
  readonly slicing?: {
    readonly discriminator?: readonly { readonly type?: string; readonly path?: string }[];
    readonly ordered?: boolean;
    readonly rules?: string;
  };
  readonly constraint?: readonly {
    readonly key?: string;
    readonly severity?: string;
    readonly human?: string;
    readonly expression?: string;
  }[];
  readonly binding?: { readonly strength?: string; readonly valueSet?: string };
  readonly maxLength?: number;
  readonly [element: string]: unknown;
}

export interface TypeRule {
  readonly code: string;
  readonly profiles: readonly string[];
  /** Canonicals of what a Reference may point to. */
  readonly targets: readonly string[];
}

export interface Slicing {
  readonly discriminators: readonly { readonly type: string; readonly path: string }[];
  readonly isOrdered: boolean;
  readonly rules: 'open' | 'closed' | 'openAtEnd';
}

/** What a profile says of one element or slice; what it leaves unsaid is the base's. */
export interface Node {
  min?: number;
  max?: number;
  types?: readonly TypeRule[];
  fixed?: unknown;
  pattern?: unknown;
  least?: unknown;
  greatest?: unknown;
  maxLength?: number;
  binding?: { readonly strength: Strength; readonly valueSet: string };
  invariants: readonly Invariant[];
  slicing?: Slicing;
  readonly children: Map<string, Node>;
  readonly slices: Map<string, Node>;
}

/** A profile, with the type it constrains. */
export interface Tree {
  readonly url: string;
  readonly name: string;
  readonly type: string;
  readonly root: Node;
}

/** Deeper than any profile; a longer chain of bases is a circle. */
const basesMax = 32;
/** The largest published profiles have some thousand elements. */
const elementsMax = 20_000;

/**
 * @param find a loaded definition by canonical URL
 * @param isCore whether a URL names a type of R4 itself
 * @throws Problem invalid, when a definition cannot be used
 */
export function treeOf(
  definition: StructureDefinition,
  find: (canonical: string) => StructureDefinition | undefined,
  isCore: (canonical: string) => boolean,
  depth = 0,
): Tree {
  const { url, name = url, type, baseDefinition = '', differential, snapshot } = definition;
  if (depth > basesMax) throw unusable(definition, 'its bases form a circle');
  const base = isCore(baseDefinition) ? undefined : find(baseDefinition);
  const changes = differential?.element;
  const isComplete = changes !== undefined && (base !== undefined || isCore(baseDefinition));
  const elements = isComplete ? changes : snapshot?.element;
  if (elements === undefined) {
    throw unusable(definition, `it has no snapshot, and its base ${baseDefinition} is not loaded`);
  }
  if (elements.length > elementsMax) throw unusable(definition, `it has more than ${elementsMax} elements`);
  const root = isComplete && base !== undefined ? treeOf(base, find, isCore, depth + 1).root : emptyNode();
  for (const element of elements) {
    const id = element.id ?? element.path;
    if (id === undefined) throw unusable(definition, 'an element has neither id nor path');
    apply(nodeAt(root, id.split('.').slice(1)), element);
  }
  return { url, name, type, root };
}

function unusable({ url }: StructureDefinition, reason: string): Problem {
  return new Problem('invalid', `${url} cannot be used: ${reason}`, { expression: 'StructureDefinition' });
}

export function emptyNode(): Node {
  return { invariants: [], children: new Map(), slices: new Map() };
}

/** `component:systolic`, `value[x]:valueQuantity`, `identifier:mrn/local` */
function nodeAt(root: Node, segments: readonly string[]): Node {
  let node = root;
  for (const segment of segments) {
    const colon = segment.indexOf(':');
    node = held(node.children, colon < 0 ? segment : segment.slice(0, colon));
    if (colon < 0) continue;
    // ElementDefinition.sliceName: a slice of a slice is named after both.
    for (const name of segment.slice(colon + 1).split('/')) node = held(node.slices, name);
  }
  return node;
}

function held(nodes: Map<string, Node>, name: string): Node {
  let node = nodes.get(name);
  if (node === undefined) nodes.set(name, (node = emptyNode()));
  return node;
}

function apply(node: Node, element: Element): void {
  const { min, max, type, binding, slicing, maxLength, constraint } = element;
  if (min !== undefined) node.min = min;
  if (max !== undefined) node.max = max === '*' ? Infinity : Number(max);
  if (type !== undefined) node.types = type.map(ruleOf);
  if (maxLength !== undefined) node.maxLength = maxLength;
  if (binding?.valueSet !== undefined && /^(required|extensible|preferred)$/.test(binding.strength ?? ''))
    node.binding = { strength: binding.strength as Strength, valueSet: binding.valueSet };
  if (slicing !== undefined) node.slicing = slicingOf(slicing);
  if (constraint !== undefined) node.invariants = [...node.invariants, ...constraint.flatMap(invariantOf)];
  for (const [key, value] of Object.entries(element)) {
    if (/^fixed[A-Z]/.test(key)) node.fixed = value;
    else if (/^pattern[A-Z]/.test(key)) node.pattern = value;
    else if (/^minValue[A-Z]/.test(key)) node.least = value;
    else if (/^maxValue[A-Z]/.test(key)) node.greatest = value;
  }
}

function ruleOf({ code = '', profile = [], targetProfile = [] }: NonNullable<Element['type']>[number]): TypeRule {
  return {
    code: code.replace(/^http:\/\/hl7\.org\/fhirpath\/System\.String$/, 'string'),
    profiles: profile,
    targets: targetProfile,
  };
}

function slicingOf({ discriminator = [], ordered = false, rules }: NonNullable<Element['slicing']>): Slicing {
  return {
    discriminators: discriminator.map(({ type = 'value', path = '$this' }) => ({ type, path })),
    isOrdered: ordered,
    rules: rules === 'closed' || rules === 'openAtEnd' ? rules : 'open',
  };
}

function invariantOf(constraint: NonNullable<Element['constraint']>[number]): Invariant[] {
  const { key, human = '', severity, expression } = constraint;
  if (key === undefined || expression === undefined) return [];
  return [{ key, human, expression, ...(severity === 'warning' ? { isWarning: true } : {}) }];
}
