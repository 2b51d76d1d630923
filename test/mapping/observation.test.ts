import assert from 'node:assert/strict';
import { drafts, json, map, observation } from './given.ts';

const code = 'X1^Analyte^L';

describe('OBX-5 -> Observation.value[x], by OBX-2 (HL7 v2-to-FHIR, OBX[Observation])', () => {
  const cases: [type: string, value: string, unit: string, expected: string][] = [
    [
      'NM',
      '5.60',
      'mmol/L',
      '"valueQuantity":{"value":5.60,"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"}',
    ],
    ['NM', '+.50', '', '"valueQuantity":{"value":0.50}'],
    ['NM', '007', '', '"valueQuantity":{"value":7}'],
    ['NM', '>1000', '', '"valueQuantity":{"value":1000,"comparator":">"}'],
    ['NM', 'pending', '', '"valueString":"pending"'],
    ['NM', '9'.repeat(101), '', `"valueString":"${'9'.repeat(101)}"`],
    ['CE', '\u0000A\u001bB ^x^L', '', '"code":"AB"'],
    ['NM', '5', 'widgets', '"valueQuantity":{"value":5,"unit":"widgets"}'],
    ['NM', '5', 'µmol/L', '"unit":"µmol/L","system":"http://unitsofmeasure.org","code":"umol/L"'],
    ['NM', '5', 'a^year^UCUM', '"unit":"year","system":"http://unitsofmeasure.org","code":"a"'],
    ['SN', '<^20', 'U/L', '"valueQuantity":{"value":20,"comparator":"<","unit":"U/L"'],
    ['SN', '^2^-^10', '', '"valueRange":{"low":{"value":2},"high":{"value":10}}'],
    ['SN', '^1^:^128', '', '"valueRatio":{"numerator":{"value":1},"denominator":{"value":128}}'],
    ['SN', '^2^+', '', '"valueString":"^2^+"'],
    ['SN', '<>^5', '', '"valueString":"<>^5"'],
    ['ST', 'Yellow', '', '"valueString":"Yellow"'],
    ['TX', 'line 1~line 2', '', '"valueString":"line 1\\nline 2"'],
    ['FT', 'a & b', '', '"valueString":"a '],
    [
      'CE',
      '10828004^Positive^SCT',
      '',
      '"valueCodeableConcept":{"coding":[{"system":"http://snomed.info/sct","code":"10828004","display":"Positive"}]}',
    ],
    [
      'CWE',
      'N1^Local^99LAB',
      '',
      '"coding":[{"system":"https://health-record-hub.example/fhir/Organization/x/coding-system/99LAB","code":"N1","display":"Local"}]',
    ],
    ['CWE', '^Only words', '', '"valueCodeableConcept":{"text":"Only words"}'],
    ['CNE', '1^One^2.16.840.1.113883.6.1', '', '"system":"http://loinc.org"'],
    ['CF', 'A^B^L', '', '"valueCodeableConcept":{"coding":'],
    ['IS', 'Y', '', '"valueCodeableConcept":{"coding":[{"code":"Y"}]}'],
    ['ID', 'Y', '', '"valueCodeableConcept":{"coding":[{"code":"Y"}]}'],
    ['DT', '20240506', '', '"valueDateTime":"2024-05-06"'],
    ['DTM', '202405061030', '', '"valueDateTime":"2024-05-06T10:30:00+08:00"'],
    ['TS', '20240506103015.1250-0500', '', '"valueDateTime":"2024-05-06T10:30:15.1250-05:00"'],
    ['TM', '1030', '', '"valueTime":"10:30:00"'],
    ['TM', '2530', '', '"valueString":"2530"'],
    ['DR', '20240506^20240507', '', '"valuePeriod":{"start":"2024-05-06","end":"2024-05-07"}'],
    ['NR', '1.0^2.0', 'g/L', '"valueRange":{"low":{"value":1.0,"unit":"g/L"'],
    ['CQ', '3^mL', '', '"valueQuantity":{"value":3,"unit":"mL","system":"http://unitsofmeasure.org","code":"mL"}'],
    [
      'MO',
      '12.50^CNY',
      '',
      '"valueQuantity":{"value":12.50,"unit":"CNY","system":"urn:iso:std:iso:4217","code":"CNY"}',
    ],
    ['SI', '3', '', '"valueInteger":3'],
    ['NA', '1^2^3', '', '"dimensions":3,"data":"1 2 3"'],
    [
      'ED',
      'LIS^application^pdf^Base64^SGVsbG8=',
      '',
      '"valueAttachment":{"contentType":"application/pdf","data":"SGVsbG8=",',
    ],
    ['ED', 'LIS^text^plain^Hex^4869', '', '"data":"SGk="'],
    ['ED', 'LIS^application^pdf^Base64^not base64', '', '"valueString":"LIS^application^pdf^Base64^not base64"'],
    [
      'RP',
      'https://pacs.example/1^^image^jpeg',
      '',
      '"valueAttachment":{"contentType":"image/jpeg","url":"https://pacs.example/1"}',
    ],
    ['XPN', 'Lin^Mei', '', '"valueString":"Lin^Mei"'],
    ['CX', '12^^^HOSPA', '', '"valueString":"12^^^HOSPA"'],
    ['', 'no type', '', '"valueString":"no type"'],
    ['MA', '1^2', '', '"valueString":"1^2"'],
  ];
  for (const [type, value, unit, expected] of cases) {
    it(`given ${type || 'no OBX-2'} ${value} ${unit}, then ${expected}`, () => {
      const text = json(observation(`${type}|${code}||${value}|${unit}|||||F`));
      assert.ok(text.includes(expected), text);
    });
  }

  it('given several coded values, then a component for each (OBX[Observation-Component])', () => {
    const { component, valueCodeableConcept } = observation(`CE|${code}||A^a^L~B^b^L||||||F`);
    assert.equal(valueCodeableConcept, undefined);
    assert.equal((component as unknown[]).length, 2);
  });

  it('given no value, then none is made up', () => {
    assert.deepEqual(
      Object.keys(observation(`NM|${code}||||||||F`)).filter((name) => name.startsWith('value')),
      [],
    );
  });
});

