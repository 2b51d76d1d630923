import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { drafts, json, map, maps, resource, toBundle } from './given.ts';

/** What becomes of a message: its types but for those that come with every message, each once and in order. */
function typesOf(mapped: MappedMessage): string[] {
  const always = new Set(['Patient', 'Provenance']);
  return [...new Set(mapped.drafts.map(({ resource }) => resource.resourceType))].filter((type) => !always.has(type));
}

function assertValid(mapped: MappedMessage): void {
  assert.deepEqual(
    validate(toBundle(mapped)).map(({ message, expression }) => `${message} at ${expression.join()}`),
    [],
  );
}

const order = 'ORC|NW|PL1^HIS|FL1^LIS||||^^^20240506||20240506100000|||1001^Chen^Hao';
const obr = 'OBR|1|PL1^HIS|FL1^LIS|24323-8^Metabolic panel^LN|||20240506100000';
const obx = 'OBX|1|NM|718-7^Hemoglobin^LN||13.50|g/dL|12-16|N|||F';
const visit = 'PV1|1|I|W1^R1^B1^HOSPA|||||||SUR|||||||||V1^^^HOSPA^VN';
const rxe = 'RXE|^^^20240506|RX100^Amoxicillin 500 mg^L|500||mg|CAP^capsule|||N|30|CAP|2|1001^Chen^Hao||RX77';
const rxa =
  'RXA|0|1|20240506|20240506|141^Influenza^CVX|0.5|mL||00^New^NIP001|1001^Chen^Hao|^^^CLINIC||||LOT7|20250101|SKB^GSK^MVX';
const sch =
  'SCH|PA1^HIS|FA1^RIS|||||ROUTINE^Routine|WALKIN|30|min|^^^20240506100000^20240506103000|||||1001^Chen^Hao||||2^Wu^Lan|||||Booked';
const txa = 'TXA|1|CN^Consultation note^L|TX|20240506100000|1001^Chen^Hao||20240506110000|||||D1^HIS|||||AU||AV';

/** Type -> segments -> types of resources. The segments are the least that such a message says. */
const cases: [type: string, segments: string[], types: string[]][] = [
  ['ADT^A01', [visit], ['Encounter', 'Location']],
  ['ADT^A60', ['IAM|1|DA|PEN^Penicillin^L|SV|Rash|A'], ['AllergyIntolerance']],
  ['ORU^R01', [obr, obx], ['DiagnosticReport', 'ServiceRequest', 'Observation']],
  ['ORU^R30', [obr, obx], ['DiagnosticReport', 'ServiceRequest', 'Observation']],
  ['ORU^R40', [obr, obx], ['DiagnosticReport', 'ServiceRequest', 'Observation']],
  ['OUL^R21', [obr, obx], ['DiagnosticReport', 'ServiceRequest', 'Observation']],
  ['OUL^R22', ['SPM|1|S1||BLD', obr, obx], ['DiagnosticReport', 'ServiceRequest', 'Specimen', 'Observation']],
  ['ORM^O01', [order, obr], ['ServiceRequest', 'Practitioner']],
  ['OMG^O19', [order, obr], ['ServiceRequest', 'Practitioner']],
  ['OML^O21', [order, obr, 'SPM|1|S1||BLD'], ['ServiceRequest', 'Specimen', 'Practitioner']],
  ['OMP^O09', [order, 'RXO|RX100^Amoxicillin^L|500||mg'], ['MedicationRequest', 'Practitioner']],
  ['ORL^O22', ['MSA|AA|M0', order, obr], ['ServiceRequest', 'Practitioner']],
  ['ORG^O20', ['MSA|AA|M0', order, obr], ['ServiceRequest', 'Practitioner']],
  ['RDE^O11', [order, rxe], ['MedicationRequest', 'Practitioner']],
  ['RDS^O13', [order, 'RXD|1|RX100^Amoxicillin^L|20240506|30|CAP||RX77'], ['MedicationDispense']],
  ['RAS^O17', [order, rxa], ['MedicationAdministration', 'Practitioner', 'Location', 'Organization']],
  ['RGV^O15', [order, 'RXG|1|1|^^^20240506|RX100^Amoxicillin^L|500||mg'], ['MedicationRequest', 'Practitioner']],
  ['VXU^V04', ['ORC|RE||I1', rxa, 'RXR|IM'], ['Immunization', 'Practitioner', 'Location', 'Organization']],
  [
    'RSP^K11',
    ['MSA|AA|Q1', 'QAK|Q1|OK', 'ORC|RE||I1', rxa],
    ['Immunization', 'Practitioner', 'Location', 'Organization'],
  ],
  ['SIU^S12', [sch, 'RGS|1', 'AIP|1||1001^Chen^Hao|D'], ['Appointment', 'Practitioner']],
  ['SIU^S26', [sch], ['Appointment', 'Practitioner']],
  ['SRM^S01', ['ARQ|PA1^HIS||||||ROUTINE^Routine|WALKIN|30|min|20240506100000^20240506120000'], ['Appointment']],
  ['SRR^S01', ['MSA|AA|R1', sch], ['Appointment', 'AppointmentResponse', 'Practitioner']],
  [
    'MDM^T02',
    [visit, txa, 'OBX|1|TX|D^Text||first line'],
    ['Encounter', 'DocumentReference', 'Practitioner', 'Location'],
  ],
  ['DFT^P03', ['FT1|1|T1||20240506||CG|CBC^Blood count^L|||2|15.00^CNY'], ['ChargeItem']],
  [
    'BAR^P01',
    ['GT1|1|G1|Lin^Bo', 'IN1|1|PLAN^Basic^L|INS1|City Insurance'],
    ['RelatedPerson', 'Coverage', 'Organization'],
  ],
  ['PPR^PC1', ['PRB|AD|20240506|I10^Hypertension^I10|PB1', 'GOL|AD|20240506|G1^Lower^L'], ['Condition', 'Goal']],
  [
    'REF^I12',
    ['RF1|A|R|MED||||20240506|||', 'PRD|RP|Wu^Lan|||||1001'],
    ['PractitionerRole', 'ServiceRequest', 'Practitioner'],
  ],
  ['RRI^I12', ['MSA|AA|R1', 'RF1|A|R|MED|||REF1'], ['ServiceRequest']],
];

