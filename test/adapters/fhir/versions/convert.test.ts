import assert from 'node:assert/strict';
import { convertResource } from '../../../../adapters/fhir/convert.ts';
import { toR4 } from '../../../../adapters/fhir/versions/to-r4.ts';
import { readVersion, versionOf } from '../../../../adapters/fhir/versions/version.ts';
import { sourceId } from '../../../../src/fhir/ids.ts';
import { parseJson } from '../../../../src/fhir/json.ts';
import { Problem } from '../../../../src/fhir/problem.ts';
import { validate } from '../../../../src/fhir/validate.ts';

type Json = Record<string, unknown>;

describe('DSTU2 -> R4, as hospitals send it', () => {
  const order = {
    resourceType: 'MedicationOrder',
    id: 'm1',
    dateWritten: '2015-01-15',
    status: 'active',
    patient: { reference: 'Patient/p1' },
    prescriber: { reference: 'Practitioner/d1' },
    medicationCodeableConcept: { text: 'Warfarin 5 mg' },
    note: 'with food',
    dosageInstruction: [
      {
        text: 'one a day',
        timing: { repeat: { frequency: 1, period: 1, periodUnits: 'd' } },
        doseQuantity: { value: 5, unit: 'mg' },
        rateRange: { low: { value: 1 } },
      },
    ],
  };

  it('MedicationOrder becomes a MedicationRequest that R4 takes', () => {
    const { resource, unmapped } = toR4(order, 'dstu2');
    assert.deepEqual(resource, {
      resourceType: 'MedicationRequest',
      subject: { reference: 'Patient/p1' },
      requester: { reference: 'Practitioner/d1' },
      authoredOn: '2015-01-15',
      note: [{ text: 'with food' }],
      id: 'm1',
      status: 'active',
      medicationCodeableConcept: { text: 'Warfarin 5 mg' },
      dosageInstruction: [
        {
          doseAndRate: [{ doseQuantity: { value: 5, unit: 'mg' }, rateRange: { low: { value: 1 } } }],
          text: 'one a day',
          timing: { repeat: { periodUnit: 'd', frequency: 1, period: 1 } },
        },
      ],
      intent: 'order',
    });
    assert.deepEqual(unmapped, []);
    assert.deepEqual(validate(resource), []);
  });

  const allergies: [string, string | undefined, string | undefined][] = [
    ['active', 'active', undefined],
    ['unconfirmed', 'active', 'unconfirmed'],
    ['resolved', 'resolved', undefined],
    ['refuted', 'inactive', 'refuted'],
    ['entered-in-error', undefined, 'entered-in-error'],
  ];
  for (const [status, clinical, verification] of allergies) {
    it(`AllergyIntolerance.status ${status} -> clinical ${clinical}, verification ${verification}`, () => {
      const { resource } = toR4(
        { resourceType: 'AllergyIntolerance', patient: { display: 'x' }, substance: { text: 'Nuts' }, status },
        'dstu2',
      );
      const codeOf = (name: string): unknown => (resource[name] as { coding: [Json] } | undefined)?.coding[0]['code'];
      assert.equal(codeOf('clinicalStatus'), clinical);
      assert.equal(codeOf('verificationStatus'), verification);
      assert.deepEqual(validate(resource), []);
    });
  }

  it('what was not given has that status, and the status that was said stays readable', () => {
    const given = {
      resourceType: 'Immunization',
      status: 'completed',
      vaccineCode: { text: 'x' },
      patient: { display: 'x' },
    };
    assert.equal(toR4({ ...given, wasNotGiven: false }, 'dstu2').resource['status'], 'completed');
    const { resource } = toR4({ ...given, wasNotGiven: true }, 'dstu2');
    assert.equal(resource['status'], 'not-done');
    assert.deepEqual(resource['extension'], [
      { url: 'http://hl7.org/fhir/1.0/StructureDefinition/extension-Immunization.status', valueCode: 'completed' },
    ]);
    const wrong = toR4({ ...given, status: 'entered-in-error', wasNotGiven: true }, 'dstu2').resource;
    assert.equal(wrong['status'], 'entered-in-error');
    assert.equal((wrong['modifierExtension'] as Json[])[0]?.['valueBoolean'], true);
  });

  it('the parts of a family name are one; an animal stays what changes everything else', () => {
    const { resource } = toR4(
      {
        resourceType: 'Patient',
        name: [{ family: ['van', 'Beethoven'], given: ['L'] }],
        animal: { species: { text: 'Canis' } },
      },
      'dstu2',
    );
    assert.deepEqual(resource['name'], [{ family: 'van Beethoven', given: ['L'] }]);
    assert.deepEqual(resource['modifierExtension'], [
      {
        url: 'http://hl7.org/fhir/1.0/StructureDefinition/extension-Patient.animal',
        extension: [{ url: 'species', valueString: 'Canis' }].map(({ url }) => ({
          url,
          extension: [{ url: 'text', valueString: 'Canis' }],
        })),
      },
    ]);
  });
});

