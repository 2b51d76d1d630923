/** Profiles that a test makes up, and features of them as tables: a resource, and what is wrong with it. */
import assert from 'node:assert/strict';
import { openLibrary, type Definition } from '../../src/fhir/profile/library.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { examine } from '../../src/fhir/validate.ts';

export const base = 'http://hl7.org/fhir/StructureDefinition/';
export const own = 'http://example.org/fhir/';
export const url = (name: string): string => `${own}StructureDefinition/${name}`;

/** A profile by its differential; ids are paths, with the slice after a colon. */
export function profile(name: string, type: string, elements: object[], more: object = {}): Definition {
  return {
    resourceType: 'StructureDefinition',
    url: url(name),
    name,
    kind: 'resource',
    type,
    baseDefinition: `${base}${type}`,
    derivation: 'constraint',
    differential: { element: elements },
    ...more,
  };
}

export const observation = (more: object = {}): AnyResource => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  ...more,
});

export const loinc = (code: string): object => ({ coding: [{ system: 'http://loinc.org', code }] });

/** `code path` of each error against the last of the definitions. */
export function errors(resource: AnyResource, ...definitions: Definition[]): string[] {
  const against = [(definitions.at(-1) as Definition).url];
  return examine(resource, { profiles: openLibrary(definitions), depth: 'errors', against }).map(
    ({ code, path }) => `${code} ${path}`,
  );
}

export const component = (code: string, more: object = {}): object => ({ code: loinc(code), ...more });

/** Components of an Observation, of which two have slices. */
export const sliced = (rules: string, ordered = false): object[] => [
  {
    id: 'Observation.component',
    slicing: { discriminator: [{ type: 'pattern', path: 'code' }], rules, ordered },
  },
  { id: 'Observation.component:systolic', min: 1, max: '1' },
  { id: 'Observation.component:systolic.code', patternCodeableConcept: loinc('8480-6') },
  { id: 'Observation.component:systolic.value[x]', type: [{ code: 'Quantity' }] },
  { id: 'Observation.component:diastolic', max: '1' },
  { id: 'Observation.component:diastolic.code', patternCodeableConcept: loinc('8462-4') },
];

export interface Feature {
  readonly what: string;
  readonly definitions: readonly Definition[];
  /** A resource, and what is wrong with it. */
  readonly rows: readonly (readonly [AnyResource, ...string[]])[];
}

export function testFeatures(features: readonly Feature[]): void {
  for (const { what, definitions, rows } of features) {
    describe(what, () => {
      for (const [resource, ...expected] of rows) {
        const { resourceType: _, status: __, ...shown } = resource;
        it(`${JSON.stringify(shown).slice(0, 100)}: ${expected.join(', ') || 'valid'}`, () =>
          assert.deepEqual(errors(resource, ...definitions), expected));
      }
    });
  }
}