describe('each message type becomes its resources, valid R4', () => {
  for (const [type, segments, types] of cases) {
    it(`${type} -> ${types.join(', ')}`, () => {
      const mapped = map(segments, { type });
      assert.deepEqual(typesOf(mapped).toSorted(), types.toSorted());
      assertValid(mapped);
    });
  }

  it('every event that a map serves converts a message of its first kind', () => {
    const served = [...maps.forEndpoint('test').messages.keys()];
    assert.ok(served.length > 150, `${served.length} served`);
    for (const [type] of cases) assert.ok(served.includes(type), type);
  });

  const masters: [type: string, segments: string[], types: string[]][] = [
    ['MFN^M02', ['MFI|PRA', 'MFE|MAD|||1001', 'STF|1001|1001|Chen^Hao|||19800101|A'], ['Practitioner']],
    ['MFN^M05', ['MFI|LOC', 'MFE|MAD|||W1', 'LOC|W1^^^HOSPA|Ward 1'], ['Location']],
    ['PMU^B01', ['STF|1001|1001|Chen^Hao'], ['Practitioner']],
    ['ADT^A20', ['NPU|W1^R1^B1|C'], ['Location']],
  ];
  for (const [type, segments, types] of masters) {
    it(`${type}, which names no patient -> ${types.join(', ')}`, () => {
      const mapped = map(segments, { type, hasPatient: false });
      assert.ok(
        types.every((name) => typesOf(mapped).includes(name)),
        typesOf(mapped).join(),
      );
      assert.equal(drafts(mapped, 'Patient').length, 0);
      assertValid(mapped);
    });
  }
});

describe('what the same thing is called twice is one resource', () => {
  const pairs: [what: string, type: string, one: string[], other: string[], resource: string][] = [
    [
      'a prescription that is changed',
      'RDE^O11',
      [order, rxe],
      [order, rxe.replace('500', '250')],
      'MedicationRequest',
    ],
    ['an appointment that is moved', 'SIU^S13', [sch], [sch.replaceAll('20240506', '20240507')], 'Appointment'],
    [
      'a vaccine that is corrected',
      'VXU^V04',
      ['ORC|RE||I1', rxa],
      ['ORC|RE||I1', rxa.replace('0.5', '1')],
      'Immunization',
    ],
    ['a document that is replaced', 'MDM^T10', [txa], [txa.replace('AU', 'LA')], 'DocumentReference'],
    ['a problem that is updated', 'PPR^PC2', ['PRB|UP|2024|I10|PB1'], ['PRB|UP|2025|I10|PB1'], 'Condition'],
  ];
  for (const [what, type, one, other, name] of pairs) {
    it(what, () => {
      const ids = [one, other].map((segments, n) => resource(map(segments, { type, controlId: `C${n}` }), name).id);
      assert.equal(ids[0], ids[1]);
    });
  }
});

