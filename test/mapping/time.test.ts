import assert from 'node:assert/strict';
import { offsetIn, parseDtm, parseTm } from '../../src/mapping/values/time.ts';
import { json, map, resource } from './given.ts';

describe('DTM (HL7 v2.5.1 section 2.A.22) as FHIR dateTime', () => {
  const death = (text: string, zone: string | null, header?: string): unknown => {
    const mapped = map([`PID|1||P1^^^HOSPA^MR${'|'.repeat(26)}${text}`], { zone, header });
    const { deceasedDateTime, _deceasedDateTime } = resource(mapped, 'Patient');
    return _deceasedDateTime === undefined ? deceasedDateTime : [deceasedDateTime, json(_deceasedDateTime)];
  };
  const original = (text: string): string =>
    `{"extension":[{"url":"https://health-record-hub.example/fhir/StructureDefinition/hl7v2-original","valueString":"${text}"}]}`;

  const cases: [sent: string, zone: string | null, expected: unknown][] = [
    ['2024', '+08:00', '2024'],
    ['202405', '+08:00', '2024-05'],
    ['20240506', '+08:00', '2024-05-06'],
    ['202405061030', '+08:00', '2024-05-06T10:30:00+08:00'],
    ['20240506103015', 'Asia/Shanghai', '2024-05-06T10:30:15+08:00'],
    ['20240506103015.1230', 'UTC', '2024-05-06T10:30:15.1230+00:00'],
    ['20240506103015-0430', '+08:00', '2024-05-06T10:30:15-04:30'],
    ['20240106103015', 'Europe/Berlin', '2024-01-06T10:30:15+01:00'],
    ['20240706103015', 'Europe/Berlin', '2024-07-06T10:30:15+02:00'],
    // No zone known: the date is certain, the time is kept as sent.
    ['20240506103015', null, ['2024-05-06', original('20240506103015')]],
    // FHIR has no hour without minutes.
    ['2024050610', '+08:00', ['2024-05-06T10:00:00+08:00', original('2024050610')]],
    // Not dates: nothing is made of them.
    ['20241301', '+08:00', undefined],
    ['20240230', '+08:00', undefined],
    ['20240506256000', '+08:00', undefined],
    ['unknown', '+08:00', undefined],
    ['20240506103015+2500', '+08:00', undefined],
  ];
  for (const [sent, zone, expected] of cases) {
    it(`given ${sent} in ${zone ?? 'no known zone'}, then ${json(expected) ?? 'nothing, and the text is kept'}`, () => {
      assert.deepEqual(death(sent, zone), expected);
    });
  }

  it('the offset of MSH-7 is the default of the message (section 2.15.9.7)', () => {
    const header = 'MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506103015-0700||ADT^A01|M1|P|2.5.1';
    assert.equal(death('20240506103015', '+08:00', header), '2024-05-06T10:30:15-07:00');
  });

  it('a text that is no date stays as an extension and is counted', () => {
    const mapped = map(['PID|1||P1^^^HOSPA^MR||||||||||||||||||||||||||unknown']);
    assert.ok(json(resource(mapped, 'Patient')).includes('{"url":"PID-29","valueString":"unknown"}'));
    assert.ok(mapped.unmapped.some((item) => item.position === 'PID-29'));
  });
});

describe('a zone at the changes of its clock', () => {
  const cases: [date: string, time: string, offset: string, why: string][] = [
    ['2024-03-31', '01:59:59', '+01:00', 'before the clock goes forward'],
    ['2024-03-31', '03:00:00', '+02:00', 'after it went forward'],
    ['2024-03-31', '02:30:00', '+01:00', 'a wall time that does not exist'],
    ['2024-10-27', '02:30:00', '+02:00', 'a wall time that occurs twice: the earlier'],
    ['2024-10-27', '03:00:00', '+01:00', 'after it went back'],
  ];
  for (const [date, time, offset, why] of cases) {
    it(`Europe/Berlin ${date} ${time} is ${offset}: ${why}`, () => {
      assert.equal(offsetIn('Europe/Berlin', date, time), offset);
    });
  }
});

describe('PID-7 -> Patient.birthDate', () => {
  const birth = (text: string, zone: string | null): string => {
    const { birthDate, _birthDate } = resource(map([`PID|1||P1^^^HOSPA^MR||A^B||${text}`], { zone }), 'Patient');
    return json([birthDate, _birthDate ?? null]);
  };
  const cases: [sent: string, zone: string | null, expected: RegExp][] = [
    ['19800101', '-11:00', /^\["1980-01-01",null\]$/],
    [
      '198001010030+1400',
      '-11:00',
      /^\["1980-01-01",.*patient-birthTime","valueDateTime":"1980-01-01T00:30:00\+14:00"/,
    ],
    ['19800101003000', null, /^\["1980-01-01",.*hl7v2-original","valueString":"19800101003000"/],
    ['198001', '+08:00', /^\["1980-01",null\]$/],
  ];
  for (const [sent, zone, expected] of cases) {
    it(`given ${sent} in ${zone ?? 'no known zone'}, then the date never shifts`, () =>
      assert.match(birth(sent, zone), expected));
  }
});

describe('MSH-7 -> Provenance.recorded, an instant', () => {
  const recorded = (msh7: string, zone: string | null): string => {
    const header = `MSH|^~\\&|APP|HOSPA|HUB|HUB|${msh7}||ADT^A01|M1|P|2.5.1`;
    const { recorded: value, _recorded } = resource(map([], { header, zone }), 'Provenance');
    return json([value ?? null, _recorded ?? null]);
  };
  const cases: [sent: string, zone: string | null, expected: RegExp][] = [
    ['20240506103015+0800', null, /^\["2024-05-06T10:30:15\+08:00",null\]$/],
    ['20240506103015', '+08:00', /^\["2024-05-06T10:30:15\+08:00",null\]$/],
    ['20240506103015', null, /^\["2024-05-06T10:30:15Z",.*"20240506103015"/],
    ['20240506', '+08:00', /^\["2024-05-06T00:00:00\+08:00",.*"20240506"/],
    ['', '+08:00', /^\[null,.*data-absent-reason/],
  ];
  for (const [sent, zone, expected] of cases) {
    it(`given ${sent || 'no MSH-7'} in ${zone ?? 'no known zone'}`, () => assert.match(recorded(sent, zone), expected));
  }
});

describe('the parser of times', () => {
  it('leaves the digits as they are', () => {
    assert.deepEqual(parseDtm('20240506103015.120+0800'), {
      date: '2024-05-06',
      time: '10:30:15.120',
      offset: '+08:00',
      isHourOnly: false,
    });
  });
  const times: [string, string | undefined][] = [
    ['10', '10:00:00'],
    ['1030', '10:30:00'],
    ['103015.5', '10:30:15.5'],
    ['1060', undefined],
    ['', undefined],
    ['103015.', undefined],
  ];
  for (const [sent, expected] of times)
    it(`TM ${sent || 'empty'} is ${expected}`, () => assert.equal(parseTm(sent), expected));
});
