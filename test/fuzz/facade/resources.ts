/**
 * A resource of any R4 type, made from the definitions that the hub itself validates by: sound, or with anything anywhere.
 */
import fc from 'fast-check';
import { jsonNames, typeDefinition, valueSet, type ElementDefinition } from '../../../src/fhir/definitions.ts';
import { resourceTypes } from '../../../src/fhir/types.ts';
import { namesOf, oddTexts, oddValues, once } from './oddities.ts';

export type Json = Record<string, unknown>;

/** FHIR R4 json.html: no object is empty, so data types without required elements have one here. */
const plain: Readonly<Record<string, unknown>> = {
  boolean: true,
  integer: 1,
  positiveInt: 1,
  unsignedInt: 0,
  decimal: 1.5,
  date: '2026-01-01',
  dateTime: '2026-01-01T10:00:00Z',
  instant: '2026-01-01T10:00:00.000Z',
  time: '10:00:00',
  base64Binary: 'eA==',
  uri: 'urn:f',
  url: 'http://example.org/f',
  canonical: 'http://example.org/f|1',
  oid: 'urn:oid:1.2.3',
  uuid: 'urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a',
  id: 'f',
  xhtml: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
  Attachment: { contentType: 'text/plain', data: 'eA==' },
  Coding: { system: 'http://loinc.org', code: '718-7' },
  Extension: { url: 'http://example.org/extension', valueString: 'x' },
  Identifier: { system: 'urn:f', value: '1' },
  Money: { value: 1.5, currency: 'CNY' },
  Period: { start: '2026-01-01' },
  Quantity: { value: 5.4, unit: 'mg', system: 'http://unitsofmeasure.org', code: 'mg' },
  Resource: { resourceType: 'Patient', id: 'c' },
};

/** One value of a type: its required elements, and the optional ones as well down to `depth`. */
function valueOf(type: string, element: ElementDefinition, depth: number): unknown {
  const systems = element.valueSet === undefined ? undefined : valueSet(element.valueSet);
  const [system, [code = 'x'] = []] = Object.entries(systems ?? {})[0] ?? [];
  if (type === 'code') return code;
  if (type === 'Coding' && system !== undefined) return { system, code };
  if (type === 'CodeableConcept')
    return { coding: [{ system: system ?? 'http://loinc.org', code: system === undefined ? '718-7' : code }] };
  if (type === 'Reference')
    return {
      reference: element.targets?.includes('Patient') ? 'Patient/p-1' : `${element.targets?.[0] ?? 'Patient'}/example`,
    };
  return plain[type] ?? (typeDefinition(type) === undefined ? 'x' : elementsOf(type, depth));
}

function elementsOf(type: string, depth: number): Json {
  const all: Json = {};
  for (const [name, element] of Object.entries(typeDefinition(type)?.elements ?? {})) {
    if (
      (element.min ?? 0) === 0 &&
      (depth <= 0 || ['id', 'meta', 'implicitRules', 'contained', 'modifierExtension'].includes(name))
    )
      continue;
    const [property] = jsonNames(name, element);
    if (property === undefined) continue;
    const value = valueOf(property.type, element, depth - 1);
    if (typeof value === 'object' && Object.keys(value as object).length === 0) continue;
    all[property.name] = element.max === undefined || element.max === 1 ? value : [value];
  }
  return all;
}

/** The arbitraries copy it before they change it. */
export const template = once((type: string, depth: number): Json => ({
  resourceType: type,
  ...elementsOf(type, depth),
}));

type Place = readonly string[];
const placesMax = 2_000;
function places(held: unknown, path: Place = []): Place[] {
  if (typeof held !== 'object' || held === null) return [];
  return Object.entries(held)
    .flatMap(([key, child]) => {
      const at = [...path, key];
      return [at, ...places(child, at)];
    })
    .slice(0, placesMax);
}

interface Step {
  readonly at: number;
  readonly kind: 'put' | 'drop' | 'add' | 'underscore' | 'nest' | 'many';
  readonly value: unknown;
  readonly name: string;
}
export const steps = fc.array(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom<Step['kind']>('put', 'put', 'drop', 'add', 'underscore', 'nest', 'many'),
    value: oddValues,
    name: fc.oneof(
      fc.constantFrom(
        'extension',
        'id',
        'resourceType',
        '__proto__',
        'constructor',
        'meta',
        'contained',
        'fhir_comments',
        'x',
      ),
      oddTexts,
    ),
  }),
  { maxLength: 4 },
);

/** In a body once: many of many of many are more than fits in memory. */
const manyMax = 8;

/** @returns a changed copy */
export function change(original: unknown, all: readonly Step[]): unknown {
  const copy: unknown = structuredClone(original);
  let isGrown = false;
  for (const { at, kind, value: drawn, name } of all) {
    const value: unknown = structuredClone(drawn);
    const found = places(copy);
    const path = found[at % Math.max(1, found.length)];
    if (path === undefined) continue;
    const holder = path.slice(0, -1).reduce<any>((held, key) => held[key], copy); // eslint-disable-line typescript/no-explicit-any
    const last = path.at(-1) as string;
    if (kind === 'drop') delete holder[last];
    else if (kind === 'put') holder[last] = value;
    else if (kind === 'underscore') holder[`_${last}`] = value;
    else if (kind === 'nest') holder[last] = nested(holder[last], at % 120);
    else if (kind === 'many') {
      if (!isGrown) holder[last] = Array.from({ length: 1 + (at % manyMax) }, () => holder[last]);
      isGrown = true;
    }
    // As JSON.parse would: `__proto__` is a name like any other.
    else Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return copy;
}

function nested(value: unknown, depth: number): unknown {
  let held = value;
  for (let level = 0; level < depth; level++) held = level % 2 === 0 ? { extension: held } : [held];
  return held;
}

/** A resource as an object: sound as often as not. */
export const resource = once((type: string): fc.Arbitrary<unknown> => {
  const known = resourceTypes.includes(type) ? type : 'Patient';
  return fc
    .record({
      depth: fc.constantFrom(0, 0, 1, 2),
      steps: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 3, arbitrary: steps }),
      id: fc.oneof(fc.constant(undefined), fc.constantFrom(...namesOf(known))),
      patient: fc.constantFrom('p-1', 'p-1', 'p-2', 'hidden-1'),
    })
    .map(({ depth, steps: changes, id, patient }) => {
      const text = JSON.stringify(template(known, depth)).replaceAll('Patient/p-1', `Patient/${patient}`);
      return change({ ...(JSON.parse(text) as Json), ...(id === undefined ? {} : { id }) }, changes);
    });
});