describe('STU3 -> R4, as hospitals send it', () => {
  it('coding systems that moved are renamed, labels of security too; others are left', () => {
    const { resource } = toR4(
      {
        resourceType: 'Observation',
        meta: { security: [{ system: 'http://hl7.org/fhir/v3/ActCode', code: 'HIV' }] },
        category: [
          { coding: [{ system: 'http://hl7.org/fhir/observation-category', code: 'laboratory' }] },
          { coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code: 'B20' }] },
        ],
      },
      'stu3',
    );
    assert.deepEqual(resource.meta?.security, [
      { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'HIV' },
    ]);
    const systems = (resource['category'] as { coding: Json[] }[]).map(({ coding }) => coding[0]?.['system']);
    assert.deepEqual(systems, [
      'http://terminology.hl7.org/CodeSystem/observation-category',
      'http://hl7.org/fhir/sid/icd-10',
    ]);
  });

  it('a context that is no Encounter is kept, for R4 allows none there', () => {
    const told = (type: string): Json =>
      toR4({ resourceType: 'Condition', context: { reference: `${type}/1` } }, 'stu3').resource;
    assert.deepEqual(told('Encounter')['encounter'], { reference: 'Encounter/1' });
    assert.equal(told('EpisodeOfCare')['encounter'], undefined);
    assert.deepEqual(told('EpisodeOfCare')['extension'], [
      {
        url: 'http://hl7.org/fhir/3.0/StructureDefinition/extension-Condition.context',
        valueReference: { reference: 'EpisodeOfCare/1' },
      },
    ]);
  });

  it('related observations go by what they are; a relation that R4 lacks stays whole', () => {
    const related = ['has-member', 'derived-from', 'sequel-to'].map((type, at) => ({
      type,
      target: { reference: `Observation/${at}` },
    }));
    const { resource, unmapped } = toR4({ resourceType: 'Observation', related }, 'stu3');
    assert.deepEqual(resource['hasMember'], [{ reference: 'Observation/0' }]);
    assert.deepEqual(resource['derivedFrom'], [{ reference: 'Observation/1' }]);
    const [kept] = resource['extension'] as { extension: Json[] }[];
    assert.deepEqual(kept?.extension, [
      { url: 'type', valueString: 'sequel-to' },
      { url: 'target', valueReference: { reference: 'Observation/2' } },
    ]);
    assert.deepEqual(unmapped, []);
  });

  it('an element that nobody knows, and a code that R4 does not have, are kept and reported', () => {
    const { resource, unmapped } = toR4(
      { resourceType: 'Encounter', status: 'sleeping', urgency: { coding: [{ code: 'U1' }] } },
      'stu3',
    );
    assert.deepEqual(unmapped, [
      { kind: 'code', position: 'Encounter.status', code: 'sleeping' },
      { kind: 'field', position: 'Encounter.urgency' },
    ]);
    assert.equal(resource['status'], undefined);
    assert.deepEqual(resource['_status'], {
      extension: [
        { url: 'http://hl7.org/fhir/3.0/StructureDefinition/extension-Encounter.status', valueCode: 'sleeping' },
      ],
    });
    assert.deepEqual(resource['extension'], [
      {
        url: 'http://hl7.org/fhir/3.0/StructureDefinition/extension-Encounter.urgency',
        valueCodeableConcept: { coding: [{ code: 'U1' }] },
      },
    ]);
  });

  it('a name that is no element is not shown', () => {
    const { unmapped } = toR4({ resourceType: 'Patient', 'Mr Müller': 'x' }, 'stu3');
    assert.deepEqual(unmapped, [{ kind: 'field', position: 'Patient.(name)' }]);
  });

  it('digits of numbers stay, and so does what is said of a primitive', () => {
    const source = parseJson(
      '{"resourceType":"Observation","valueQuantity":{"value":1.50},"comment":"x","_comment":{"extension":[{"url":"urn:x:y","valueString":"z"}]}}',
    ) as Json;
    const text = JSON.stringify(toR4(source, 'stu3').resource);
    assert.match(text, /"value":1\.50/);
    assert.match(text, /"note":\[\{"text":"x"/);
  });

  it('contained resources are converted by their own table', () => {
    const { resource } = toR4(
      {
        resourceType: 'Procedure',
        contained: [{ resourceType: 'ProcedureRequest', id: 'r', status: 'suspended' }],
        basedOn: [{ reference: '#r' }],
      },
      'stu3',
    );
    assert.deepEqual(resource['contained'], [{ resourceType: 'ServiceRequest', id: 'r', status: 'on-hold' }]);
    assert.deepEqual(resource['basedOn'], [{ reference: '#r' }]);
  });
});

