/**
 * Full FHIRPath, for what is not compiled: the engine of @medplum/core, given R4's own types (it knows the data types alone)
 * the first time a resource type is evaluated.
 *
 * @see https://hl7.org/fhirpath/N1/
 */
import {
  buildTypeName,
  evalFhirPathTyped,
  loadDataType,
  LRUCache,
  type FhirPathAtom,
  type TypedValue,
} from '@medplum/core';
import type { ElementDefinition as R4Element, StructureDefinition } from '@medplum/fhirtypes';
import { propertiesOf, typeDefinition } from './definitions.ts';
import { plainNumbers } from './json.ts';
import { typeCode, type AnyResource } from './types.ts';

export type { TypedValue } from '@medplum/core';

/** Parsed expressions kept: R4's invariants and parameters that are not compiled are about two hundred. */
const parsed = new LRUCache<FhirPathAtom>(500);

/**
 * Evaluates on a value that lives in a resource.
 * @param type of the value: a type's name, or the path of an inner type (`Observation.component`)
 * @throws Error what the engine cannot parse or evaluate
 */
export function evaluate(expression: string, type: string, value: unknown, resource: AnyResource): TypedValue[] {
  loadType(resource.resourceType);
  const input: TypedValue = { type: buildTypeName(type.split('.')), value: plainNumbers(value) };
  const root: TypedValue = {
    type: resource.resourceType,
    value: value === resource ? input.value : plainNumbers(resource),
  };
  const variables = {
    '%context': input,
    '%resource': root,
    '%rootResource': root,
    '%ucum': { type: 'string', value: 'http://unitsofmeasure.org' },
  };
  return evalFhirPathTyped(expression, [input], variables, parsed);
}

const loaded = new Set<string>();

function loadType(type: string): void {
  if (loaded.has(type) || typeCode(type) === undefined) return;
  loaded.add(type);
  const definition: StructureDefinition = {
    resourceType: 'StructureDefinition',
    url: `http://hl7.org/fhir/StructureDefinition/${type}`,
    name: type,
    type,
    kind: 'resource',
    status: 'active',
    abstract: false,
    snapshot: { element: [{ path: type, min: 0, max: '*' }, ...elementsOf(type)] },
  };
  loadDataType(definition);
}

/** Depth first, an inner type's elements after the element itself, as a snapshot has them. */
function* elementsOf(type: string): Generator<R4Element> {
  for (const [name, element] of Object.entries(typeDefinition(type)?.elements ?? {})) {
    const path = `${type}.${name}`;
    const isInner = element.types[0] === path;
    const max = element.max ?? 1;
    const types = isInner ? ['BackboneElement'] : element.types[0] === '*' ? openTypeNames() : element.types;
    yield {
      id: path,
      path,
      min: element.min ?? 0,
      max: max < 0 ? '*' : String(max),
      // A type with a dot is the inner type that a content reference shares.
      type: types.map((code) => ({ code: code.includes('.') ? buildTypeName(code.split('.')) : code })),
    };
    if (isInner) yield* elementsOf(path);
  }
}

/** The types of `value[x]` where all are open, as Extension has them. */
function openTypeNames(): string[] {
  return [...(propertiesOf('Extension')?.values() ?? [])]
    .filter((p) => p.elementName === 'value[x]')
    .map((p) => p.type);
}
