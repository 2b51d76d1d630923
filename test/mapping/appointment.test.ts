/** SIU, SRM, SRR -> Appointment, Slot, Schedule, HealthcareService, AppointmentResponse. */
import assert from 'node:assert/strict';
import { validate } from '../../src/fhir/validate.ts';
import { toBundle } from '../../src/mapping/bundle.ts';
import type { MappedMessage } from '../../src/mapping/message/draft.ts';
import { buildMessage, parseMessageType } from '../../src/outbound/build/message.ts';
import { readSource } from '../../src/outbound/build/source.ts';
import { writeMessage } from '../../src/outbound/build/write.ts';
import { versionOf } from '../../src/outbound/versions.ts';
import { appointmentBundle, hardText, outgoing } from '../outbound/given.ts';
import { drafts, map, resource } from './given.ts';

function mapped(segments: readonly string[], type: string, options = {}): MappedMessage {
  const message = map(segments, { type, ...options });
  const bundle = toBundle(message) as unknown as { entry: { resource: unknown }[] };
  for (const { resource: one } of bundle.entry) assert.deepEqual(validate(one), []);
  return message;
}

interface Participant {
  actor: { reference: string; display?: string };
  status: string;
  type?: { coding?: { code: string }[]; text?: string }[];
  period?: object;
}

const appointmentOf = (message: MappedMessage) => resource(message, 'Appointment') as unknown as Record<string, any>; // eslint-disable-line typescript/no-explicit-any
const participants = (message: MappedMessage): Participant[] => appointmentOf(message)['participant'] as Participant[];
const typesOf = (message: MappedMessage): (string | undefined)[] =>
  participants(message).map(({ actor }) => actor?.reference.split('/')[0]);

const sch =
  'SCH|P-17^PORTAL|F-17^HIS|||CT1^CT rota|NEW^New|FOLLOWUP|Normal|30|min|^^30^20240507090000^20240507093000||||||||||||||Booked';
const ais = 'AIS|1|A|MR1^MRI^L';
const aip = 'AIP|1|A|D7^Welby^Marcus|ATND^Attending||20240507091000|||20|min||Booked';

