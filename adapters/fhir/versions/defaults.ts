/** What is set where a source says nothing and R4 requires something. */
import type { Property } from '../../../src/fhir/definitions.ts';
import { primitiveCheck } from '../../../src/fhir/primitives.ts';
import { listOf } from './keep.ts';
import { put, type Place } from './place.ts';
import type { Rule } from './table.ts';
import { objectOf, type Json } from './values.ts';

/** In every object that stands at its path and says nothing there; none is made for it. */
export function setDefault(target: Json, { to = [], property, constant, absent }: Rule): void {
  if (property === undefined) return;
  let objects: Json[] = [target];
  for (const { name } of to.slice(0, -1)) {
    objects = objects.flatMap((object) =>
      listOf(object[name]).flatMap((item): Json[] => [objectOf(item)].filter((one) => one !== undefined)),
    );
  }
  for (const object of objects) {
    const place: Place = { path: [], object, type: '', labelled: new Map() };
    if (constant !== undefined) put(place, property, structuredClone(constant), undefined);
    else if (absent !== undefined) putAbsent(place, property, absent);
  }
}

/** @see https://hl7.org/fhir/R4/extension-data-absent-reason.html */
function putAbsent(place: Place, property: Property, reason: string): void {
  const url = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';
  const extension = { extension: [{ url, valueCode: reason }] };
  if (primitiveCheck(property.type) === undefined) put(place, property, extension, undefined);
  else put(place, property, undefined, extension);
}