describe('R5 -> R4, as hospitals send it', () => {
  it('a CodeableReference becomes a code, a reference, or both', () => {
    const { resource } = toR4(
      {
        resourceType: 'Encounter',
        status: 'completed',
        class: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' }] }],
        reason: [{ value: [{ concept: { text: 'Cough' } }, { reference: { reference: 'Condition/1' } }] }],
        diagnosis: [{ condition: [{ reference: { reference: 'Condition/2' } }, { concept: { text: 'Flu' } }] }],
        admission: { origin: { reference: 'Location/1' } },
        dietPreference: [{ text: 'vegan' }],
      },
      'r5',
    );
    assert.equal(resource['status'], 'finished');
    assert.deepEqual(resource['class'], { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'IMP' });
    assert.deepEqual(resource['reasonCode'], [{ text: 'Cough' }]);
    assert.deepEqual(resource['reasonReference'], [{ reference: 'Condition/1' }]);
    const conditions = (resource['diagnosis'] as { condition: Json }[]).map(({ condition }) => condition);
    assert.deepEqual(conditions, [{ reference: 'Condition/2' }, { display: 'Flu' }]);
    assert.deepEqual(resource['hospitalization'], {
      origin: { reference: 'Location/1' },
      dietPreference: [{ text: 'vegan' }],
    });
    assert.deepEqual(validate(resource), []);
  });

  it('whether a medication is taken is told by its adherence', () => {
    const statement = {
      resourceType: 'MedicationStatement',
      status: 'recorded',
      medication: { concept: { text: 'x' } },
    };
    const of = (code: string | undefined): unknown =>
      toR4({ ...statement, ...(code === undefined ? {} : { adherence: { code: { coding: [{ code }] } } }) }, 'r5')
        .resource['status'];
    assert.deepEqual(['taking', 'not-taking', undefined].map(of), ['active', 'not-taken', 'unknown']);
  });

  it('a reference to a type that R4 does not have stays readable', () => {
    const { resource } = toR4({ resourceType: 'Basic', subject: { reference: 'Transport/1', display: 'x' } }, 'r5');
    assert.deepEqual(resource['subject'], {
      display: 'x',
      extension: [
        {
          url: 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Reference.reference',
          valueString: 'Transport/1',
        },
      ],
    });
  });

  it('a type that R4 does not have is refused, without the words of its sender', () => {
    const refused = (resourceType: string): Problem => {
      try {
        toR4({ resourceType }, 'r5');
      } catch (error) {
        return error as Problem;
      }
      throw new Error('not refused');
    };
    assert.equal(refused('NutritionIntake').code, 'not-supported');
    assert.match(refused('Mr Müller').message, /\(name\)/);
  });
});