describe('deletes are deletes', () => {
  const gone: [what: string, type: string, segments: string[], resource: string][] = [
    ['IAM-6 D', 'ADT^A60', ['IAM|1|DA|PEN^Penicillin^L|||D'], 'AllergyIntolerance'],
    ['RXA-21 D', 'VXU^V04', ['ORC|RE||I1', `${rxa}||||D`], 'Immunization'],
    ['PRB-1 DE', 'PPR^PC3', ['PRB|DE|2024|I10|PB1'], 'Condition'],
  ];
  for (const [what, type, segments, name] of gone) {
    it(`${what}: the Bundle asks for its deletion`, () => {
      const mapped = map(segments, { type });
      const [draft] = drafts(mapped, name);
      assert.equal(draft?.mode, 'delete');
      const text = json(toBundle(mapped));
      assert.ok(text.includes(`{"method":"DELETE","url":"${name}/${draft?.resource.id}"}`), text);
      assertValid(mapped);
    });
  }
});

/** The bytes of the documents of a message: of its Binary resources, and text beside. */
function documentsOf(mapped: MappedMessage): Buffer[] {
  const contents = drafts(mapped, 'DocumentReference').flatMap(
    (draft) => draft.resource['content'] as { attachment: { data?: string } }[],
  );
  const data = [
    ...drafts(mapped, 'Binary').map((draft) => draft.resource['data']),
    ...contents.map(({ attachment }) => attachment.data),
  ];
  return data.flatMap((text) => (typeof text === 'string' ? [Buffer.from(text, 'base64')] : []));
}

