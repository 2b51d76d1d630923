/** Resources of our own that together touch every kind of search parameter; the corpus, where it is present, adds R4's. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseJson } from '../../src/fhir/json.ts';
import type { AnyResource } from '../../src/fhir/types.ts';

const loinc = 'http://loinc.org';
const ucum = 'http://unitsofmeasure.org';

export const observation: AnyResource = {
  resourceType: 'Observation',
  id: 'bp',
  meta: {
    lastUpdated: '2024-03-05T10:00:00.123Z',
    profile: ['http://hl7.org/fhir/StructureDefinition/bp'],
    source: 'urn:hub:a',
  },
  identifier: [
    {
      type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'FILL' }], text: 'Filler' },
      system: 'urn:lab',
      value: 'F-1',
    },
  ],
  status: 'final',
  category: [
    { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
  ],
  code: { coding: [{ system: loinc, code: '85354-9', display: 'Blood Préssure' }], text: 'BP' },
  subject: { reference: 'Patient/p1', identifier: { system: 'urn:mrn', value: '7' } },
  encounter: { reference: 'Encounter/e1' },
  effectivePeriod: { start: '2024-03-05', end: '2024-03-06T12:00:00+08:00' },
  performer: [{ reference: 'Practitioner/d1' }, { reference: 'https://other.example/fhir/Organization/o9/_history/2' }],
  component: [
    {
      code: { coding: [{ system: loinc, code: '8480-6' }] },
      valueQuantity: { value: 107, unit: 'mmHg', system: ucum, code: 'mm[Hg]' },
    },
    {
      code: { coding: [{ system: loinc, code: '8462-4' }] },
      valueQuantity: { value: 60, comparator: '<', unit: 'mmHg', system: ucum, code: 'mm[Hg]' },
    },
  ],
};

export const patient: AnyResource = {
  resourceType: 'Patient',
  id: 'p1',
  identifier: [{ system: 'urn:mrn', value: '7' }],
  active: true,
  name: [{ use: 'official', family: 'Müller', given: ['Ｊosé', 'Ana'] }],
  telecom: [
    { system: 'phone', value: '+86 10 1234' },
    { system: 'email', value: 'a@example.org' },
  ],
  gender: 'female',
  birthDate: '1980-02',
  deceasedDateTime: '2020-01-01',
  address: [{ line: ['1 Main St'], city: 'Wien', country: 'AT' }],
  generalPractitioner: [{ reference: 'Practitioner/d1' }],
  link: [{ other: { reference: 'Patient/p2' }, type: 'seealso' }],
};

export const others: readonly AnyResource[] = [
  {
    resourceType: 'Encounter',
    id: 'e1',
    status: 'in-progress',
    class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' },
    subject: { reference: 'Patient/p1' },
    period: { start: '2024-01-01' },
  },
  {
    resourceType: 'Condition',
    id: 'c1',
    clinicalStatus: {
      coding: [{ system: 'http://terminology.hl7.org/CodeSystem/condition-clinical', code: 'resolved' }],
    },
    code: { text: 'Fever' },
    subject: { reference: 'Patient/p1' },
    onsetAge: { value: 43, system: ucum, code: 'a' },
    abatementDateTime: '2024-03-05T10:00:00Z',
    asserter: { reference: 'Patient/p3' },
  },
  {
    resourceType: 'MedicationRequest',
    id: 'm1',
    status: 'active',
    intent: 'order',
    medicationReference: { reference: '#med' },
    contained: [{ resourceType: 'Medication', id: 'med', code: { text: 'Aspirin' } }],
    subject: { reference: 'Patient/p1' },
    authoredOn: '2024-01-01',
  },
  {
    resourceType: 'RiskAssessment',
    id: 'r1',
    status: 'final',
    subject: { reference: 'Patient/p1' },
    occurrencePeriod: { start: '2024-01-01' },
    prediction: [{ outcome: { text: 'x' }, probabilityDecimal: 0.25 }],
  },
  {
    resourceType: 'Bundle',
    id: 'b1',
    type: 'document',
    identifier: { system: 'urn:x', value: '1' },
    timestamp: '2024-01-01T00:00:00Z',
    entry: [
      {
        fullUrl: 'http://x/Composition/k',
        resource: {
          resourceType: 'Composition',
          id: 'k',
          status: 'final',
          type: { text: 'Summary' },
          date: '2024',
          author: [{ display: 'Dr X' }],
          title: 'S',
        },
      },
    ],
  },
  {
    resourceType: 'ValueSet',
    id: 'v1',
    url: 'http://example.org/vs',
    status: 'active',
    useContext: [
      {
        code: { system: 'http://terminology.hl7.org/CodeSystem/usage-context-type', code: 'age' },
        valueRange: { low: { value: 5, unit: 'a' } },
      },
    ],
  },
  {
    resourceType: 'Invoice',
    id: 'i1',
    status: 'issued',
    subject: { reference: 'Patient/p1' },
    recipient: { reference: 'Patient/p4' },
    totalNet: { value: 12.5, currency: 'EUR' },
  },
  {
    resourceType: 'PlanDefinition',
    id: 'pd',
    status: 'active',
    relatedArtifact: [
      { type: 'depends-on', resource: 'http://example.org/lib|1.0' },
      { type: 'successor', resource: 'http://example.org/next' },
    ],
  },
  {
    resourceType: 'MolecularSequence',
    id: 'ms',
    coordinateSystem: 0,
    patient: { reference: 'Patient/p1' },
    referenceSeq: {
      chromosome: { coding: [{ system: 'urn:chr', code: '22' }] },
      genomeBuild: 'GRCh37',
      windowStart: 5,
      windowEnd: 9,
    },
    variant: [{ start: 6, end: 7 }],
  },
];

export const examples: readonly AnyResource[] = [observation, patient, ...others];

/** The shared corpus beside the project, or where CORPUS_DIR says; undefined when there is none. */
export function corpusFolder(): string | undefined {
  const folder = process.env['CORPUS_DIR'] ?? resolve(import.meta.dirname, '../../../shared/corpus');
  return existsSync(join(folder, 'fhir')) ? folder : undefined;
}

/** R4's example resources of the corpus; empty without one. */
export function corpusExamples(): AnyResource[] {
  const folder = corpusFolder();
  if (folder === undefined) return [];
  const directory = join(folder, 'fhir', 'r4-examples');
  return readdirSync(directory).map((file) => parseJson(readFileSync(join(directory, file), 'utf8')) as AnyResource);
}
