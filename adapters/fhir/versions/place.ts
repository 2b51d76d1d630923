/** Where in a resource of R4 a value goes, and putting it there. */
import { jsonNames, propertiesOf, typeDefinition, type Property } from '../../../src/fhir/definitions.ts';
import type { Segment } from './table.ts';
import { objectOf, type Json } from './values.ts';

/** An object of R4 that is being made. */
export interface Place {
  /** Names from the root of the resource, or of the data type, to it. */
  readonly path: readonly string[];
  readonly object: Json;
  readonly type: string;
  /** Items of its lists that a rule gave a label. */
  readonly labelled: Map<string, Json>;
}

/**
 * The object that the last segment is an element of; what is missing on the way is made. An item of a list is a new one for each value,
 * but for those with a label.
 */
export function locate(places: readonly Place[], to: readonly Segment[]): Place {
  const isOnTheWay = ({ path }: Place): boolean =>
    path.length < to.length && path.every((name, at) => to[at]?.name === name);
  let place = places.findLast(isOnTheWay) as Place;
  for (const segment of to.slice(place.path.length, -1)) place = enter(place, segment);
  return place;
}

function enter(place: Place, { name, label }: Segment): Place {
  const property = propertiesOf(place.type)?.get(name) as Property;
  const path = [...place.path, name];
  const key = label === undefined ? undefined : `${name}[${label}]`;
  const isList = property.element.max !== undefined;
  let object = key === undefined ? (isList ? undefined : objectOf(place.object[name])) : place.labelled.get(key);
  if (object === undefined) {
    object = {};
    put(place, property, object, undefined);
    if (key !== undefined) place.labelled.set(key, object);
  }
  return { path, object, type: property.type, labelled: new Map() };
}

/**
 * @param value undefined where only something is said of it
 * @param extra what stands beside a primitive
 * @returns false when there is a value already, and room for one
 */
export function put({ object, type }: Place, property: Property, value: unknown, extra: unknown): boolean {
  const { name, element } = property;
  const beside = `_${name}`;
  if (element.max === undefined) {
    if (isSet(object, property, type)) return false;
    if (value !== undefined) object[name] = value;
    if (extra !== undefined) object[beside] = extra;
    return true;
  }
  const list = (object[name] ??= []) as unknown[];
  list.push(value ?? null);
  const extras = object[beside] as unknown[] | undefined;
  if (extras !== undefined) extras.push(extra ?? null);
  else if (extra !== undefined) object[beside] = [...Array.from({ length: list.length - 1 }, () => null), extra];
  return true;
}

/** The element, or another type of the same choice. */
function isSet(object: Json, { name, elementName, element }: Property, type: string): boolean {
  const names =
    elementName === name
      ? [name]
      : jsonNames(elementName, typeDefinition(type)?.elements[elementName] ?? element).map((one) => one.name);
  return names.some((one) => object[one] !== undefined || object[`_${one}`] !== undefined);
}
