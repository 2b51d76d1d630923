/**
 * R4's invariants, each as a closure compiled from its FHIRPath (expression/). Written by hand are the rules about contained
 * resources, which the expressions would look up once for each reference. Tests hold all of them against the engine of
 * @medplum/core.
 *
 * @see https://hl7.org/fhir/R4/conformance-rules.html#constraints
 */
import type { Invariant } from './definitions.ts';
import { compileExpression } from './expression/compile.ts';
import { truth } from './expression/items.ts';
import type { AnyResource } from './types.ts';

type Value = Record<string, unknown>;

/** Where a value is. */
export interface Surroundings {
  resource: AnyResource;
  /** The container of a contained resource, otherwise the resource itself. */
  root: AnyResource;
  /** Ids of what `root` contains, collected when first asked for. */
  containedIds?: ReadonlySet<unknown> | undefined;
}

/** Does the rule hold? @throws Problem too-costly */
export type InvariantCheck = (value: unknown, around: Surroundings) => boolean;

/** Rules that are not evaluated, each with the reason. */
export const notEvaluated: Readonly<Record<string, string>> = {
  'ele-1': 'structure: an element without value and children is refused as such',
  'txt-1': 'structure: the narrative is checked by its own list of what XHTML it may hold (narrative.ts)',
  'txt-2': 'structure: a narrative without text or image is refused by the same',
};

/** By key; the expressions these stand for are in the definitions. */
export const nativeInvariants: Record<string, (value: Value, around: Surroundings) => boolean> = {
  'dom-3': (v) => containedOf(v).length === 0 || areAllReferred(v),
  'ref-1': ({ reference }, around) => {
    if (typeof reference !== 'string' || !reference.startsWith('#') || reference === '#') return true;
    around.containedIds ??= new Set(containedOf(around.root).map(({ id }) => id));
    return around.containedIds.has(reference.slice(1));
  },
};

/** Rules about a value are asked before its container is known to be sound: what is no resource is passed over. */
function containedOf(value: object): Value[] {
  const list = 'contained' in value && Array.isArray(value.contained) ? (value.contained as unknown[]) : [];
  return list.filter((item): item is Value => typeof item === 'object' && item !== null);
}

/** FHIR R4 dom-3: a contained resource is referred to from its container or another contained one, or refers to the container. */
function areAllReferred(container: Value): boolean {
  const { contained: _, ...outside } = container;
  const resources = containedOf(container);
  const fromOutside = fragmentsIn(outside);
  const fromEach = resources.map((resource) => fragmentsIn(resource));
  const mentions = new Map<string, number>();
  for (const fragments of fromEach) for (const text of fragments) mentions.set(text, (mentions.get(text) ?? 0) + 1);
  return resources.every(({ id }, at) => {
    const [target, own] = [`#${String(id)}`, fromEach[at] as ReadonlySet<string>];
    const fromOthers = (mentions.get(target) ?? 0) - (own.has(target) ? 1 : 0);
    return fromOutside.has(target) || own.has('#') || fromOthers > 0;
  });
}

function fragmentsIn(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value === 'string') {
    if (value.startsWith('#')) found.add(value);
  } else if (typeof value === 'object' && value !== null) {
    for (const held of Object.values(value)) fragmentsIn(held, found);
  }
  return found;
}

/**
 * Compiles one invariant for values of a type (a path for inner types); undefined for what cannot be evaluated: of R4's own
 * that is none but those in {@link notEvaluated}, of a profile's a function that needs terminology or another server.
 */
export function invariantCheck({ key, expression }: Invariant, type: string): InvariantCheck | undefined {
  const native = nativeInvariants[key];
  if (native !== undefined) return (value, around) => native(value as Value, around);
  const evaluate = compileExpression(expression, type);
  if (evaluate === undefined) return undefined;
  return (value, { resource, root }) => {
    const items = evaluate(value, resource, root);
    // Empty is neither true nor false, and lets the value pass: `start <= end` of dates that cannot be ordered.
    return items.length === 0 || truth(items) === true;
  };
}
