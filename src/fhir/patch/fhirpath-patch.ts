/**
 * FHIRPath Patch: a Parameters resource of operations, each with a path, applied in order; pure.
 *
 * @see https://hl7.org/fhir/R4/fhirpatch.html
 */
import type { Property } from '../definitions.ts';
import { copyJson } from '../json.ts';
import {
  locate,
  locateList,
  locateParent,
  patchedOf,
  propertiesNamed,
  readPath,
  type Json,
  type Patched,
  type Place,
} from './patch-path.ts';
import { primitiveCheck } from '../primitives.ts';
import { atIndex, Problem } from '../problem.ts';
import { prune } from '../prune.ts';
import type { AnyResource } from '../types.ts';

export interface FhirPathOperation {
  readonly type: 'add' | 'insert' | 'delete' | 'replace' | 'move';
  readonly path: unknown;
  readonly name?: string;
  /** The part named `value`, as it came. */
  readonly value?: Part;
  readonly index?: number;
  readonly source?: number;
  readonly destination?: number;
}

type Part = Readonly<Json>;

/** More than an edit by hand or a difference of two versions has. */
const operationsMax = 1_000;

const types: readonly unknown[] = ['add', 'insert', 'delete', 'replace', 'move'];

/** @throws Problem structure, required, value for what is no patch */
export function readFhirPathPatch(parameters: unknown): FhirPathOperation[] {
  const list = (parameters as Json | null)?.['parameter'];
  if ((parameters as Json | null)?.['resourceType'] !== 'Parameters' || !Array.isArray(list)) {
    throw new Problem('structure', 'a FHIRPath Patch is a Parameters resource', { expression: 'Parameters.parameter' });
  }
  if (list.length > operationsMax) throw new Problem('too-costly', `a patch has at most ${operationsMax} operations`);
  return list.map((one: unknown, index) => withPlace(index, () => readOperation(one)));
}

function readOperation(one: unknown): FhirPathOperation {
  const { name, part } = (one ?? {}) as Json;
  if (name !== 'operation' || !Array.isArray(part)) {
    throw new Problem('structure', 'each parameter is named operation and has parts');
  }
  const parts = new Map(part.map((each: unknown) => [String((each as Json | null)?.['name']), (each ?? {}) as Json]));
  const textOf = (key: string): string | undefined => {
    const held = parts.get(key);
    return [held?.['valueCode'], held?.['valueString'], held?.['valueId']].find((text) => typeof text === 'string');
  };
  const type = textOf('type') as FhirPathOperation['type'];
  if (!types.includes(type)) throw new Problem('value', `type is one of ${types.join(', ')}`);
  const numberOf = (key: string): number | undefined => {
    const held = parts.get(key)?.['valueInteger'];
    return typeof held === 'number' && Number.isInteger(held) && held >= 0 ? held : undefined;
  };
  const operation: FhirPathOperation = {
    type,
    path: textOf('path'),
    name: textOf('name'),
    value: parts.get('value'),
    index: numberOf('index'),
    source: numberOf('source'),
    destination: numberOf('destination'),
  };
  const missing = needs[type].find((key) => operation[key] === undefined);
  if (missing !== undefined) throw new Problem('required', `${type} needs the part ${missing}`);
  return operation;
}

/** @see https://hl7.org/fhir/R4/fhirpatch.html#concept the parts of each operation */
const needs: Readonly<Record<FhirPathOperation['type'], readonly (keyof FhirPathOperation)[]>> = {
  add: ['path', 'name', 'value'],
  insert: ['path', 'index', 'value'],
  delete: ['path'],
  replace: ['path', 'value'],
  move: ['path', 'source', 'destination'],
};

/**
 * The resource after all operations, in order; what they leave empty is taken away.
 * @param resource changed in place
 */
export function applyFhirPathPatch(resource: AnyResource, operations: readonly FhirPathOperation[]): AnyResource {
  const patched = patchedOf(resource);
  for (const [index, operation] of operations.entries()) withPlace(index, () => apply(patched, operation));
  prune(resource);
  return resource;
}

function withPlace<T>(index: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const { code, message, hint } = error;
    const expression = `Parameters.parameter[${index}]`;
    throw atIndex(index, new Problem(code, message, { expression, ...(hint === undefined ? {} : { hint }) }));
  }
}

function apply(patched: Patched, operation: FhirPathOperation): void {
  const steps = readPath(operation.path, patched.resource.resourceType);
  switch (operation.type) {
    case 'add': {
      const parent = locateParent(patched, steps);
      const { property, value, extra } = valueFor(parent.type, operation.name as string, operation.value as Part);
      add(parent.value, property, value, extra);
      return;
    }
    case 'insert': {
      const { parent, name } = locateList(patched, steps);
      const { property, value, extra } = valueFor(parent.type, name, operation.value as Part);
      insert(parent.value, property, operation.index as number, value, extra);
      return;
    }
    case 'delete': {
      // What does not exist needs no deletion.
      const place = single(locate(patched, steps));
      if (place !== undefined) remove(place);
      return;
    }
    case 'replace':
      replace(single(locate(patched, steps)), operation.value as Part);
      return;
    default: {
      const { parent, name } = locateList(patched, steps);
      move(parent.value, listed(parent.type, name), operation);
    }
  }
}

