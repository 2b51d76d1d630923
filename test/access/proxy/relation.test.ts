/** Which RelatedPersons may act for their patient, and how long. Pure. */
import assert from 'node:assert/strict';
import { isTrustedSource } from '../../../src/access/proxy/record.ts';
import { relationOf } from '../../../src/access/proxy/relation.ts';
import type { AnyResource } from '../../../src/fhir/types.ts';
import { givenPrincipal, givenSelf } from '../world.ts';

const roleCode = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';
const roleClass = 'http://terminology.hl7.org/CodeSystem/v3-RoleClass';
const v2 = 'http://terminology.hl7.org/CodeSystem/v2-0131';

function related(relationship: readonly (readonly [string, string])[], rest: object = {}): AnyResource {
  return {
    resourceType: 'RelatedPerson',
    id: 'r',
    patient: { reference: 'Patient/child' },
    relationship: relationship.map(([system, code]) => ({ coding: [{ system, code }] })),
    ...rest,
  };
}

describe('RelatedPerson.relationship -> who may act (R4 relatedperson.html)', () => {
  const table: readonly [title: string, codes: readonly [string, string][], expected: string | undefined][] = [
    ['a mother', [[roleCode, 'MTH']], 'parent, consents'],
    ['a father', [[roleCode, 'FTH']], 'parent, consents'],
    ['a parent', [[roleCode, 'PRN']], 'parent, consents'],
    ['an adoptive mother', [[roleCode, 'ADOPTM']], 'parent, consents'],
    ['a guardian', [[roleCode, 'GUARD']], 'guardian, consents'],
    ['a guardian, as a class of roles', [[roleClass, 'GUARD']], 'guardian, consents'],
    [
      'a mother who is the guardian',
      [
        [roleCode, 'MTH'],
        [roleCode, 'GUARD'],
      ],
      'guardian, consents',
    ],
    ['a power of attorney for health care', [[roleCode, 'HPOWATT']], 'caregiver, consents'],
    ['another power of attorney', [[roleCode, 'POWATT']], 'caregiver, reads'],
    ['a special power of attorney', [[roleCode, 'SPOWATT']], 'caregiver, reads'],
    ['a registered caregiver', [[roleClass, 'CAREGIVER']], 'caregiver, reads'],
    ['a guardian of NK1-3', [['http://terminology.hl7.org/CodeSystem/v2-0063', 'GRD']], 'guardian, consents'],
    ['a care giver of NK1-3', [['http://terminology.hl7.org/CodeSystem/v2-0063', 'CGV']], undefined],
    ['a stepmother', [[roleCode, 'STPMTH']], undefined],
    ['a foster parent', [[roleCode, 'PRNFOST']], undefined],
    ['a guardian for a lawsuit', [[roleCode, 'GUADLTM']], undefined],
    ['a wife', [[roleCode, 'WIFE']], undefined],
    ['a daughter', [[roleCode, 'DAUC']], undefined],
    ['next of kin', [[v2, 'N']], undefined],
    ['an emergency contact', [[v2, 'C']], undefined],
    ['the code of a mother in another system', [['urn:local', 'MTH']], undefined],
    ['nothing said', [], undefined],
  ];
  for (const [title, codes, expected] of table) {
    it(`${title} -> ${expected ?? 'nobody'}`, () => {
      const relation = relationOf(related(codes));
      const found = relation && `${relation.relationship}, ${relation.mayConsent ? 'consents' : 'reads'}`;
      assert.equal(found, expected);
    });
  }
});

describe('RelatedPerson.period and active', () => {
  const mother: readonly [string, string][] = [[roleCode, 'MTH']];
  const always = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };
  const table: readonly [title: string, rest: object, expected: object | undefined][] = [
    ['no period: always', {}, always],
    ['active', { active: true }, always],
    ['not active: nobody', { active: false }, undefined],
    ['from a day on', { period: { start: '2026-01-02' } }, { ...always, from: Date.UTC(2026, 0, 2) }],
    ['to the end of a day', { period: { end: '2026-01-02' } }, { ...always, to: Date.UTC(2026, 0, 3) }],
    ['to the end of a year', { period: { end: '2026' } }, { ...always, to: Date.UTC(2027, 0, 1) }],
    ['an end that is no date: nobody', { period: { end: 'soon' } }, undefined],
    ['a start that is no date: nobody', { period: { start: '2026-13-01' } }, undefined],
    ['what may turn the meaning around: nobody', { modifierExtension: [{ url: 'urn:not' }] }, undefined],
    ['of no patient here: nobody', { patient: { reference: 'https://elsewhere/Patient/child' } }, undefined],
    ['of a patient by display alone: nobody', { patient: { display: 'child' } }, undefined],
  ];
  for (const [title, rest, expected] of table) {
    it(title, () => assert.deepEqual(relationOf(related(mother, rest))?.valid, expected));
  }
});

describe('whose RelatedPerson needs no operator (LEAKS 31)', () => {
  const table: readonly [title: string, principal: ReturnType<typeof givenPrincipal>, isTrusted: boolean][] = [
    ['a registered hospital', givenPrincipal({ kind: 'hospital' }), true],
    ['a token the operator made for an organization', givenPrincipal({ kind: 'local' }), true],
    ['a registered AI service', givenPrincipal({ kind: 'ai' }), false],
    ['a registered payer', givenPrincipal({ kind: 'payment' }), false],
    ['a client of another issuer that nobody registered', givenPrincipal(), false],
    ['no organization', givenPrincipal({ kind: 'hospital', organization: undefined }), false],
    ['a patient', givenSelf('p1', { kind: 'local' }), false],
  ];
  for (const [title, principal, isTrusted] of table) {
    it(`${title}: ${isTrusted ? 'trusted' : 'not'}`, () => assert.equal(isTrustedSource(principal), isTrusted));
  }
});