describe('elements', () => {
  const rows: [what: string, type: string, segments: string[], resource: string, expected: RegExp][] = [
    [
      'RXE-3, RXE-5',
      'RDE^O11',
      [order, rxe],
      'MedicationRequest',
      /"doseQuantity":\{"value":500,"unit":"mg","system":"http:\/\/unitsofmeasure\.org","code":"mg"\}/,
    ],
    ['RXE-12', 'RDE^O11', [order, rxe], 'MedicationRequest', /"numberOfRepeatsAllowed":2/],
    ['ORC-1 CA', 'RDE^O11', [order.replace('NW', 'CA'), rxe], 'MedicationRequest', /"status":"cancelled"/],
    [
      'RXA-20 RE',
      'VXU^V04',
      ['ORC|RE||I1', 'RXA|0|1|20240506||141^Influenza^CVX|999||||||||||||00^Parental decision^NIP002||RE'],
      'Immunization',
      /"status":"not-done","statusReason":\{"coding":\[\{"system":"[^"]+","code":"00"/,
    ],
    [
      'RXA-15 to RXA-17',
      'VXU^V04',
      ['ORC|RE||I1', rxa],
      'Immunization',
      /"lotNumber":"LOT7","expirationDate":"2025-01-01","manufacturer"/,
    ],
    ['RXA-9 00', 'VXU^V04', ['ORC|RE||I1', rxa], 'Immunization', /"primarySource":true/],
    [
      'SIU^S12 booked',
      'SIU^S12',
      [sch],
      'Appointment',
      /"status":"booked".*"start":"2024-05-06T10:00:00\+08:00","end":"2024-05-06T10:30:00\+08:00","minutesDuration":30/,
    ],
    ['SIU^S15 cancelled', 'SIU^S15', [sch], 'Appointment', /"status":"cancelled"/],
    ['SIU^S26', 'SIU^S26', [sch], 'Appointment', /"status":"noshow"/],
    [
      'AIL-6, AIL-9',
      'SIU^S12',
      ['SCH|PA1|FA1', 'RGS|1', 'AIL|1||W1^R1||||20240506100000||'.replace('||||2024', '|||2024')],
      'Appointment',
      /"participant":\[/,
    ],
    [
      'FT1-11',
      'DFT^P03',
      ['FT1|1|T1||20240506||CG|CBC^Blood count^L|||2|15.00^CNY'],
      'ChargeItem',
      /"quantity":\{"value":2\},"priceOverride":\{"value":15\.00,"currency":"CNY"\}/,
    ],
    [
      'TXA-17, TXA-19',
      'MDM^T02',
      [txa, 'OBX|1|TX|D||x'],
      'DocumentReference',
      /"status":"current".*"docStatus":"final"/,
    ],
    ['T11', 'MDM^T11', [txa], 'DocumentReference', /"status":"entered-in-error"/],
    [
      'PRB-9',
      'PPR^PC1',
      ['PRB|AD|2024|I10|PB1|||||20240601'],
      'Condition',
      /"clinicalStatus":\{"coding":\[\{"system":"[^"]+","code":"resolved"\}\]\},.*"abatementDateTime":"2024-06-01"/,
    ],
    ['MFE-1 MDC', 'MFN^M02', ['MFI|PRA', 'MFE|MDC|||1001', 'STF|1001|1001|Chen^Hao'], 'Practitioner', /"active":false/],
    [
      'XPN.8',
      'ADT^A01',
      ['PID|1||P1||林^美^^^^^L^I~Lin^Mei^^^^^L^A'],
      'Patient',
      /EN-representation","valueCode":"IDE".*EN-representation","valueCode":"ABC"/,
    ],
    [
      'PID-10',
      'ADT^A01',
      ['PID|1||P1|||||||2106-3^White^HL70005'],
      'Patient',
      /us-core-race","extension":\[\{"url":"ombCategory"/,
    ],
    [
      'PID-22 of another system',
      'ADT^A01',
      ['PID|1||P1|||||||||||||||||||01^汉族^GB3304'],
      'Patient',
      /ethnic-group","valueCodeableConcept"/,
    ],
  ];
  for (const [what, type, segments, name, expected] of rows) {
    it(`${what} (${type})`, () => {
      const mapped = map(segments, { type });
      assert.match(json(resource(mapped, name)), expected);
      assertValid(mapped);
    });
  }

  it('a text of many OBX is one document, an encapsulated object keeps its bytes', () => {
    const pdf = Buffer.from('%PDF-1.7 \u0000\u00ff binary').toString('base64');
    const mapped = map(
      [txa, 'OBX|1|TX|D||first', 'OBX|2|TX|D||second', `OBX|3|ED|P^Scan||^application^pdf^Base64^${pdf}`],
      { type: 'MDM^T02' },
    );
    assert.deepEqual(
      documentsOf(mapped)
        .map((bytes) => bytes.toString('latin1'))
        .toSorted(),
      [Buffer.from(pdf, 'base64').toString('latin1'), 'first\nsecond'].toSorted(),
    );
    assertValid(mapped);
  });

  it('an object that was cut over several OBX is whole again', () => {
    const data = Buffer.from('a scan that is longer than one segment holds').toString('base64');
    const cut = 20;
    const parts = [data.slice(0, cut), data.slice(cut)].map(
      (part, index) => `OBX|${index + 1}|ED|P^Scan|1|^application^pdf^Base64^${part}`,
    );
    const mapped = map([txa, ...parts], { type: 'MDM^T02' });
    assert.deepEqual(
      documentsOf(mapped).map((bytes) => bytes.toString('base64')),
      [data],
    );
  });

  it('ORC and OBR that say the same number say it once', () => {
    const { identifier } = resource(map([order, obr], { type: 'ORM^O01' }), 'ServiceRequest');
    assert.equal((identifier as unknown[]).length, 2);
  });

  it('A40 retires the record that MRG names: inactive, replaced by the one that stays', () => {
    const mapped = map(['PID|1||P1^^^HOSPA^MR||Lin^Mei', 'MRG|P2^^^HOSPA^MR'], { type: 'ADT^A40' });
    const patients = drafts(mapped, 'Patient').map((draft) => draft.resource);
    const one = patients.find((patient) => json(patient).includes('"value":"P1"'));
    const other = patients.find((patient) => patient !== one);
    const text = json(toBundle(mapped));
    assert.ok(
      text.includes(`"link":[{"other":{"reference":"Patient/${one?.id}"},"type":"replaced-by"}],"active":false`),
      text,
    );
    const second = map(['PID|1||P2^^^HOSPA^MR||Lin^Mei']);
    assert.equal(resource(second, 'Patient').id, other?.id, 'the retired number is still that record');
  });
});
