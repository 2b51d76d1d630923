import assert from 'node:assert/strict';
import { tokenHash } from '../../src/fhir/hash.ts';
import { containedCodes } from '../../src/fhir/index/entry.ts';
import { indexColumns } from '../../src/store/index-columns.ts';

describe('codes of what a resource contains', () => {
  const code = { coding: [{ system: 'urn:drugs', code: 'D1' }] };
  const { tokens } = indexColumns({
    resourceType: 'MedicationRequest',
    id: 'm1',
    status: 'active',
    intent: 'order',
    subject: { reference: 'Patient/p1' },
    contained: [
      {
        resourceType: 'Medication',
        id: 'med',
        code,
        ingredient: [{ itemCodeableConcept: { coding: [{ code: 'I1' }] } }],
      },
    ],
    medicationReference: { reference: '#med' },
  });

  it('are there for a consent that denies them, the code of an ingredient too', () => {
    assert.ok(tokens.has(tokenHash(containedCodes, 'urn:drugs', 'D1')));
    assert.ok(tokens.has(tokenHash(containedCodes, undefined, 'I1')));
  });

  it('are not what the resource itself is about: neither a search nor a permit finds it by them', () => {
    assert.ok(!tokens.has(tokenHash('code', 'urn:drugs', 'D1')));
  });
});
