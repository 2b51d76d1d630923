import assert from 'node:assert/strict';
import { clinicalPeriod } from '../../src/fhir/clinical-date.ts';
import { patientsOf } from '../../src/fhir/compartment.ts';
import { patientCompartment, propertiesOf } from '../../src/fhir/definitions.ts';
import { resourceTypes, type AnyResource } from '../../src/fhir/types.ts';
import { observation, others, patient } from './examples.ts';

const resource = (resourceType: string, elements: object): AnyResource => ({ resourceType, ...elements });

describe('whose record a resource is (R4 compartmentdefinition-patient.html)', () => {
  const rows: [string, AnyResource, { primary?: string; others: string[] }][] = [
    ['a Patient is its own, not its links', patient, { primary: 'p1', others: [] }],
    ['subject', observation, { primary: 'p1', others: [] }],
    ['subject, then asserter', others.find(({ id }) => id === 'c1')!, { primary: 'p1', others: ['p3'] }],
    ['subject, then recipient', others.find(({ id }) => id === 'i1')!, { primary: 'p1', others: ['p4'] }],
    [
      "a Coverage is its beneficiary's, not its policy holder's",
      resource('Coverage', { policyHolder: { reference: 'Patient/c' }, beneficiary: { reference: 'Patient/b' } }),
      { primary: 'b', others: ['c'] },
    ],
    [
      'a group member',
      resource('Group', { member: [{ entity: { reference: 'Patient/a' } }, { entity: { reference: 'Patient/b' } }] }),
      { primary: 'a', others: ['b'] },
    ],
    [
      'a patient named by a contained resource',
      resource('List', {
        contained: [{ resourceType: 'Observation', id: 'o', subject: { reference: 'Patient/z' } }],
        entry: [{ item: { reference: '#o' } }],
      }),
      { primary: 'z', others: [] },
    ],
    [
      'a versioned reference',
      resource('Observation', { subject: { reference: 'Patient/a/_history/3' } }),
      { primary: 'a', others: [] },
    ],
    [
      'a Group as subject is no patient',
      resource('Observation', { subject: { reference: 'Group/g' } }),
      { others: [] },
    ],
    [
      "another server's patient is not ours",
      resource('Observation', { subject: { reference: 'http://x/fhir/Patient/a' } }),
      { others: [] },
    ],
    ['a type outside the compartment', resource('Organization', { name: 'x' }), { others: [] }],
    ['a resource without a patient', resource('Observation', {}), { others: [] }],
    ['a malformed contained', resource('Observation', { contained: 'x', subject: { reference: 7 } }), { others: [] }],
  ];
  for (const [what, given, expected] of rows) it(what, () => assert.deepEqual(patientsOf(given), expected));
});

describe('when what a resource tells of happened', () => {
  const at = (text: string): number => Date.parse(text);
  const rows: [string, AnyResource, { from: number; to: number } | undefined][] = [
    ['Observation.effectivePeriod', observation, { from: at('2024-03-05'), to: at('2024-03-06T04:00:01Z') }],
    [
      'effective before issued',
      resource('Observation', { effectiveDateTime: '2024-01-01', issued: '2024-02-01T00:00:00Z' }),
      { from: at('2024-01-01'), to: at('2024-01-02') },
    ],
    [
      'issued when nothing else is said',
      resource('Observation', { issued: '2024-02-01T00:00:00Z' }),
      { from: at('2024-02-01'), to: at('2024-02-01T00:00:01Z') },
    ],
    [
      'onset to abatement',
      resource('Condition', { onsetDateTime: '2020', abatementDateTime: '2021-06-01' }),
      { from: at('2020-01-01'), to: at('2021-06-02') },
    ],
    [
      'an encounter that goes on',
      resource('Encounter', { period: { start: '2024-01-01' } }),
      { from: at('2024-01-01'), to: Infinity },
    ],
    [
      'Specimen.collection',
      resource('Specimen', { collection: { collectedDateTime: '2024-05-01' } }),
      { from: at('2024-05-01'), to: at('2024-05-02') },
    ],
    [
      'a timing',
      resource('ServiceRequest', { occurrenceTiming: { event: ['2024-01-01', '2024-01-03'] } }),
      { from: at('2024-01-01'), to: at('2024-01-04') },
    ],
    ['a Patient has no clinical date', patient, undefined],
    ['undated', resource('Observation', {}), undefined],
    ['a malformed date', resource('Observation', { effectiveDateTime: 'x' }), undefined],
  ];
  for (const [what, given, expected] of rows) it(what, () => assert.deepEqual(clinicalPeriod(given), expected));

  it('every type of the compartment that R4 dates is dated', () => {
    const undated = Object.keys(patientCompartment()).filter((type) => {
      const dated = [...(propertiesOf(type)?.values() ?? [])].filter((p) =>
        /^(dateTime|date|instant|Period)$/.test(p.type),
      );
      const sample = Object.fromEntries(
        dated.map(({ name, type: t }) => [name, t === 'Period' ? { start: '2024', end: '2024' } : '2024']),
      );
      return clinicalPeriod({ resourceType: type, ...sample, collection: { collectedDateTime: '2024' } }) === undefined;
    });
    assert.deepEqual(undated.sort(), [
      'BodyStructure',
      'Group',
      'MolecularSequence',
      'Patient',
      'Person',
      'RelatedPerson',
    ]);
    assert.ok(resourceTypes.includes('Person'));
  });
});
