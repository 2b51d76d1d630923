/** An appointment with everything a message can say of it, and a header to send it under. */
import type { Bundle } from '@medplum/fhirtypes';
import type { Outgoing } from '../../src/outbound/build/message.ts';

export const outgoing: Outgoing = {
  sender: { application: 'HUB', facility: 'REGION' },
  receiver: { application: 'HIS', facility: '仁济' },
  version: '2.5.1',
  charset: 'UNICODE UTF-8',
  ackMode: 'original',
  controlId: 'c-1',
  trigger: 'S12',
  at: new Date('2026-03-01T02:03:04Z'),
};

const v2 = 'http://terminology.hl7.org/CodeSystem';
const numberType = (code: string) => ({ coding: [{ system: `${v2}/v2-0203`, code }] });

/** Separators, line ends, hanzi, and a text that looks like an escape: what goes wrong when escaping does. */
export const hardText = 'a|b^c~d&e\\f \\F\\ 复诊\r\n第二行\n"x"';

export const appointmentBundle: Bundle = {
  resourceType: 'Bundle',
  type: 'collection',
  entry: [
    {
      fullUrl: 'urn:uuid:7d7a1f3e-0000-4000-8000-000000000001',
      resource: {
        resourceType: 'Appointment',
        id: 'appointment',
        identifier: [
          { type: numberType('PLAC'), system: 'urn:oid:1.2.3.4', value: 'P-17', assigner: { display: 'PORTAL' } },
          { type: numberType('FILL'), system: 'https://his.example/appointments', value: 'F&17' },
        ],
        status: 'booked',
        appointmentType: { coding: [{ system: `${v2}/v2-0277`, code: 'Normal', display: 'Routine schedule request' }] },
        reasonCode: [{ coding: [{ system: `${v2}/v2-0276`, code: 'FOLLOWUP', display: '复诊' }], text: 'knee ^ left' }],
        serviceType: [{ coding: [{ system: 'https://his.example/services', code: 'MR1', display: '核磁共振' }] }],
        start: '2026-03-05T09:00:00+08:00',
        end: '2026-03-05T09:30:00+08:00',
        minutesDuration: 30,
        comment: hardText,
        patientInstruction: '空腹',
        basedOn: [{ reference: 'ServiceRequest/order' }],
        participant: [
          { actor: { reference: 'Patient/zhang' }, status: 'accepted' },
          {
            type: [{ coding: [{ system: `${v2}/v3-ParticipationType`, code: 'PPRF', display: 'primary performer' }] }],
            actor: { reference: 'Practitioner/li' },
            status: 'accepted',
          },
          { actor: { reference: 'Location/room' }, status: 'accepted' },
          { actor: { reference: 'Device/mr' }, status: 'tentative' },
          { type: [{ coding: [{ code: 'filler contact' }] }], actor: { reference: '#clerk' }, status: 'accepted' },
        ],
        contained: [{ resourceType: 'Practitioner', id: 'clerk', name: [{ family: "O'Hara & Co", given: ['Ann'] }] }],
      },
    },
    {
      resource: {
        resourceType: 'Patient',
        id: 'zhang',
        identifier: [
          { type: numberType('MR'), system: 'urn:oid:1.2.3', value: '00012', assigner: { display: 'RENJI' } },
          { type: numberType('NI'), system: 'urn:oid:2.16.156.10011.1.3', value: '11010519491231002X' },
        ],
        name: [
          { use: 'official', text: '张伟' },
          { family: 'Zhang', given: ['Wei', 'A'] },
        ],
        gender: 'male',
        birthDate: '1949-12-31',
        address: [{ use: 'home', line: ['北京路 1 号', '2 单元'], city: '上海', postalCode: '200000', country: 'CHN' }],
        telecom: [
          { system: 'phone', use: 'mobile', value: '+86 138 0000 0000' },
          { system: 'email', use: 'work', value: 'wei@example.org' },
        ],
      },
    },
    {
      resource: {
        resourceType: 'Practitioner',
        id: 'li',
        identifier: [{ system: 'urn:oid:1.2.9', value: 'D7', assigner: { display: 'STAFF' } }],
        name: [{ family: '李', given: ['医生'] }],
      },
    },
    {
      resource: {
        resourceType: 'Location',
        id: 'room',
        name: 'MR 1',
        physicalType: { coding: [{ code: 'ro' }] },
        partOf: { reference: 'Location/ward' },
      },
    },
    { resource: { resourceType: 'Location', id: 'ward', name: '放射科', physicalType: { coding: [{ code: 'wa' }] } } },
    {
      resource: {
        resourceType: 'Device',
        id: 'mr',
        identifier: [{ value: 'MR-1' }],
        deviceName: [{ name: 'Tesla~3', type: 'user-friendly-name' }],
      },
    },
    {
      resource: {
        resourceType: 'ServiceRequest',
        id: 'order',
        identifier: [
          { type: numberType('PLAC'), value: 'O-1' },
          { type: numberType('FILL'), value: 'O-2' },
        ],
        status: 'active',
        intent: 'order',
        subject: { reference: 'Patient/zhang' },
      },
    },
  ],
};
