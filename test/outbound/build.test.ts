/** FHIR -> HL7v2, read back by two parsers that did not write it. */
import assert from 'node:assert/strict';
import { Hl7Message } from '@medplum/core';
import { encodeMessage } from '../../adapters/hl7v2/encode.ts';
import { readMessage } from '../../adapters/hl7v2/read.ts';
import { buildMessage, messageTypes, parseMessageType, type Outgoing } from '../../src/outbound/build/message.ts';
import { readSource } from '../../src/outbound/build/source.ts';
import { escape, writeMessage } from '../../src/outbound/build/write.ts';
import { versionOf } from '../../src/outbound/versions.ts';
import { buildVersions } from '../../src/outbound/versions/build.ts';
import { appointmentBundle, hardText, outgoing } from './given.ts';

async function write(
  type: string,
  bundle: object,
  changes: Partial<Outgoing> = {},
): Promise<{ text: string; omitted: readonly string[] }> {
  const parsed = parseMessageType(type);
  const header = { ...outgoing, trigger: parsed.trigger, ...changes };
  const segments = buildMessage(parsed, readSource(JSON.stringify(bundle)), header);
  return writeMessage(segments, versionOf(header.version), parsed.structure);
}

/** `AIS-3.2`, `PID-3~2.4.2`, the second NTE as `NTE(2)-3`. */
function positionOf(text: string) {
  const [, name = '', nth = '1', field = '', repetition = '1', component = '1', sub = '1'] =
    /^([A-Z0-9]{3})(?:\((\d)\))?-(\d+)(?:~(\d))?(?:\.(\d+))?(?:\.(\d))?$/.exec(text) ?? [];
  const [n, f, r, c, s] = [nth, field, repetition, component, sub].map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { name, nth: n, field: f, repetition: r, component: c, sub: s };
}

/** The hub's own parser, which undoes escapes. */
function ownReader(bytes: Uint8Array): (position: string) => string {
  const { message } = readMessage(bytes);
  return (position) => {
    const { name, nth, field, repetition, component, sub } = positionOf(position);
    const segment = message.segments.filter((one) => one.name === name)[nth - 1];
    return segment?.field(field)[repetition - 1]?.get(component, sub) ?? '';
  };
}

/** @medplum/core's, which leaves escapes to its caller: undone here by the table of HL7 v2.5.1 section 2.7. */
function medplumReader(text: string): (position: string) => string {
  const message = Hl7Message.parse(text);
  const marks: Record<string, string> = { F: '|', S: '^', T: '&', R: '~', E: '\\', '.br': '\n' };
  const undo = (raw: string): string =>
    raw.replace(/\\([^\\]+)\\/g, (_, name: string) =>
      name.startsWith('X') ? Buffer.from(name.slice(1), 'hex').toString('latin1') : (marks[name] ?? `?${name}?`),
    );
  return (position) => {
    const { name, nth, field, repetition, component, sub } = positionOf(position);
    const segment = message.getAllSegments(name)[nth - 1];
    const count = segment?.getField(field)?.components.length ?? 0;
    if (repetition > count) return '';
    return undo(segment?.getComponent(field, component, sub - 1, repetition - 1) ?? '');
  };
}

const common: Record<string, string> = {
  'MSH-3': 'HUB',
  'MSH-4': 'REGION',
  'MSH-5': 'HIS',
  'MSH-6': '仁济',
  'MSH-7': '20260301020304+0000',
  'MSH-10': 'c-1',
  'MSH-11': 'P',
  'MSH-12': '2.5.1',
  'NTE-3': hardText,
  'NTE-4': 'RE',
  'NTE(2)-1': '2',
  'NTE(2)-3': '空腹',
  'NTE(2)-4': 'PI',
  'PID-3': '00012',
  'PID-3.4': 'RENJI',
  'PID-3.4.2': '1.2.3',
  'PID-3.4.3': 'ISO',
  'PID-3.5': 'MR',
  'PID-3~2': '11010519491231002X',
  'PID-3~2.4.2': '2.16.156.10011.1.3',
  'PID-5': '张伟',
  'PID-5.7': 'L',
  'PID-5~2.1': 'Zhang',
  'PID-5~2.2': 'Wei',
  'PID-5~2.3': 'A',
  'PID-7': '19491231',
  'PID-8': 'M',
  'PID-11': '北京路 1 号',
  'PID-11.2': '2 单元',
  'PID-11.3': '上海',
  'PID-11.5': '200000',
  'PID-11.6': 'CHN',
  'PID-11.7': 'H',
  'PID-13': '+86 138 0000 0000',
  'PID-13.2': 'PRS',
  'PID-13.3': 'CP',
  'PID-14.2': 'NET',
  'PID-14.4': 'wei@example.org',
  'RGS-1': '1',
  'RGS-2': 'A',
  'AIS-1': '1',
  'AIS-2': 'A',
  'AIS-3': 'MR1',
  'AIS-3.2': '核磁共振',
  'AIS-3.3': 'https://his.example/services',
  'AIS-4': '20260305090000+0800',
  'AIS-7': '30',
  'AIS-8': 'min',
  'AIG-3': 'MR-1',
  'AIG-3.2': 'Tesla~3',
  'AIG-4.2': 'Device',
  'AIL-3': '放射科',
  'AIL-3.2': 'MR 1',
  'AIL-6': '20260305090000+0800',
  'AIL-9': '30',
  'AIP-3': 'D7',
  'AIP-3.2': '李',
  'AIP-3.3': '医生',
  'AIP-3.9': 'STAFF',
  'AIP-3.9.2': '1.2.9',
  'AIP-4': 'PPRF',
};

