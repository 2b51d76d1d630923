/** LEAKS 15: labels of a resource are those of all that is in it. @see https://hl7.org/fhir/R4/security-labels.html */
import assert from 'node:assert/strict';
import { actCodeSystem, confidentialitySystem, labelBit, labelBits, otherLabel } from '../../src/fhir/labels.ts';
import type { AnyResource } from '../../src/fhir/types.ts';

const hiv = { system: actCodeSystem, code: 'HIV' };
const labelled = (...security: object[]): AnyResource => ({ resourceType: 'Observation', meta: { security } });

const rows: readonly [title: string, resource: AnyResource, bits: number][] = [
  ['its own', labelled(hiv), labelBit(hiv)],
  ['of what it contains', { resourceType: 'Condition', contained: [labelled(hiv)] }, labelBit(hiv)],
  ['of the entries of a document', { resourceType: 'Bundle', entry: [{ resource: labelled(hiv) }] }, labelBit(hiv)],
  [
    'of what an entry contains',
    { resourceType: 'Bundle', entry: [{}, { resource: { resourceType: 'Condition', contained: [labelled(hiv)] } }] },
    labelBit(hiv),
  ],
  ['an ActCode without a bit of its own is one', labelled({ system: actCodeSystem, code: 'NEW' }), otherLabel],
  ['normal confidentiality is none', labelled({ system: confidentialitySystem, code: 'N' }), 0],
  ['a label of another system is none', labelled({ system: 'urn:s', code: 'HIV' }), 0],
];

describe('labels of a resource (LEAKS 15)', () => {
  for (const [title, resource, bits] of rows) it(title, () => assert.equal(labelBits(resource), bits));
});
