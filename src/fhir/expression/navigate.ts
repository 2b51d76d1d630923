/**
 * From a value to its children, as FHIRPath names them: `value` reaches `valueQuantity` and all its like. Where the types are
 * known the properties are chosen once, while compiling; elsewhere by the resource's type, or by the name as it stands.
 */
import { propertiesOf, type Property } from '../definitions.ts';
import { primitiveCheck } from '../primitives.ts';
import type { AnyResource } from '../types.ts';
import { Unsupported, type Compiled } from './compiled.ts';
import { isPrimitive, none, spend, type Items, type Scope } from './items.ts';

type Json = Record<string, unknown>;
type Step = (parent: Json, into: unknown[]) => void;

/** @param only the type to take of a choice */
export function compileChild(name: string, left: Compiled, only?: string): Compiled {
  const { types } = left;
  if (types === undefined || types.some((type) => type === 'Resource' || type === 'DomainResource' || type === '*')) {
    return { run: along(left, (parent, into) => dynamicStep(parent, name)(parent, into)), types: undefined };
  }
  // Those of a primitive stand beside it, where a value does not lead.
  if ((name === 'id' || name === 'extension') && types.some((type) => primitiveCheck(type) !== undefined))
    throw new Unsupported(`${name} of a primitive`);
  const properties = types.flatMap((type) => propertiesNamed(type, name));
  const chosen = properties.filter(
    ({ elementName, type }) => only === undefined || !elementName.endsWith('[x]') || systemName(type) === only,
  );
  const distinct = [...new Map(chosen.map((property) => [property.name, property])).values()];
  return {
    run: along(left, stepOf(distinct)),
    types: [...new Set(chosen.map(({ type }) => type))],
    ...(distinct.length > listedMax ? {} : { isAny: isAnyOf(left, distinct) }),
  };
}

function propertiesNamed(type: string, name: string): Property[] {
  return [...(propertiesOf(type)?.values() ?? [])].filter(
    (property) => property.name === name || property.elementName === `${name}[x]`,
  );
}

/** To take a child is a tenth of what it costs to ask something of it. */
const takenPerStep = 8;

function along(left: Compiled, step: Step): (focus: Items, scope: Scope) => Items {
  return (focus, scope) => {
    const items = left.run(focus, scope);
    if (items.length === 0) return none;
    const found: unknown[] = [];
    for (const item of items) if (!isPrimitive(item)) step(item as Json, found);
    spend(scope, found.length / takenPerStep);
    return found;
  };
}

/** `value[x]` of an Extension has fifty properties: beyond this number the parent's own keys are fewer to look at. */
const listedMax = 8;

function stepOf(properties: readonly Property[]): Step {
  const named = properties.map(({ name, type }) => ({ name, isPrimitive: primitiveCheck(type) !== undefined }));
  if (named.length <= listedMax) {
    return (parent, into) => {
      for (const property of named) take(parent, property.name, property.isPrimitive, into);
    };
  }
  const byKey = new Map(
    named.flatMap((property) => [[property.name, property] as const, [`_${property.name}`, property] as const]),
  );
  return (parent, into) => {
    for (const key in parent) {
      const property = byKey.get(key);
      // A primitive with both keys is taken once.
      if (property === undefined || (key.startsWith('_') && parent[property.name] !== undefined)) continue;
      take(parent, property.name, property.isPrimitive, into);
    }
  };
}

/** Most rules ask whether an element is there; that needs no list of what is there. */
function isAnyOf(left: Compiled, properties: readonly Property[]): Compiled['isAny'] {
  const names = properties.flatMap(({ name, type }) =>
    primitiveCheck(type) === undefined ? [name] : [name, `_${name}`],
  );
  const hasAny = (item: unknown): boolean => {
    if (isPrimitive(item)) return false;
    for (const name of names) {
      const value = (item as Json)[name];
      // An empty list never gets here: structure is checked before rules are.
      if (value !== undefined && value !== null) return true;
    }
    return false;
  };
  return (focus, scope) => {
    const items = left.run(focus, scope);
    return items.length === 1 ? hasAny(items[0]) : items.some(hasAny);
  };
}

function take(parent: Json, name: string, isOfPrimitives: boolean, into: unknown[]): void {
  const value = parent[name];
  const extra = isOfPrimitives ? parent[`_${name}`] : undefined;
  if (!Array.isArray(value)) {
    if (value !== undefined && value !== null) into.push(value);
    else if (Array.isArray(extra)) into.push(...extra.filter((item) => item !== null));
    else if (extra !== undefined && extra !== null) into.push(extra);
    return;
  }
  for (let at = 0; at < value.length; at++) {
    const item: unknown = value[at] ?? (extra as unknown[] | undefined)?.[at];
    if (item !== undefined && item !== null) into.push(item);
  }
}

const steps = new Map<string, Step>();

function dynamicStep(parent: Json, name: string): Step {
  const type = (parent as unknown as AnyResource).resourceType;
  if (typeof type !== 'string') return (held, into) => take(held, name, true, into);
  const key = `${type}.${name}`;
  let step = steps.get(key);
  // Names come from expressions of definitions and types from R4, so the map is bounded by them.
  if (step === undefined) steps.set(key, (step = stepOf(propertiesNamed(type, name))));
  return step;
}

/** `System.String`, `FHIR.string`, `String` -> `string`; complex types keep their capital. */
export function systemName(name: string): string {
  const lower = name.charAt(0).toLowerCase() + name.slice(1);
  return primitiveCheck(lower) === undefined ? name : lower;
}