function single(places: readonly Place[]): Place | undefined {
  if (places.length > 1) throw new Problem('multiple-matches', 'the path leads to several elements');
  return places[0];
}

interface NewValue {
  readonly property: Property;
  readonly value: unknown;
  /** Extensions of a primitive. */
  readonly extra: unknown;
}

/** What the part says, as the property of this name has it; of a choice the type of the value decides. */
function valueFor(type: string, name: string, part: Part): NewValue {
  const candidates = propertiesNamed(type, name);
  if (candidates.length === 0) throw new Problem('value', 'R4 has no such element here');
  const key = Object.keys(part)
    .find((each) => /^_?value[A-Z]/.test(each))
    ?.replace(/^_/, '');
  const property =
    candidates.length === 1
      ? (candidates[0] as Property)
      : candidates.find((candidate) => candidate.name === `${name}${(key ?? '').slice('value'.length)}`);
  if (property === undefined) throw new Problem('value', 'the element does not take a value of this type');
  if (key !== undefined) {
    return { property, value: copyJson(part[key]), extra: copyJson(part[`_${key}`]) };
  }
  if (part['resource'] !== undefined) return { property, value: copyJson(part['resource']), extra: undefined };
  if (Array.isArray(part['part'])) return { property, value: partsOf(property.type, part['part']), extra: undefined };
  throw new Problem('required', 'the value is missing');
}

/** Of an anonymous type (a BackboneElement): parts, each named as an element. */
function partsOf(type: string, parts: readonly unknown[]): Json {
  const element: Json = {};
  for (const part of parts) {
    const { name } = (part ?? {}) as Json;
    const { property, value, extra } = valueFor(type, String(name), part as Part);
    add(element, property, value, extra);
  }
  return element;
}

const isList = ({ element }: Property): boolean => element.max !== undefined && element.max !== 1;

function add(holder: Json, property: Property, value: unknown, extra: unknown): void {
  if (isList(property)) {
    insert(holder, property, lengthOf(holder, property), value, extra);
    return;
  }
  const isThere = holder[property.name] !== undefined || holder[`_${property.name}`] !== undefined;
  if (isThere) throw new Problem('value', 'the element is there already', { hint: 'Use replace.' });
  put(holder, property, value, extra);
}

function put(holder: Json, { name }: Property, value: unknown, extra: unknown): void {
  if (value !== undefined) holder[name] = value;
  if (extra !== undefined) holder[`_${name}`] = extra;
}

function listed(type: string, name: string): Property {
  const property = propertiesNamed(type, name).find(isList);
  if (property === undefined) throw new Problem('value', 'the path leads to no list');
  return property;
}

function lengthOf(holder: Json, { name }: Property): number {
  const list = holder[name] ?? holder[`_${name}`];
  return Array.isArray(list) ? list.length : 0;
}

/** A list and, of primitives, the list of their extensions, kept in step. */
function lists(holder: Json, property: Property, wantsExtra: boolean): unknown[][] {
  const names = primitiveCheck(property.type) === undefined ? [property.name] : [property.name, `_${property.name}`];
  const length = lengthOf(holder, property);
  return names
    .filter((name, at) => at === 0 || wantsExtra || Array.isArray(holder[name]))
    .map((name) => (holder[name] ??= Array.from({ length }, () => null)) as unknown[]);
}

function insert(holder: Json, property: Property, at: number, value: unknown, extra: unknown): void {
  if (!isList(property)) throw new Problem('value', 'the path leads to no list');
  if (at > lengthOf(holder, property)) throw new Problem('value', 'the index is beyond the end of the list');
  const [values, extras] = lists(holder, property, extra !== undefined);
  values?.splice(at, 0, value ?? null);
  extras?.splice(at, 0, extra ?? null);
}

function remove({ holder, property, index }: Place): void {
  if (index === undefined) {
    delete holder[property.name];
    delete holder[`_${property.name}`];
  } else for (const list of lists(holder, property, false)) list.splice(index, 1);
}

function replace(place: Place | undefined, part: Part): void {
  if (place === undefined) throw new Problem('value', 'there is nothing at this path');
  const { holder, holderType, property: old, index } = place;
  // Of a choice, another type than it has now will do.
  const { property, value, extra } = valueFor(holderType, old.elementName.replace('[x]', ''), part);
  if (index === undefined) {
    delete holder[old.name];
    delete holder[`_${old.name}`];
    put(holder, property, value, extra);
    return;
  }
  const [values, extras] = lists(holder, property, extra !== undefined);
  if (values !== undefined) values[index] = value ?? null;
  if (extras !== undefined) extras[index] = extra ?? null;
}

function move(holder: Json, property: Property, { source = 0, destination = 0 }: FhirPathOperation): void {
  const length = lengthOf(holder, property);
  if (source >= length || destination >= length) throw new Problem('value', 'the index is beyond the end of the list');
  for (const list of lists(holder, property, false)) list.splice(destination, 0, ...list.splice(source, 1));
}