describe('SCH -> Appointment', () => {
  it('numbers, reasons, times and length', () => {
    const appointment = appointmentOf(mapped([sch, 'RGS|1', ais], 'SIU^S12'));
    assert.deepEqual(
      appointment['identifier'].map((one: { value: string; type: { coding: [{ code: string }] } }) => [
        one.type.coding[0].code,
        one.value,
      ]),
      [
        ['PLAC', 'P-17'],
        ['FILL', 'F-17'],
      ],
    );
    assert.equal(appointment['status'], 'booked');
    assert.deepEqual(
      [appointment['start'], appointment['end']],
      ['2024-05-07T09:00:00+08:00', '2024-05-07T09:30:00+08:00'],
    );
    assert.equal(appointment['minutesDuration'], 30);
    assert.deepEqual(appointment['reasonCode'][0].coding[0], {
      system: 'http://terminology.hl7.org/CodeSystem/v2-0276',
      code: 'FOLLOWUP',
      display: 'A follow up visit from a previous appointment',
    });
    assert.equal(appointment['appointmentType'].coding[0].code, 'Normal');
    assert.equal(appointment['serviceType'][0].coding[0].code, 'MR1');
  });

  const events: [event: string, filler: string, status: string][] = [
    ['S12', '', 'booked'],
    ['S12', 'Pending', 'pending'],
    ['S13', 'Booked', 'booked'],
    ['S14', 'Started', 'checked-in'],
    ['S14', 'Complete', 'fulfilled'],
    ['S14', 'Waitlist', 'waitlist'],
    ['S14', 'Dc', 'cancelled'],
    ['S15', 'Booked', 'cancelled'],
    ['S16', '', 'cancelled'],
    ['S17', 'Booked', 'entered-in-error'],
    ['S26', 'Booked', 'noshow'],
  ];
  for (const [event, filler, status] of events) {
    it(`${event} with SCH-25 '${filler}' is ${status}`, () => {
      const text = sch.replace(/Booked$/, filler);
      assert.equal(appointmentOf(mapped([text, 'RGS|1', ais], `SIU^${event}`))['status'], status);
    });
  }

  it('without times it cannot be booked (app-3), and the sent status stands beside', () => {
    const appointment = appointmentOf(mapped(['SCH||F-1|||||||||||||||||||||||Booked', 'RGS|1', ais], 'SIU^S12'));
    assert.equal(appointment['status'], 'proposed');
    assert.match(JSON.stringify(appointment['extension']), /filler-status.*Booked/);
  });

  it('a cancellation says why', () => {
    const appointment = appointmentOf(mapped([sch.replace('NEW^New', 'WEATHER^Storm'), 'RGS|1', ais], 'SIU^S15'));
    assert.equal(appointment['cancelationReason'].coding[0].code, 'WEATHER');
  });

  const lengths: [length: string, unit: string, minutes: number | undefined][] = [
    ['45', 'm^Minutes', 45],
    ['2', 'HR', 120],
    ['1', 'd', 1440],
    ['90', 's', undefined],
    ['120', 's', 2],
    ['15', '', 15],
    ['3', 'weeks', undefined],
  ];
  for (const [length, unit, minutes] of lengths) {
    it(`${length} ${unit} is ${minutes} minutes`, () => {
      const text = `SCH||F-1|||||||${length}|${unit}|^^^20240507090000`;
      assert.equal(appointmentOf(mapped([text, 'RGS|1', ais], 'SIU^S12'))['minutesDuration'], minutes);
    });
  }

  it('an end that is not sent follows from start and length; TQ1 goes before SCH-11', () => {
    const text = 'SCH||F-1|||||||30|min|^^^20240507080000';
    const appointment = appointmentOf(mapped([text, 'TQ1|1||||||20240507090000||R', 'RGS|1', ais], 'SIU^S12'));
    assert.deepEqual(
      [appointment['start'], appointment['end']],
      ['2024-05-07T09:00:00+08:00', '2024-05-07T09:30:00+08:00'],
    );
    assert.equal(appointment['priority'], 5);
  });

  it('without any zone there is no time that a person could keep', () => {
    const appointment = appointmentOf(mapped([sch, 'RGS|1', ais], 'SIU^S12', { zone: null }));
    assert.deepEqual([appointment['start'], appointment['status']], [undefined, 'proposed']);
  });

  it('all notes are lines of one comment, those for the patient of another', () => {
    const notes = ['NTE|1||first~second', 'NTE|2||fasting|PI', 'RGS|1', ais, 'NTE|1||of the service'];
    const appointment = appointmentOf(mapped([sch, ...notes], 'SIU^S12'));
    assert.equal(appointment['comment'], 'first\nsecond\nof the service');
    assert.equal(appointment['patientInstruction'], 'fasting');
  });

  it('the same appointment in another message is the same resource, and merges', () => {
    const [first] = drafts(mapped([sch, 'RGS|1', ais], 'SIU^S12'), 'Appointment');
    const [second] = drafts(mapped([sch, 'RGS|1', ais], 'SIU^S15', { controlId: 'M2' }), 'Appointment');
    assert.equal(first?.resource.id, second?.resource.id);
    assert.deepEqual([first?.mode, second?.mode], ['merge', 'merge']);
  });

  it('needs no patient: a time is blocked for nobody', () => {
    const message = mapped([sch, 'RGS|1', 'AIL|1|A|W1^101'], 'SIU^S23', { hasPatient: false });
    assert.deepEqual(typesOf(message), ['Location']);
    assert.equal((resource(message, 'Slot') as unknown as { status: string }).status, 'busy-unavailable');
  });
});