const siu: Record<string, string> = {
  ...common,
  'MSH-9': 'SIU',
  'MSH-9.2': 'S12',
  'MSH-9.3': 'SIU_S12',
  'SCH-1': 'P-17',
  'SCH-1.2': 'PORTAL',
  'SCH-1.3': '1.2.3.4',
  'SCH-1.4': 'ISO',
  'SCH-2': 'F&17',
  'SCH-2.3': 'https://his.example/appointments',
  'SCH-2.4': 'URI',
  'SCH-6.2': 'New appointment booking',
  'SCH-7': 'FOLLOWUP',
  'SCH-7.2': '复诊',
  'SCH-7.3': 'HL70276',
  'SCH-7.5': 'knee ^ left',
  'SCH-8': 'Normal',
  'SCH-8.3': 'HL70277',
  'SCH-9': '30',
  'SCH-10': 'min',
  'SCH-11.3': 'M30',
  'SCH-11.4': '20260305090000+0800',
  'SCH-11.5': '20260305093000+0800',
  'SCH-16.2': "O'Hara & Co",
  'SCH-16.3': 'Ann',
  'SCH-20.2': 'HUB',
  'SCH-25': 'Booked',
  'SCH-26': 'O-1',
  'SCH-27': 'O-2',
  'TQ1-6': '30',
  'TQ1-6.2': 'min',
  'TQ1-7': '20260305090000+0800',
  'TQ1-8': '20260305093000+0800',
  'AIS-10': 'Booked',
  'AIG-14': 'Pending',
  'AIP-12': 'Booked',
};

const srm: Record<string, string> = {
  ...common,
  'MSH-9': 'SRM',
  'MSH-9.2': 'S01',
  'MSH-9.3': 'SRM_S01',
  'ARQ-1': 'P-17',
  'ARQ-2': 'F&17',
  'ARQ-6.2': 'Request new appointment booking',
  'ARQ-7': 'FOLLOWUP',
  'ARQ-7.5': 'knee ^ left',
  'ARQ-8': 'Normal',
  'ARQ-9': '30',
  'ARQ-10': 'min',
  'ARQ-11.1': '20260305090000+0800',
  'ARQ-11.2': '20260305093000+0800',
  'ARQ-15.2': 'HUB',
  'ARQ-19.2': 'HUB',
  'ARQ-24': 'O-1',
  'ARQ-25': 'O-2',
  'AIS-10': '',
  'AIP-12': '',
};