describe('the release of an endpoint', () => {
  it('is told by fhirVersion', () => {
    const releases = ['1.0.2', '3.0.2', '4.0.1', '4.3.0', '5.0.0', '3.0', '1.4.0', '5.0.0-ballot', 'x'];
    assert.deepEqual(releases.map(versionOf), [
      'dstu2',
      'stu3',
      'r4',
      'r4',
      'r5',
      'stu3',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('is a setting: a name or a release, R4 where nothing is said', () => {
    assert.deepEqual(['stu3', '3.0.2', undefined].map(readVersion), ['stu3', 'stu3', 'r4']);
    assert.throws(() => readVersion('r9'), Problem);
  });
});

describe('a resource of another release -> drafts', () => {
  const base = 'https://stu3.hospital.example/fhir';
  const source = { organization: 'Organization/a', base };
  const convert = (resource: Json): ReturnType<typeof convertResource> =>
    convertResource(Buffer.from(JSON.stringify(resource)), {
      name: 'old',
      organization: 'Organization/a',
      config: { base, version: 'stu3' },
    });
  const request = (resourceType: string): Json => ({
    resourceType,
    id: '1',
    status: 'active',
    intent: 'order',
    code: { text: 'x' },
    subject: { reference: `${base}/Patient/p/_history/3` },
    basedOn: [{ reference: 'ReferralRequest/1' }, { reference: 'ProcedureRequest/1' }],
  });

  it('ids follow from the names of the source, so that two types that become one keep apart', () => {
    const [one, other] = ['ProcedureRequest', 'ReferralRequest'].map((type) => convert(request(type)).drafts.at(-1));
    assert.equal(one?.resource.resourceType, 'ServiceRequest');
    assert.equal(one?.resource.id, sourceId(source, 'ProcedureRequest', '1'));
    assert.notEqual(one?.resource.id, other?.resource.id);
    assert.deepEqual(one?.resource['basedOn'], [
      { reference: `ServiceRequest/${other?.resource.id}` },
      { reference: `ServiceRequest/${one?.resource.id}` },
    ]);
    assert.deepEqual(one?.resource['identifier'], [{ system: `${base}/ProcedureRequest`, value: '1' }]);
  });

  it('the patient it names is there as a stub, by the id it will have', () => {
    const [stub] = convert(request('ProcedureRequest')).drafts;
    assert.equal(stub?.resource.id, sourceId(source, 'Patient', 'p'));
    assert.deepEqual(stub?.resource['identifier'], [{ system: `${base}/Patient`, value: 'p' }]);
  });

  it('a deletion is of the type that R4 has, and of the id that it got', () => {
    const [draft] = convert({ resourceType: 'ProcedureRequest', id: '1' }).drafts;
    assert.equal(draft?.mode, 'delete');
    assert.equal(draft?.resource.resourceType, 'ServiceRequest');
    assert.equal(draft?.resource.id, sourceId(source, 'ProcedureRequest', '1'));
  });

  it('the map is named by its release, and what no rule took is told', () => {
    const mapped = convert({ ...request('ProcedureRequest'), urgency: 'x' });
    assert.equal(mapped.mapVersion, 'fhir-stu3/2');
    assert.deepEqual(mapped.unmapped, [{ kind: 'field', position: 'ProcedureRequest.urgency' }]);
  });

  it('a Bundle of writes is converted entry by entry', () => {
    const { drafts } = convert({
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [
        { fullUrl: 'urn:uuid:1', resource: { resourceType: 'Patient', id: 'p' } },
        {
          fullUrl: 'urn:uuid:2',
          resource: { resourceType: 'Condition', subject: { reference: 'urn:uuid:1' }, clinicalStatus: 'active' },
        },
      ],
    });
    const [patient, condition] = drafts;
    assert.deepEqual(condition?.resource['subject'], { reference: `Patient/${patient?.resource.id}` });
  });
});