describe('AIS, AIG, AIL, AIP -> participant', () => {
  const all = [
    sch,
    'RGS|1|A',
    ais,
    'AIG|1|A|X1^X-Ray^L|E^Equipment',
    'AIG|2|A|R5^Room 5|ROOM',
    'AIG|3|A|1^White, Charles|D',
    'AIL|1|A|W1^101^^HOSPA',
    aip,
  ];

  it('services, things, places, people and the patient take part', () => {
    const message = mapped(all, 'SIU^S12');
    assert.deepEqual(typesOf(message), [
      'HealthcareService',
      'Device',
      'Location',
      'Practitioner',
      'Location',
      'Practitioner',
      'Patient',
    ]);
    assert.equal((resource(message, 'HealthcareService') as unknown as { name: string }).name, 'MRI');
  });

  it('with role, time and answer of their own', () => {
    const person = participants(mapped(all, 'SIU^S12')).at(5);
    assert.deepEqual(person?.period, { start: '2024-05-07T09:10:00+08:00', end: '2024-05-07T09:30:00+08:00' });
    assert.equal(person?.type?.[0]?.coding?.[0]?.code, 'ATND');
    assert.equal(person?.status, 'accepted');
  });

  const answers: [filler: string, status: string][] = [
    ['Pending', 'tentative'],
    ['Cancelled', 'declined'],
    ['Booked', 'accepted'],
    ['', 'accepted'],
  ];
  for (const [filler, status] of answers) {
    it(`AIP-12 '${filler}' is ${status}`, () => {
      const message = mapped([sch, 'RGS|1', aip.replace(/Booked$/, filler)], 'SIU^S12');
      assert.equal(participants(message)[0]?.status, status);
    });
  }

  it('D takes a resource out, X and U leave it in; an event that ends the appointment declines all', () => {
    const people = ['A', 'U', 'X', 'D'].map((action, index) => `AIP|${index + 1}|${action}|D${index}^Name${index}`);
    const names = (event: string) =>
      participants(mapped([sch, 'RGS|1', ...people], `SIU^${event}`)).map(({ actor, status }) => [
        actor.display,
        status,
      ]);
    assert.deepEqual(names('S14').slice(0, -1), [
      ['Name0', 'accepted'],
      ['Name1', 'accepted'],
      ['Name2', 'accepted'],
    ]);
    assert.deepEqual(names('S15')[3], ['Name3', 'declined']);
    assert.equal(appointmentOf(mapped([sch, 'RGS|1', 'AIS|1|D|MR1^MRI'], 'SIU^S14'))['serviceType'], undefined);
  });

  it('those to ask are participants with their telephone; who entered it is in the Provenance too', () => {
    const text = 'SCH||F-1|||||||30|min|^^^20240507090000|C1^Contact||||F1^Filler|555-2^^PH|||E1^Enter';
    const message = mapped([text, 'RGS|1', ais], 'SIU^S12');
    const roles = participants(message).map(({ type }) => type?.[0]?.coding?.[0]?.code);
    assert.deepEqual(roles, ['placer contact', 'filler contact', 'enterer', undefined, undefined]);
    assert.match(JSON.stringify(participants(message)[1]), /555-2/);
    const { agent } = resource(message, 'Provenance') as unknown as {
      agent: { type: { coding: { code: string }[] } }[];
    };
    assert.deepEqual(
      agent.map(({ type }) => type.coding[0]?.code),
      ['author', 'enterer'],
    );
  });
});

