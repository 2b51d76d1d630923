/** A small world of codes: a hierarchy with two ways up, an inactive and an abstract code, value sets over it, maps. */
import type { Tx } from '../../../src/db.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { publisher } from '../../../src/store/terminology/owners.ts';
import { writeTerminology } from '../../../src/store/terminology/write.ts';

export const animals = 'http://example.org/animals';
export const letters = 'http://example.org/letters';

/** animal > (mammal > (cat, bat), bird > owl), (night > bat, owl); mammoth is inactive. */
export const animalSystem: AnyResource = {
  resourceType: 'CodeSystem',
  id: 'animals',
  url: animals,
  version: '1',
  name: 'Animals',
  status: 'active',
  content: 'complete',
  caseSensitive: true,
  valueSet: 'http://example.org/vs/all-animals',
  property: [
    { code: 'legs', type: 'integer' },
    { code: 'sound', type: 'string' },
  ],
  concept: [
    {
      code: 'animal',
      display: 'Animal',
      property: [{ code: 'notSelectable', valueBoolean: true }],
      concept: [
        {
          code: 'mammal',
          display: 'Mammal',
          concept: [
            {
              code: 'cat',
              display: 'Cat',
              definition: 'It purrs.',
              designation: [
                { language: 'de', value: 'Katze' },
                { language: 'zh', value: '猫' },
              ],
              property: [
                { code: 'legs', valueInteger: 4 },
                { code: 'sound', valueString: 'meow' },
              ],
            },
            {
              code: 'bat',
              display: 'Bat',
              property: [
                { code: 'legs', valueInteger: 2 },
                { code: 'parent', valueCode: 'night' },
              ],
            },
            { code: 'mammoth', display: 'Mammoth', property: [{ code: 'status', valueCode: 'retired' }] },
          ],
        },
        {
          code: 'bird',
          display: 'Bird',
          concept: [
            {
              code: 'owl',
              display: 'Owl',
              property: [
                { code: 'legs', valueInteger: 2 },
                { code: 'parent', valueCode: 'night' },
              ],
            },
          ],
        },
        { code: 'night', display: 'Animal of the night' },
      ],
    },
  ],
};

/** It does not say whether case counts. */
export const letterSystem: AnyResource = {
  resourceType: 'CodeSystem',
  id: 'letters',
  url: letters,
  status: 'active',
  content: 'complete',
  concept: ['A', 'B', 'C'].map((code) => ({ code, display: `Letter ${code}` })),
};

export const animalMap: AnyResource = {
  resourceType: 'ConceptMap',
  id: 'animals-to-letters',
  url: 'http://example.org/map',
  status: 'active',
  sourceUri: 'http://example.org/vs/all-animals',
  targetUri: 'http://example.org/vs/letters',
  group: [
    {
      source: animals,
      target: letters,
      element: [
        { code: 'cat', target: [{ code: 'C', display: 'Letter C', equivalence: 'wider', comment: 'by its initial' }] },
        { code: 'bat', target: [{ code: 'B', equivalence: 'equivalent' }] },
        { code: 'owl' },
      ],
      unmapped: { mode: 'fixed', code: 'A', display: 'Letter A' },
    },
  ],
};

export function valueSet(compose: object, more: object = {}): AnyResource {
  return { resourceType: 'ValueSet', url: 'http://example.org/vs/x', status: 'active', compose, ...more };
}

export async function givenTerminology(
  tx: Tx,
  resources: readonly AnyResource[],
  owner: string = publisher,
): Promise<void> {
  const lastUpdated = new Date('2026-01-01T00:00:00Z');
  await writeTerminology(
    tx,
    resources.map((resource) => ({ owner, resource, lastUpdated })),
  );
}
