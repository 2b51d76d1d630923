/**
 * What the shipped sets say of a code, by category, with the near misses beside it; and where in a resource a code counts.
 *
 * @see docs/sensitive-data.md
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { labelBit, labelBits, labelCodings } from '../../src/fhir/labels.ts';
import { carriedPaths, carriedReferences } from '../../src/fhir/sensitivity/carry.ts';
import { sensitivityOf } from '../../src/fhir/sensitivity/classify.ts';
import { markedLabels, withLabels, withoutLabels } from '../../src/fhir/sensitivity/mark.ts';
import { compileSets } from '../../src/fhir/sensitivity/sets.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { elementProblem } from '../../src/mapping/tables/element-path.ts';
import { readSensitivity } from '../../src/mapping/sensitivity/read.ts';

const sets = compileSets(readSensitivity([join(import.meta.dirname, '..', '..', 'mappings', 'sensitivity')]));
const namesOf = (bits: number): string =>
  labelCodings(bits)
    .map(({ code }) => code)
    .sort()
    .join(' ');

const systems: Readonly<Record<string, string>> = {
  'icd-10': 'http://hl7.org/fhir/sid/icd-10',
  'icd-10-cm': 'http://hl7.org/fhir/sid/icd-10-cm',
  'icd-9-cm': 'http://hl7.org/fhir/sid/icd-9-cm',
  'CN table': 'urn:oid:2.16.156.10011.2.3.3.11',
  "sender's ICD10CN": 'https://hub.example/fhir/Organization/h/coding-system/ICD10CN',
  "sender's GB/T 14396": 'https://hub.example/fhir/Organization/h/coding-system/GB%2FT%2014396',
  "sender's NHSA": 'https://hub.example/fhir/Organization/h/coding-system/NHSA',
  "sender's own": 'https://hub.example/fhir/Organization/h/coding-system/LOCAL',
  loinc: 'http://loinc.org',
  snomed: 'http://snomed.info/sct',
  atc: 'http://www.whocc.no/atc',
};

/** System, codes, labels; none: must not be labelled. */
const codes: readonly (readonly [string, string, string])[] = [
  ['icd-10', 'B20 B20.0 B24 b23.1 B230 Z21 R75 Z20.6 Z11.4 Z71.7 O98.7', 'HIV'],
  ['icd-10', 'B19 B19.9 B25 B2 Z20 Z20.5 Z22 R74 R76 Z11 Z11.5 Z71 O98 O98.8', ''],
  ['icd-10', 'F02.4', 'HIV PSY'],
  ['icd-10-cm', 'B97.35 Z29.81', 'HIV'],
  ['icd-10-cm', 'B97.3 B97.34 Z29.8', ''],
  ['CN table', 'B20.000 B24.x01 Z21.x00', 'HIV'],
  ["sender's ICD10CN", 'F20.000x001', 'PSY'],
  ["sender's GB/T 14396", 'F32.900', 'PSY'],
  ["sender's own", 'F20.0 B20 XJ05AR', ''],
  ['icd-9-cm', '042 042.9 079.53 V08 795.71', 'HIV'],
  ['icd-9-cm', '041 045 079.5 V07 795.7 42', ''],
  ['loinc', '56888-1 75622-1 20447-9 7918-6 25836-8', 'HIV'],
  ['loinc', '718-7 56888-2 24467-3 13955-0', ''],
  ['snomed', '86406008 62479008', 'HIV'],
  ['snomed', '8640600 864060080', ''],
  ['atc', 'J05AR10 J05AG03 J05AE08 J05AF01 J05AJ03', 'HIV'],
  ['atc', 'J05AE30 J05AF05 J05AF07 J05AF10 J05AB01 J05AP55 J05AX13 J01CA04', ''],
  ["sender's NHSA", 'XJ05ARL123A001010100001 250403019 002504030190000', 'HIV'],
  ["sender's NHSA", 'XJ05AFE123A001010100001 XJ01CAA040E001010100524 250403018 XN05', ''],

  ['icd-10', 'F00 F09 F20 F20.0 F32 F32.9 F43.1 F65 F84.0 F99 X60 X84.9 Z86.5 Z91.5', 'PSY'],
  ['icd-10', 'F17 F17.2 F1 G47.0 X59 X85 Z86.6 Z91 R45.8 G30', ''],
  ['icd-10-cm', 'R45.851 T14.91XA', 'PSY'],
  ['icd-10-cm', 'R45.850 R45.85 T14.90', ''],
  ['icd-9-cm', '290.0 295.30 300.4 311 319 E950.0 94.27', 'PSY'],
  ['icd-9-cm', '289 320 29.0 30.1 E960 94.8', ''],
  ['loinc', '44249-1 70274-6 34788-0', 'PSY'],
  ['atc', 'N05AH03 N06AB06 N06BA04', 'PSY'],
  ['atc', 'N05AB04 N05AL01 N05BA01 N05CF02 N06BC01 N06DX01', ''],
  ["sender's NHSA", 'XN05AHL001A001010100001', 'PSY'],

  ['icd-10', 'F10 F10.2 F11 F14 F16 F18 F19.9 F55 Z50.2 Z86.4', 'SUD'],
  ['icd-9-cm', '291.0 303.90 304.00 305.00 94.61', 'SUD'],
  ['icd-9-cm', '305.1', ''],
  ['snomed', '7200002 75544000', 'SUD'],
  ['atc', 'N07BB01 N07BC02', 'SUD'],
  ['atc', 'N07BA01 N02AA01', ''],

  ['icd-10', 'K70.3 T40.1 T51.0 Z71.4 Z72.1 R78.0 Y90.5', 'ETH'],
  ['icd-10', 'K74 T39 T51.1 Z72.0 R78.6 Z71.3', ''],
  ['loinc', '5643-2 3397-7 75626-2', 'ETH'],

  ['icd-10', 'A50 A53.9 A54 A60.0 A63.0 A64 Z11.3 Z20.2 O98.1', 'STD'],
  ['icd-10', 'A49 A65 B00.9 B07 Z11.2 Z20.3 O98.4', ''],
  ['icd-9-cm', '090.0 098.0 099.41 054.10', 'STD'],
  ['icd-9-cm', '089 100 054.2', ''],
  ['loinc', '20507-0 24111-7 21613-5', 'STD'],
  ['loinc', '10705-2 5195-3', ''],

  ['icd-10', 'T74.1 T74.2 Y05 Y06.0 Y07.9 Z04.4 Z61.5', 'SDV'],
  ['icd-10', 'T73 T75 Y04 Y08 Z04.3 Z61.3', ''],
  ['icd-10-cm', 'T76.21XA Z62.810 Z69.11', 'SDV'],
  ['icd-9-cm', '995.53 995.81 E967.3', 'SDV'],
  ['icd-9-cm', '995.86 995.90', ''],

  ['icd-10', 'Q90.9 Q99 D66 D57.1 E84.0 G10 G71.0', 'GDIS'],
  ['icd-10', 'Q89 D68 D58 E85 G11 G71.1', ''],
  ['icd-10-cm', 'Z15.01 Z14.1 Z31.5', 'GDIS SEX'],
  ['loinc', '59041-4', 'GDIS'],

  ['icd-10', 'F52.2 F64.0 F66 O04.9 Z30.0 Z70 Z72.5', 'SEX'],
  ['icd-10', 'O80 O03 N97 Z33 Z34 Z72.4', ''],
  ['icd-9-cm', '302.7 302.85 635.90 V25.09', 'SEX'],
  ['atc', 'G03AA07 G02BA03', 'SEX'],
  ['atc', 'G03CA03 G03DA04', ''],
];

