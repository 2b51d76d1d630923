/** Values below an element with their types, as profiles speak of them: by element name, choice and list resolved. */
import { propertiesOf, type Property } from '../definitions.ts';
import { isSame } from '../expression/items.ts';
import { isRawNumber } from '../json.ts';
import { primitiveCheck } from '../primitives.ts';
import { readReference } from '../reference.ts';
import type { AnyResource } from '../types.ts';
import type { Context } from '../validation/finding.ts';
import { containedNamed } from '../validation/references.ts';

export interface Typed {
  /** A type's name, or the path of an inner type; of a resource its own type. */
  readonly type: string;
  /** Undefined for a primitive that has an extension alone. */
  readonly value: unknown;
  /** `_name` of a primitive. */
  readonly extra?: unknown;
}

export interface Item extends Typed {
  readonly name: string;
  /** Its index, where the element repeats. */
  readonly at: number | undefined;
}

type Json = Record<string, unknown>;

/** The JSON names of an element. */
export interface Elements {
  readonly isChoice: boolean;
  readonly properties: readonly Property[];
  readonly names: readonly Name[];
  /** By JSON name, of choices with many types: a value's own keys are fewer. */
  readonly byKey: ReadonlyMap<string, Name> | undefined;
}

interface Name {
  readonly name: string;
  /** Of primitives. */
  readonly extra: string | undefined;
  readonly type: string;
}

const known = new Map<string, Elements>();
/** Above this number of names an object's keys are looked at instead. */
const listedMax = 8;

/** What an element name of a profile stands for: `value[x]`, `name`, and `valueQuantity` for one type of a choice. */
export function elementsNamed(type: string, name: string): Elements {
  const key = `${type} ${name}`;
  let elements = known.get(key);
  // Names come from definitions that were loaded, so there is an end to them.
  if (elements === undefined) known.set(key, (elements = findElements(type, name)));
  return elements;
}

function findElements(type: string, name: string): Elements {
  const all = [...(propertiesOf(type)?.values() ?? [])];
  const elementName = name.endsWith('[x]') ? name : `${name}[x]`;
  const found = all.filter((property) => property.elementName === name || property.elementName === elementName);
  const properties = found.length > 0 ? found : all.filter((property) => property.name === name);
  const names = properties.map((property): Name => ({
    name: property.name,
    extra: primitiveCheck(property.type) === undefined ? undefined : `_${property.name}`,
    type: property.type,
  }));
  return {
    isChoice: (properties[0]?.elementName ?? '').endsWith('[x]'),
    properties,
    names,
    byKey:
      names.length <= listedMax
        ? undefined
        : new Map(names.flatMap((one) => [[one.name, one] as const, [`_${one.name}`, one] as const])),
  };
}

export function itemsOf(parent: unknown, { names, byKey }: Elements): Item[] {
  const items: Item[] = [];
  if (typeof parent !== 'object' || parent === null) return items;
  const object = parent as Json;
  if (byKey === undefined) {
    for (const name of names) addItems(object, name, items);
    return items;
  }
  for (const key in object) {
    const name = byKey.get(key);
    if (name !== undefined && (key === name.name || object[name.name] === undefined)) addItems(object, name, items);
  }
  return items;
}

function addItems(parent: Json, { name, extra: extraName, type }: Name, items: Item[]): void {
  const value = parent[name];
  const extra = extraName === undefined ? undefined : parent[extraName];
  if (value === undefined && extra === undefined) return;
  if (!Array.isArray(value) && !Array.isArray(extra)) {
    items.push({ type: typeOf(type, value), value, extra, name, at: undefined });
    return;
  }
  const [values, extras] = [value ?? [], extra ?? []] as [unknown[], unknown[]];
  for (let at = 0; at < Math.max(values.length, extras.length); at++) {
    const held = values[at] ?? undefined;
    items.push({ type: typeOf(type, held), value: held, extra: extras[at] ?? undefined, name, at });
  }
}

/** The step that leads to an item: `.name[0]`. */
export function stepOf({ name, at }: Item): string {
  return at === undefined ? `.${name}` : `.${name}[${at}]`;
}

function typeOf(type: string, value: unknown): string {
  return type === 'Resource' ? ((value as AnyResource | undefined)?.resourceType ?? type) : type;
}

/** What a reference points to, where that is in the same resource or Bundle. */
export function resolve(reference: unknown, context: Context): AnyResource | undefined {
  const text = (reference as { reference?: unknown } | undefined)?.reference;
  if (typeof text !== 'string') return undefined;
  const parsed = readReference(text);
  if (parsed?.fragment !== undefined) return containedNamed(parsed.fragment, context);
  if (context.bundle === undefined) return undefined;
  context.entries ??= entriesOf(context.bundle);
  return (
    context.entries.get(text) ??
    (parsed?.id === undefined ? undefined : context.entries.get(`${parsed.type}/${parsed.id}`))
  );
}

/** By fullUrl, and by type and id (R4 bundle.html#references). */
function entriesOf(bundle: AnyResource): Map<string, AnyResource> {
  const entries = new Map<string, AnyResource>();
  // An entry is looked at before the whole Bundle is known to be sound.
  const list = Array.isArray(bundle['entry']) ? (bundle['entry'] as Partial<Json>[]) : [];
  for (const entry of list) {
    const { fullUrl, resource } = (entry ?? {}) as { fullUrl?: unknown; resource?: AnyResource | null };
    if (typeof resource?.resourceType !== 'string') continue;
    if (typeof fullUrl === 'string') entries.set(fullUrl, resource);
    if (resource.id !== undefined) entries.set(`${resource.resourceType}/${resource.id}`, resource);
  }
  return entries;
}

/** ElementDefinition.pattern[x]: what the pattern has, the value has too; of a list, some item for each. */
export function matchesPattern(value: unknown, pattern: unknown): boolean {
  if (Array.isArray(pattern)) {
    return Array.isArray(value) && pattern.every((part) => value.some((item) => matchesPattern(item, part)));
  }
  if (typeof pattern !== 'object' || pattern === null || isRawNumber(pattern)) return isSame(value, pattern);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(pattern).every(([key, part]) => matchesPattern((value as Json)[key], part));
}