describe('Appointment -> SIU and SRM, read back field by field', () => {
  for (const [type, facts] of [
    ['SIU^S12', siu],
    ['SRM^S01', srm],
  ] as const) {
    for (const charset of ['UNICODE UTF-8', 'GB 18030-2000']) {
      it(`${type} in ${charset}: every fact, for the hub's parser and for @medplum/core's`, async () => {
        const { text, omitted } = await write(type, appointmentBundle, { charset });
        const bytes = encodeMessage(text, charset);
        const decoded = readMessage(bytes);
        assert.deepEqual([decoded.origin, decoded.charset.name, decoded.text], ['MSH-18', charset, text]);
        const [own, medplum] = [ownReader(bytes), medplumReader(decoded.text)];
        for (const [position, fact] of Object.entries({ ...facts, 'MSH-18': charset })) {
          assert.equal(own(position), fact, position);
          assert.equal(medplum(position), fact, `${position}, @medplum/core`);
        }
        assert.deepEqual(omitted, []);
      });
    }
  }

  it('names the segments in the order of the standard', async () => {
    const { text } = await write('SIU^S12', appointmentBundle);
    const names = text.split('\r').map((line) => line.slice(0, 3));
    assert.deepEqual(names, ['MSH', 'SCH', 'TQ1', 'NTE', 'NTE', 'PID', 'RGS', 'AIS', 'AIG', 'AIL', 'AIP', '']);
  });

  for (const version of ['2.3', '2.3.1', '2.4', '2.5', '2.6', '2.7', '2.8']) {
    it(`version ${version} has all that it requires`, async () => {
      for (const type of ['SIU^S12', 'SRM^S01']) {
        const { text } = await write(type, appointmentBundle, { version });
        assert.match(text, /张伟/);
      }
    });
  }

  it('leaves out what version 2.3 has no place for, and says so', async () => {
    const { text, omitted } = await write('SIU^S12', appointmentBundle, { version: '2.3' });
    assert.ok(!text.includes('TQ1|'));
    assert.ok(omitted.includes('TQ1') && omitted.includes('SCH-26'), omitted.join());
  });

  for (const [trigger, action] of [
    ['S13', 'U'],
    ['S14', 'U'],
    ['S15', 'D'],
    ['S17', 'D'],
    ['S26', 'U'],
  ]) {
    it(`SIU^${trigger} marks its resources with ${action}`, async () => {
      const read = ownReader(encodeMessage((await write(`SIU^${trigger}`, appointmentBundle)).text, 'UTF-8'));
      assert.deepEqual([read('MSH-9.2'), read('RGS-2'), read('AIS-2')], [trigger, action, action]);
    });
  }

  it('refuses what the charset cannot say, instead of question marks', async () => {
    const { text } = await write('SIU^S12', appointmentBundle);
    assert.throws(() => encodeMessage(text, '8859/1'), { code: 'value', expression: ['MSH-18'] });
  });

  it('refuses a Bundle without the resource the message is about', async () => {
    const [, ...others] = appointmentBundle.entry ?? [];
    await assert.rejects(write('SIU^S12', { ...appointmentBundle, entry: others }), { code: 'required' });
    assert.throws(() => parseMessageType('ADT^A01'), { code: 'not-supported' });
    assert.ok(messageTypes.includes('SIU^S26') && messageTypes.includes('SRM^S01'));
  });
});

describe('the tables of versions', () => {
  it('are those of the dictionary', () => {
    for (const [name, version] of Object.entries(buildVersions())) assert.deepEqual(versionOf(name), version);
  });

  it('a version that is none is refused', () => {
    assert.throws(() => versionOf('2.9'), { code: 'not-supported', expression: ['MSH-12'] });
  });
});

describe('escape', () => {
  const rows: [string, string, boolean?][] = [
    ['|^&~\\', '\\F\\\\S\\\\T\\\\R\\\\E\\'],
    ['a\r\nb', 'a\\X0D\\\\X0A\\b'],
    ['a\nb', 'a\\.br\\b', true],
    ['\\F\\', '\\E\\F\\E\\'],
    ['张伟 ü', '张伟 ü'],
    ['\u001c\u000b', '\\X1C\\\\X0B\\'],
  ];
  for (const [text, written, isFormatted] of rows) {
    it(JSON.stringify(text), () => assert.equal(escape(text, isFormatted), written));
  }
});

const patient = {
  resource: { resourceType: 'Patient', id: 'p', identifier: [{ value: '7' }], name: [{ text: '王芳' }] },
};
const subject = { reference: 'Patient/p' };

describe('ServiceRequest -> ORM^O01', () => {
  it('gives an ORC and an OBR for each request', async () => {
    const request = (id: string, status: string) => ({
      resource: {
        resourceType: 'ServiceRequest',
        id,
        identifier: [{ value: id, assigner: { display: 'HUB' } }],
        status,
        intent: 'order',
        priority: 'stat',
        code: { coding: [{ system: 'http://loinc.org', code: '718-7', display: '血红蛋白' }] },
        authoredOn: '2026-03-01',
        subject,
        note: [{ text: 'fasting' }],
      },
    });
    const bundle = {
      resourceType: 'Bundle',
      type: 'collection',
      entry: [patient, request('A1', 'active'), request('A2', 'revoked')],
    };
    const read = ownReader(encodeMessage((await write('ORM^O01', bundle)).text, 'UTF-8'));
    const facts: Record<string, string> = {
      'PID-5': '王芳',
      'ORC-1': 'NW',
      'ORC-2': 'A1',
      'ORC-2.2': 'HUB',
      'ORC-9': '20260301',
      'ORC(2)-1': 'CA',
      'ORC(2)-2': 'A2',
      'OBR-4': '718-7',
      'OBR-4.2': '血红蛋白',
      'OBR-4.3': 'LN',
      'OBR-27.6': 'S',
      'OBR(2)-1': '2',
      'NTE-3': 'fasting',
    };
    for (const [position, fact] of Object.entries(facts)) assert.equal(read(position), fact, position);
  });

  it('refuses an order without its patient', async () => {
    const request = { resourceType: 'ServiceRequest', status: 'active', intent: 'order', subject };
    await assert.rejects(write('ORM^O01', request), { code: 'required', expression: ['ServiceRequest.subject'] });
  });
});

