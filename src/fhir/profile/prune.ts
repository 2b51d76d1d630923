/**
 * A snapshot repeats all of R4, which every resource was checked by; what is left here is what the profile adds. It makes a
 * check of US Core's Patient three times as fast.
 */
import type { ElementDefinition } from '../definitions.ts';
import type { Node } from './tree.ts';
import { elementsNamed } from './values.ts';

/** What the pruning asks of the library. */
export interface Names {
  typeOf(canonical: string): string | undefined;
  isCoreInvariant(key: string): boolean;
}

/** @param types of the values the node is about */
export function pruneChildren(node: Node, types: readonly string[], names: Names, isInSlice = false): void {
  node.invariants = node.invariants.filter(({ key }) => !names.isCoreInvariant(key));
  for (const [name, child] of node.children) {
    const properties = types.flatMap((type) => elementsNamed(type, name).properties);
    const own = child.types?.map(({ code }) => code).filter((code) => !/^(BackboneElement|Element)$/.test(code));
    const found = properties.map(({ type }) => type);
    // Of a choice the types the profile leaves; elsewhere those R4 has, inner types by their path.
    const below = properties.some(({ elementName }) => elementName.endsWith('[x]')) ? (own ?? found) : found;
    pruneChildren(child, below, names, isInSlice);
    if (isSaid(child, properties[0]?.element, names)) node.children.delete(name);
    else if (!isInSlice && properties[0] !== undefined) dropRepeated(child, properties[0].element, names);
  }
  for (const slice of node.slices.values()) {
    // What tells a slice from others stays, also where R4 says the same.
    pruneChildren(slice, slice.types?.map(({ code }) => code) ?? types, names, true);
  }
}

/** Everything in the node is said by R4 already. */
function isSaid(node: Node, base: ElementDefinition | undefined, names: Names): boolean {
  const { fixed, pattern, least, greatest, maxLength, slicing, slices, children, invariants } = node;
  if (base === undefined) return false;
  if ([fixed, pattern, least, greatest, maxLength].some((value) => value !== undefined)) return false;
  if (slices.size > 0 || children.size > 0 || invariants.length > 0) return false;
  if (slicing?.rules === 'closed') return false;
  return isMinSaid(node, base) && isMaxSaid(node, base) && areTypesSaid(node, base, names) && isBindingSaid(node, base);
}

function dropRepeated(node: Node, base: ElementDefinition, names: Names): void {
  if (isMinSaid(node, base)) delete node.min;
  if (isMaxSaid(node, base)) delete node.max;
  if (areTypesSaid(node, base, names)) delete node.types;
  if (isBindingSaid(node, base)) delete node.binding;
}

function isMinSaid({ min = 0 }: Node, base: ElementDefinition): boolean {
  return min <= (base.min ?? 0);
}

function isMaxSaid({ max = Infinity }: Node, { max: own = 1 }: ElementDefinition): boolean {
  return max >= (own < 0 ? Infinity : own);
}

function areTypesSaid({ types }: Node, base: ElementDefinition, names: Names): boolean {
  if (types === undefined) return true;
  if (types.some(({ profiles }) => profiles.length > 0)) return false;
  const isInner = base.types[0]?.includes('.') ?? false;
  if (!isInner && base.types.some((type) => !types.some(({ code }) => code === type))) return false;
  return types.every(({ targets }) => {
    const allowed = targets.map((url) => names.typeOf(url));
    if (allowed.length === 0 || allowed.includes('Resource')) return true;
    // A target that is a profile says more than its type.
    const areCore = targets.every((url) => url.startsWith('http://hl7.org/fhir/StructureDefinition/'));
    return areCore && base.targets !== undefined && base.targets.every((type) => allowed.includes(type));
  });
}

function isBindingSaid({ binding }: Node, { valueSet, suggested }: ElementDefinition): boolean {
  if (binding === undefined) return true;
  const [url] = binding.valueSet.split('|', 1);
  if (binding.strength === 'required') return url === valueSet;
  return url === suggested?.valueSet && binding.strength === suggested?.strength;
}