describe('OBX-11 -> Observation.status (HL70085)', () => {
  const cases: [sent: string, status: string, precedence: number][] = [
    ['F', 'final', 4],
    ['P', 'preliminary', 3],
    ['C', 'corrected', 5],
    ['A', 'amended', 5],
    ['W', 'entered-in-error', 6],
    ['D', 'entered-in-error', 6],
    ['X', 'cancelled', 4],
    ['I', 'registered', 1],
    ['', 'unknown', 1],
    ['?', 'unknown', 1],
  ];
  for (const [sent, status, precedence] of cases) {
    it(`given ${sent || 'nothing'}, then ${status} of precedence ${precedence}`, () => {
      const mapped = map(['OBR|1||F1', `OBX|1|NM|${code}||5|||||||${sent}`.replace('|||||||', '||||||')], {
        type: 'ORU^R01',
      });
      const [draft] = drafts(mapped, 'Observation');
      assert.equal(draft?.resource['status'], status);
      assert.equal(draft?.precedence, precedence);
    });
  }

  it('given an unknown status code, then it stands beside and is counted', () => {
    const mapped = map(['OBR|1||F1', `OBX|1|NM|${code}||5||||||?`], { type: 'ORU^R01' });
    assert.ok(json(drafts(mapped, 'Observation')[0]?.resource['_status']).includes('"code":"?"'));
    assert.ok(
      mapped.unmapped.some((item) => item.kind === 'code' && item.position === 'OBX-11 HL70085' && item.code === '?'),
    );
  });

  it('given U without a value, then the stored value is not replaced', () => {
    const [draft] = drafts(map(['OBR|1||F1', `OBX|1||${code}||||||||U`], { type: 'ORU^R01' }), 'Observation');
    assert.equal(draft?.mode, 'merge');
  });
});

describe('the rest of OBX', () => {
  it('OBX-8 is kept by code, and an unknown one stays and is counted', () => {
    const mapped = map(['OBR|1||F1', `OBX|1|NM|${code}||5|||H~odd|||F`], { type: 'ORU^R01' });
    const text = json(drafts(mapped, 'Observation')[0]?.resource['interpretation']);
    assert.ok(text.includes('v3-ObservationInterpretation","code":"H"'), text);
    assert.ok(text.includes('"code":"odd"'), text);
    assert.deepEqual(
      mapped.unmapped.filter((item) => item.kind === 'code').map((item) => item.code),
      ['odd'],
    );
  });

  it('OBX-14 is the time of the result; without it OBR-7 is (HL7 v2.5.1 section 7.4.2.14)', () => {
    const order = 'OBR|1||F1|1^P^L|||20240506080000+0800';
    assert.equal(observation(`NM|${code}||5||||||F`, order)['effectiveDateTime'], '2024-05-06T08:00:00+08:00');
    const own = observation(`NM|${code}||5||||||F|||20240506090000+0800`, order);
    assert.equal(own['effectiveDateTime'], '2024-05-06T09:00:00+08:00');
  });

  const ucum = '"unit":"mmol/L","system":"http://unitsofmeasure.org","code":"mmol/L"';
  const ranges: [type: string, sent: string, expected: string][] = [
    ['NM', '3.50-5.1', `[{"low":{"value":3.50,${ucum}},"high":{"value":5.1,${ucum}},"text":"3.50-5.1"}]`],
    ['NM', '-2 - 2', `[{"low":{"value":-2,${ucum}},"high":{"value":2,${ucum}},"text":"-2 - 2"}]`],
    ['NM', '>=40', `[{"low":{"value":40,${ucum}},"text":">=40"}]`],
    ['SN', '<=5', `[{"high":{"value":5,${ucum}},"text":"<=5"}]`],
    // R4's high is part of the range.
    ['NM', '<5', '[{"text":"<5"}]'],
    ['NM', '5-3', '[{"text":"5-3"}]'],
    ['NM', 'M: 3-5; F: 2-4', '[{"text":"M: 3-5; F: 2-4"}]'],
    ['ST', '3-5', '[{"text":"3-5"}]'],
  ];
  for (const [type, sent, expected] of ranges) {
    it(`OBX-7 ${sent || 'not sent'} of a ${type} -> ${expected}`, () => {
      const { referenceRange } = observation(`${type}|${code}||5|mmol/L|${sent}||||F`);
      assert.equal(json(referenceRange), expected);
    });
  }

  it('OBX-7 not sent: no range', () => {
    assert.equal(observation(`NM|${code}||5|mmol/L|||||F`)['referenceRange'], undefined);
  });

  it('a note belongs to the segment before it', () => {
    const segments = ['OBR|1||F1', 'NTE|1||of the order', `OBX|1|NM|${code}||5||||||F`, 'NTE|1||of the result'];
    const mapped = map(segments, { type: 'ORU^R01' });
    assert.deepEqual(drafts(mapped, 'Observation')[0]?.resource['note'], [{ text: 'of the result' }]);
    assert.deepEqual(drafts(mapped, 'ServiceRequest')[0]?.resource['note'], [{ text: 'of the order' }]);
  });
});