describe('SCH-5 -> Slot and Schedule', () => {
  const statuses: [event: string, status: string][] = [
    ['S12', 'busy'],
    ['S15', 'free'],
    ['S23', 'busy-unavailable'],
    ['S24', 'free'],
  ];
  for (const [event, status] of statuses) {
    it(`${event}: the slot is ${status}`, () => {
      const message = mapped([sch, 'RGS|1', aip], `SIU^${event}`);
      const slot = resource(message, 'Slot') as unknown as Record<string, any>; // eslint-disable-line typescript/no-explicit-any
      const schedule = resource(message, 'Schedule') as unknown as Record<string, any>; // eslint-disable-line typescript/no-explicit-any
      assert.deepEqual([slot['status'], slot['start']], [status, '2024-05-07T09:00:00+08:00']);
      assert.equal(slot['schedule'].reference, `Schedule/${schedule['id']}`);
      assert.match(schedule['actor'][0].reference, /^Practitioner\//);
      assert.deepEqual(appointmentOf(message)['slot'], [{ reference: `Slot/${slot['id']}` }]);
    });
  }

  it('moves with its appointment, and needs an actor', () => {
    const slotOf = (message: MappedMessage) => drafts(message, 'Slot')[0]?.resource.id;
    const moved = sch.replace('20240507090000^20240507093000', '20240508090000^20240508093000');
    assert.equal(slotOf(mapped([sch, 'RGS|1', aip], 'SIU^S12')), slotOf(mapped([moved, 'RGS|1', aip], 'SIU^S13')));
    assert.equal(slotOf(mapped([sch, 'RGS|1', ais], 'SIU^S12')), undefined);
  });
});

describe('ARQ -> Appointment', () => {
  const arq =
    'ARQ|P-9^PORTAL|||||REQ^Request|CHECKUP|Normal|20|min|20240507^20240510|R|||C1^Contact||||E1^Enter|||||O-1|O-2';

  it('a request is proposed, with the time that is wished for', () => {
    const message = mapped([arq, 'RGS|1', ais, aip], 'SRM^S01');
    const appointment = appointmentOf(message);
    assert.equal(appointment['status'], 'proposed');
    assert.deepEqual(appointment['requestedPeriod'], [{ start: '2024-05-07', end: '2024-05-10' }]);
    assert.equal(appointment['minutesDuration'], 20);
    assert.deepEqual(
      appointment['basedOn'].map((one: { identifier: { value: string } }) => one.identifier.value),
      ['O-1', 'O-2'],
    );
    assert.equal(appointment['priority'], 5);
  });

  it('a request about a known appointment leaves its status to the filler', () => {
    const [draft] = drafts(mapped([arq, 'RGS|1', ais], 'SRM^S02'), 'Appointment');
    assert.ok(draft?.fallback.includes('status'));
  });

  for (const [event, status] of [
    ['S04', 'cancelled'],
    ['S05', 'cancelled'],
  ]) {
    it(`${event}: ${status}`, () => {
      assert.equal(appointmentOf(mapped([arq, 'RGS|1', ais], `SRM^${event}`))['status'], status);
    });
  }
});

describe('SRR -> AppointmentResponse', () => {
  const answers: [msa: string, filler: string, status: string][] = [
    ['AA', 'Booked', 'accepted'],
    ['AA', 'Waitlist', 'tentative'],
    ['AA', '', 'accepted'],
    ['AE', '', 'declined'],
  ];
  for (const [msa, filler, status] of answers) {
    it(`MSA-1 ${msa}, SCH-25 '${filler}': ${status}`, () => {
      const message = mapped([`MSA|${msa}|Q-1`, sch.replace(/Booked$/, filler), 'RGS|1', ais], 'SRR^S01');
      const response = resource(message, 'AppointmentResponse') as unknown as Record<string, any>; // eslint-disable-line typescript/no-explicit-any
      assert.equal(response['participantStatus'], status);
      assert.equal(response['appointment'].reference, `Appointment/${resource(message, 'Appointment').id}`);
      assert.equal(response['start'], '2024-05-07T09:00:00+08:00');
    });
  }
});

describe('there and back: an Appointment, sent as SIU and mapped again', () => {
  it('says the same', async () => {
    const type = parseMessageType('SIU^S12');
    const segments = buildMessage(type, readSource(JSON.stringify(appointmentBundle)), outgoing);
    const { text } = writeMessage(segments, versionOf('2.5.1'), type.structure);
    const [header = '', ...rest] = text.split('\r').filter((line) => line !== '');
    const message = mapped(rest, 'SIU^S12', { header });
    const appointment = appointmentOf(message);
    const before = appointmentBundle.entry?.[0]?.resource as unknown as Record<string, any>; // eslint-disable-line typescript/no-explicit-any
    for (const element of [
      'identifier',
      'status',
      'start',
      'end',
      'minutesDuration',
      'patientInstruction',
      'serviceType',
    ]) {
      const plain = (value: unknown): unknown =>
        JSON.parse(JSON.stringify(value).replaceAll(/,"display":"(Placer|Filler) Identifier"/g, ''));
      assert.deepEqual(plain(appointment[element]), plain(before[element]), element);
    }
    assert.equal(appointment['comment'], hardText);
    assert.deepEqual(
      typesOf(message).filter((one) => one !== 'Practitioner'),
      ['HealthcareService', 'Device', 'Location', 'Patient'],
    );
  });
});