describe('mappings/sensitivity: which codes are sensitive', () => {
  for (const [system, list, labels] of codes) {
    for (const code of list.split(' ')) {
      // The one row of several: a genetic counselling code is a procreative one too.
      const expected = labels === 'GDIS SEX' && code !== 'Z31.5' ? 'GDIS' : labels;
      it(`${system} ${code} -> ${expected || 'nothing'}`, () => {
        assert.equal(namesOf(sets.bitsOf(systems[system] as string, code)), expected);
      });
    }
  }

  it('of another system the same text says nothing', () => {
    for (const system of ['http://unitsofmeasure.org', 'http://snomed.info/sct', 'urn:x', '']) {
      assert.equal(sets.bitsOf(system, 'B20'), 0);
    }
  });
});

describe('where a code counts (DS4P: the label of a resource covers all of it)', () => {
  const coded = (code: string, system: string | null = 'http://hl7.org/fhir/sid/icd-10'): object => ({
    coding: [{ ...(system === null ? {} : { system }), code }],
  });
  const said = (resource: Record<string, unknown>): string => namesOf(sensitivityOf(resource as AnyResource, sets));
  const rows: readonly (readonly [string, Record<string, unknown>, string])[] = [
    ['Condition.code', { resourceType: 'Condition', code: coded('B20') }, 'HIV'],
    [
      'the second coding',
      { resourceType: 'Condition', code: { coding: [{ code: 'x' }, { system: systems['icd-10'], code: 'F32' }] } },
      'PSY',
    ],
    ['Encounter.reasonCode', { resourceType: 'Encounter', reasonCode: [coded('F20.0')] }, 'PSY'],
    ['Claim.diagnosis', { resourceType: 'Claim', diagnosis: [{ diagnosisCodeableConcept: coded('F11.2') }] }, 'SUD'],
    ['Claim.item', { resourceType: 'Claim', item: [{ productOrService: coded('J05AR10', systems['atc']) }] }, 'HIV'],
    [
      'ExplanationOfBenefit.diagnosis',
      { resourceType: 'ExplanationOfBenefit', diagnosis: [{ diagnosisCodeableConcept: coded('A53') }] },
      'STD',
    ],
    ['ChargeItem.reason', { resourceType: 'ChargeItem', reason: [coded('T74.2')] }, 'SDV'],
    [
      'MedicationRequest.medication',
      { resourceType: 'MedicationRequest', medicationCodeableConcept: coded('N05AH03', systems['atc']) },
      'PSY',
    ],
    [
      'Observation.component',
      { resourceType: 'Observation', component: [{ code: coded('56888-1', systems['loinc']) }] },
      'HIV',
    ],
    [
      'Observation.value',
      { resourceType: 'Observation', valueCodeableConcept: coded('86406008', systems['snomed']) },
      'HIV',
    ],
    ['DocumentReference.type', { resourceType: 'DocumentReference', type: coded('34788-0', systems['loinc']) }, 'PSY'],
    [
      'Composition.section',
      { resourceType: 'Composition', section: [{ code: coded('11343-1', systems['loinc']) }] },
      'ETH',
    ],
    [
      'QuestionnaireResponse answer',
      {
        resourceType: 'QuestionnaireResponse',
        item: [{ answer: [{ valueCoding: { system: systems['icd-10'], code: 'F32' } }] }],
      },
      'PSY',
    ],
    [
      'an extension',
      {
        resourceType: 'Encounter',
        extension: [{ url: 'urn:x', valueCoding: { system: systems['icd-10'], code: 'F32' } }],
      },
      'PSY',
    ],
    [
      'a contained resource',
      {
        resourceType: 'DiagnosticReport',
        contained: [{ resourceType: 'Observation', code: coded('7918-6', systems['loinc']) }],
      },
      'HIV',
    ],
    [
      'an entry of a document',
      { resourceType: 'Bundle', entry: [{ resource: { resourceType: 'Condition', code: coded('F20') } }] },
      'PSY',
    ],
    ['several', { resourceType: 'Encounter', reasonCode: [coded('F20'), coded('B20')] }, 'HIV PSY'],
    ['a Condition without a system', { resourceType: 'Condition', code: coded('F20.000', null) }, 'PSY'],
    ['a reason without a system', { resourceType: 'Encounter', reasonCode: [coded('B24', null)] }, 'HIV'],
    ['an Observation without a system: any local code', { resourceType: 'Observation', code: coded('F20', null) }, ''],
    ['a Condition with a local code of another shape', { resourceType: 'Condition', code: coded('F2-001', null) }, ''],
    ['a text alone is no certain sign', { resourceType: 'Condition', code: { text: 'HIV 艾滋病' } }, ''],
    ['a code among the narrative', { resourceType: 'Condition', text: { code: 'B20', system: systems['icd-10'] } }, ''],
    [
      'what defines is of nobody',
      { resourceType: 'Questionnaire', item: [{ code: [{ system: systems['loinc'], code: '44249-1' }] }] },
      '',
    ],
    ['a Consent that speaks of it', { resourceType: 'Consent', provision: { code: [coded('B20')] } }, ''],
  ];
  for (const [title, resource, labels] of rows)
    it(`${title} -> ${labels || 'nothing'}`, () => assert.equal(said(resource), labels));
});

