import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderPage } from '../../../../adapters/fhir/versions/document.ts';
import { readVersionTable } from '../../../../adapters/fhir/versions/read-table.ts';
import { toR4, versionTable } from '../../../../adapters/fhir/versions/to-r4.ts';
import type { OtherVersion } from '../../../../adapters/fhir/versions/version.ts';
import { Problem } from '../../../../src/fhir/problem.ts';
import { typeCode } from '../../../../src/fhir/types.ts';
import { validate } from '../../../../src/fhir/validate.ts';
import { maximal, type Release } from './maximal.ts';

/** Of each type as many as its longest choice has types, or its longest list of codes has codes. */
const variants = 14;

/** Codes and concepts that R4 has no word for: kept and reported, and an analyst decides. */
const reported: Record<OtherVersion, readonly string[]> = {
  dstu2: [
    'CarePlan.activity.detail.category',
    'DocumentReference.docStatus',
    'Encounter.class other',
    'Immunization.status in-progress',
    'Immunization.status on-hold',
    'Immunization.status stopped',
    'ReferralRequest.priority',
  ],
  stu3: ['CarePlan.activity.detail.category'],
  r5: [
    'AllergyIntolerance.type',
    'DocumentReference.docStatus cancelled',
    'DocumentReference.docStatus deprecated',
    'DocumentReference.relatesTo.code',
    'MedicationStatement.adherence.code',
    'Quantity.comparator ad',
  ],
};

/** What hospitals send, whether or not a table has rules for it. */
const sent =
  'AllergyIntolerance Appointment CarePlan Condition Coverage Device DiagnosticReport DocumentReference Encounter EpisodeOfCare ' +
  'Immunization Location Medication MedicationAdministration MedicationDispense MedicationStatement Observation Organization ' +
  'Patient Practitioner Procedure RelatedPerson Specimen';
const own: Record<OtherVersion, string> = {
  dstu2: 'MedicationOrder ProcedureRequest DiagnosticOrder ReferralRequest BodySite',
  stu3: 'MedicationRequest ProcedureRequest ReferralRequest BodySite PractitionerRole',
  r5: 'MedicationRequest ServiceRequest PractitionerRole DeviceUsage',
};
const releases: Record<OtherVersion, Release> = { dstu2: 'r2', stu3: 'r3', r5: 'r5' };

for (const version of ['dstu2', 'stu3', 'r5'] as const) {
  describe(`${version} -> R4: resources with every element, type and code that the release has`, () => {
    const found = new Set<string>();
    for (const type of `${sent} ${own[version]}`.split(' ')) {
      it(`${type}: R4 takes what comes out, and every value is in it`, () => {
        for (let variant = 0; variant < variants; variant++) {
          const { resource, leaves } = maximal(releases[version], type, variant);
          assert.ok(leaves.length > 10, 'the element list was read');
          const { resource: converted, unmapped } = toR4(resource, version);
          const text = JSON.stringify(converted);
          assert.deepEqual(
            leaves.filter((leaf) => !text.includes(leaf)),
            [],
            'lost',
          );
          for (const { position, code } of unmapped) found.add(`${position}${code === undefined ? '' : ` ${code}`}`);
          // Values are random words: rules between them, and concepts that R4 binds, are theirs to break.
          const wrong = validate(converted).filter(
            ({ code, message }) => code !== 'invariant' && !message.startsWith('no coding of'),
          );
          assert.deepEqual(
            wrong.map(({ expression, message }) => `${expression.join()} ${message}`),
            [],
          );
        }
      });
    }

    it('nothing is without a rule but these', () => assert.deepEqual([...found].sort(), reported[version]));

    it('references follow every type that has another name', () => {
      for (const { name, becomes } of versionTable(version).types.values()) {
        if (typeCode(becomes) === undefined || name === becomes) continue;
        const { resource } = toR4({ resourceType: 'Basic', id: '1', subject: { reference: `${name}/7` } }, version);
        const isAllowed = { reference: `${becomes}/7` };
        assert.deepEqual(resource['subject'], isAllowed);
      }
    });
  });
}

describe('a table of a release (mappings/fhir)', () => {
  const read = (rule: string, type = 'Encounter'): unknown =>
    readVersionTable(`version: x\nrelease: '9.0'\ntypes:\n  ${type}:\n    rules:\n      - ${rule}\n`, 'x.yaml');
  const refused: [string, string, RegExp][] = [
    ['a target that R4 does not have', '{ from: a, to: wards }', /x\.yaml:6: R4 has no Encounter\.wards/],
    ['a target below one', '{ from: a, to: hospitalization.bed }', /R4 has no Encounter\.hospitalization\.bed/],
    ['a code that R4 does not have', '{ from: status, to: status, codes: { a: gone } }', /gone is no code of/],
    ['a shape that is none', '{ from: a, to: class, as: magic }', /as is one of/],
    ['a code without a system', '{ from: a, to: class, as: coding }', /no system/],
    ['a rule that does two things', '{ from: a, to: class, keep: true }', /one of to, keep/],
    ['a value out of nothing, with a source', '{ from: a, to: status, const: planned }', /either from, or const/],
    ['a word that is none', '{ from: a, into: class }', /into is not a word/],
    ['an extension of a type that R4 cannot hold', '{ from: a, keep: true, type: CodeableReference }', /holds no/],
    ['an element that is not beside it', '{ from: a, to: diagnosis.condition, beside: { rang: 1 } }', /no rang beside/],
    ['a label where there is no list', "{ from: a, to: 'hospitalization[x].origin' }", /is no list/],
  ];
  for (const [what, rule, message] of refused) {
    it(`is refused with file and line for ${what}`, () =>
      assert.throws(
        () => read(rule),
        (error: unknown) => error instanceof Problem && message.test(error.message),
      ));
  }

  it('is taken when it says what R4 has', () => assert.ok(read('{ from: a, to: hospitalization.origin }')));

  it('is told in docs/fhir-versions.md as it is', () => {
    const page = readFileSync(join(import.meta.dirname, '..', '..', '..', '..', 'docs', 'fhir-versions.md'), 'utf8');
    const tables = (['dstu2', 'stu3', 'r5'] as const).map(versionTable);
    assert.equal(page, renderPage(page, tables), 'run npm run fhir-versions');
  });
});
