import assert from 'node:assert/strict';
import { json, map, resource } from './given.ts';

/** PID from PID-3 on. */
function patient(fields: string, given = {}): string {
  return json(resource(map([`PID|1||${fields}`], given), 'Patient'));
}

describe('PID -> Patient (HL7 v2-to-FHIR, PID[Patient])', () => {
  const cases: [what: string, fields: string, expected: string][] = [
    [
      'PID-3 with a namespace',
      '12^^^HOSPA^MR',
      '"system":"https://health-record-hub.example/fhir/Organization/x/authority/HOSPA","value":"12"',
    ],
    [
      'PID-3 with an OID',
      '12^^^Main&1.2.3.4&ISO^MR',
      '"system":"urn:oid:1.2.3.4","value":"12","assigner":{"display":"Main"}',
    ],
    [
      'PID-3 type',
      '12^^^HOSPA^MR',
      '"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"',
    ],
    ['PID-3 type with a control character', '12^^^^\u0000H\u0007\tX', '"type":{"coding":[{"code":"H X"}]}'],
    [
      'PID-5 legal name',
      '12||Lin^Mei^An^Jr^Dr^^L',
      '"name":[{"use":"official","family":"Lin","given":["Mei","An"],"prefix":["Dr"],"suffix":["Jr"]}]',
    ],
    ['PID-5 hanzi', '12||林^梅', '"name":[{"family":"林","given":["梅"]}]'],
    ['PID-8 F', '12||A|||F', '"gender":"female"'],
    [
      'PID-8 A shares a target',
      '12||A|||A',
      '"gender":"other","_gender":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/alternate-codes"',
    ],
    [
      'PID-8 unknown',
      '12||A|||7',
      '"gender":"unknown","_gender":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/alternate-codes"',
    ],
    [
      'PID-11',
      '12||||||||12 Lake Road^Unit 3^Hangzhou^Zhejiang^310000^CHN^H',
      '"address":[{"use":"home","line":["12 Lake Road","Unit 3"],"city":"Hangzhou","state":"Zhejiang","postalCode":"310000","country":"CHN"}]',
    ],
    [
      'PID-13 cellular',
      '12||||||||||1380^PRN^CP',
      '"telecom":[{"use":"mobile","system":"phone","value":"1380","extension":[{"url":"https://health-record-hub.example/fhir/StructureDefinition/telecom-use-code","valueString":"PRN"}]}]',
    ],
    ['PID-13 bare', '12||||||||||5550100', '"telecom":[{"use":"home","system":"phone","value":"5550100"}]'],
    ['PID-13 mail', '12||||||||||^NET^Internet^a@b.example', '"system":"email","value":"a@b.example"'],
    ['PID-13 in parts', '12||||||||||^PRN^PH^^86^571^5550100', '"system":"phone","value":"+86 571 5550100"'],
    ['PID-14', '12|||||||||||5550101', '"use":"work"'],
    [
      'PID-16',
      '12|||||||||||||M',
      '"maritalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus","code":"M","display":"Married"}]}',
    ],
    [
      'PID-16 translated',
      '12|||||||||||||G',
      '"code":"T","display":"Domestic partner"},{"system":"http://terminology.hl7.org/CodeSystem/v2-0002","code":"G"}',
    ],
    ['PID-16 unmapped', '12|||||||||||||Q', '"maritalStatus":{"coding":[{"code":"Q"}]}'],
    ['PID-24', '12|||||||||||||||||||||Y', '"multipleBirthBoolean":true'],
    ['PID-30', '12|||||||||||||||||||||||||||Y', '"deceasedBoolean":true'],
  ];
  for (const [what, fields, expected] of cases) {
    it(`${what} -> ${expected.slice(0, 60)}`, () => {
      const text = patient(fields);
      assert.ok(text.includes(expected), text);
    });
  }

  it('PID-25 wins over PID-24, whose value stays', () => {
    const text = patient('12|||||||||||||||||||||Y|2');
    assert.ok(text.includes('"multipleBirthInteger":2'), text);
    assert.ok(!text.includes('multipleBirthBoolean'), text);
    assert.match(text, /multiple-birth-indicator","valueBoolean":true/);
  });
});

describe('the national resident identity number', () => {
  const number = '11010519491231002X';
  const identifier = `"system":"urn:oid:2.16.156.10011.1.3","value":"${number}"`;
  const found: [string, string][] = [
    ['a repetition of PID-3', `12^^^HOSPA^MR~${number}^^^&2.16.156.10011.1.3&ISO^NI`],
    ['PID-3 without type', number],
    ['PID-19', `12|||||||||||||||| ${number}`.replace(' ', '')],
    ['the former form, when its type says so', '110105491231002^^^^NI'],
    ['a small x', '11010519491231002x^^^^NI'],
  ];
  for (const [where, fields] of found) {
    it(`is recognised as ${where}`, () => assert.ok(patient(fields).includes(identifier), patient(fields)));
  }
  const refused: [string, string][] = [
    ['a wrong check character', '110105194912310021^^^HOSPA^MR'],
    ['15 digits that may be anything', '110105491231002^^^HOSPA^MR'],
  ];
  for (const [why, fields] of refused) {
    it(`is not made of ${why}`, () => assert.ok(!patient(fields).includes('2.16.156.10011.1.3')));
  }
});

describe('"" removes (HL7 v2.5.1 section 2.5.3)', () => {
  it('given PID-13 is "", then telecom is removed', () => {
    const [draft] = map(['PID|1||P1^^^HOSPA^MR||||||||||""']).drafts;
    assert.deepEqual(draft?.removed, ['telecom']);
    assert.equal(draft?.mode, 'merge');
  });
  it('given PID-13 is "" and PID-14 has a number, then telecom is what PID-14 says', () => {
    const [draft] = map(['PID|1||P1^^^HOSPA^MR||||||||||""|5550101']).drafts;
    assert.deepEqual(draft?.removed, []);
    assert.equal((draft?.resource['telecom'] as unknown[] | undefined)?.length, 1);
  });
  it('an empty field says nothing', () => {
    const [draft] = map(['PID|1||P1^^^HOSPA^MR||||||||||']).drafts;
    assert.deepEqual(draft?.removed, []);
  });
});