describe('meta.security shows the labels of the service', () => {
  const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
  const bit = (code: string): number => labelBit({ system: act, code });
  const bare: AnyResource = { resourceType: 'Condition', id: 'c' };

  it('marked by who classified it (DS4P sec-label-classifier), and never twice', () => {
    const once = withLabels(bare, bit('HIV'));
    assert.equal(markedLabels(once), bit('HIV'));
    assert.equal(labelBits(once), bit('HIV'));
    assert.deepEqual(withLabels(once, bit('HIV')), once);
    assert.match(JSON.stringify(once), /extension-sec-label-classifier/);
  });

  it('equal labels are equal text, in whichever order they were found', () => {
    const one = withLabels(withLabels(bare, bit('PSY')), bit('PSY') | bit('HIV'));
    assert.deepEqual(one, withLabels(bare, bit('PSY') | bit('HIV')));
  });

  it('what the sender states is theirs: it is not said again, and stays when the service takes its own back', () => {
    const stated = { ...bare, meta: { security: [{ system: act, code: 'HIV', display: 'theirs' }] } } as AnyResource;
    assert.deepEqual(withLabels(stated, bit('HIV')), stated);
    const both = withLabels(stated, bit('HIV') | bit('PSY'));
    assert.equal(markedLabels(both), bit('PSY'));
    assert.deepEqual(withoutLabels(both), stated);
  });

  it('a mark on what the service does not say is the sender’s own label', () => {
    const forged = withLabels(withLabels(bare, bit('HIV')), 0);
    assert.equal(markedLabels(forged), 0);
    assert.equal(labelBits(forged), bit('HIV'));
  });

  it('without labels nothing is touched', () => assert.equal(withLabels(bare, 0), bare));
});

describe('references that carry labels', () => {
  const known = 'Observation/o';
  it('a report carries its results, a claim its diagnoses', () => {
    const reference = { reference: known };
    assert.deepEqual(carriedReferences({ resourceType: 'DiagnosticReport', result: [reference, reference] }), [known]);
    assert.deepEqual(
      carriedReferences({
        resourceType: 'Claim',
        diagnosis: [{ diagnosisReference: { reference: 'Condition/c' } }],
      }),
      ['Condition/c'],
    );
  });

  it('not where it was made, nor what is contained or another server’s', () => {
    const report = {
      resourceType: 'DiagnosticReport',
      encounter: { reference: 'Encounter/e' },
      subject: { reference: 'Patient/p' },
      result: [{ reference: '#c' }, { reference: 'https://elsewhere.example/Observation/o' }],
    };
    assert.deepEqual(carriedReferences(report), []);
  });

  it('every path is one of R4', () => {
    const paths = Object.entries(carriedPaths).flatMap(([type, names]) => names.map((name) => `${type}.${name}`));
    for (const path of paths) assert.equal(elementProblem(path), undefined, path);
    assert.ok(paths.length > 100);
  });
});