describe('DiagnosticReport -> ORU^R01', () => {
  const code = (text: string) => ({ coding: [{ system: 'http://loinc.org', code: text }] });
  const observation = (id: string, value: object) => ({
    resource: {
      resourceType: 'Observation',
      id,
      status: 'final',
      code: code(id),
      subject,
      effectiveDateTime: '2026-03-01T08:00:00+08:00',
      ...value,
    },
  });
  const report = (results: { resource: { id: string } }[], more: object = {}) => ({
    resource: {
      resourceType: 'DiagnosticReport',
      identifier: [{ value: 'R1' }],
      status: 'final',
      code: code('58410-2'),
      subject,
      result: results.map(({ resource: { id } }) => ({ reference: `Observation/${id}` })),
      ...more,
    },
  });
  const oru = async (values: object[], more: object = {}) => {
    const results = values.map((value, index) => observation(`o${index}`, value));
    // As a body over HTTP: numbers keep their digits.
    const bundle = { resourceType: 'Bundle', type: 'collection', entry: [patient, report(results, more), ...results] };
    return ownReader(encodeMessage((await write('ORU^R01', bundle)).text, 'UTF-8'));
  };

  const rows: [string, object, Record<string, string>][] = [
    [
      'Quantity',
      { valueQuantity: { value: 5.6, unit: '10*9/L', code: '10*9/L', system: 'http://unitsofmeasure.org' } },
      { 'OBX-2': 'NM', 'OBX-5': '5.6', 'OBX-6': '10*9/L', 'OBX-6.3': 'UCUM' },
    ],
    [
      'Quantity with comparator',
      { valueQuantity: { comparator: '<', value: 3, unit: 'g' } },
      { 'OBX-2': 'SN', 'OBX-5': '<', 'OBX-5.2': '3', 'OBX-6': 'g' },
    ],
    ['string', { valueString: '阴性|' }, { 'OBX-2': 'ST', 'OBX-5': '阴性|' }],
    ['text of lines', { valueString: 'a\nb' }, { 'OBX-2': 'FT', 'OBX-5': 'a\nb' }],
    [
      'CodeableConcept',
      { valueCodeableConcept: { coding: [{ system: 'http://snomed.info/sct', code: '260373001' }], text: 'found' } },
      { 'OBX-2': 'CWE', 'OBX-5': '260373001', 'OBX-5.3': 'SCT', 'OBX-5.9': 'found' },
    ],
    [
      'Range',
      { valueRange: { low: { value: 1 }, high: { value: 2, unit: 'mg' } } },
      { 'OBX-2': 'SN', 'OBX-5.2': '1', 'OBX-5.3': '-', 'OBX-5.4': '2', 'OBX-6': 'mg' },
    ],
    [
      'reference range and flag',
      {
        valueInteger: 3,
        referenceRange: [{ low: { value: 1 }, high: { value: 2 } }],
        interpretation: [{ coding: [{ code: 'H' }] }],
      },
      { 'OBX-5': '3', 'OBX-7': '1-2', 'OBX-8': 'H', 'OBX-11': 'F', 'OBX-14': '20260301080000+0800' },
    ],
    [
      'components',
      {
        component: [
          { code: code('8480-6'), valueInteger: 120 },
          { code: code('8462-4'), valueInteger: 80 },
        ],
      },
      { 'OBX-3': '8480-6', 'OBX-4': '1', 'OBX-5': '120', 'OBX(2)-3': '8462-4', 'OBX(2)-4': '2', 'OBX(2)-5': '80' },
    ],
  ];
  for (const [title, value, facts] of rows) {
    it(title, async () => {
      const read = await oru([value]);
      for (const [position, fact] of Object.entries(facts)) assert.equal(read(position), fact, position);
    });
  }

  it('keeps the digits of a decimal', async () => {
    const text = JSON.stringify({
      resourceType: 'Bundle',
      type: 'collection',
      entry: [patient, report([observation('o0', {})]), observation('o0', { valueQuantity: { value: 7 } })],
    });
    const parsed = parseMessageType('ORU^R01');
    const segments = buildMessage(parsed, readSource(text.replace('"value":7}', '"value":7.50}')), outgoing);
    assert.match(writeMessage(segments, versionOf('2.5.1'), 'ORU_R01').text, /\|7\.50\|/);
  });

  it('sends a presented form as ED, byte for byte', async () => {
    const data = Buffer.from('%PDF-1.7 \0\xff', 'latin1').toString('base64');
    const read = await oru([], { presentedForm: [{ contentType: 'application/pdf', data }] });
    assert.deepEqual(
      [read('OBX-2'), read('OBX-5.2'), read('OBX-5.3'), read('OBX-5.4'), read('OBX-5.5')],
      ['ED', 'application', 'pdf', 'Base64', data],
    );
  });
});
