/**
 * Appointment -> SIU (the hub tells of an appointment) and SRM (the hub asks for one).
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch10.html HL7 v2.5.1 chapter 10
 */
import type { Appointment, AppointmentParticipant, Identifier } from '@medplum/fhirtypes';
import { Problem } from '../../fhir/problem.ts';
import { cwe, dtm, ei, xcn, type Person } from './datatypes.ts';
import type { Outgoing } from './message.ts';
import { notes } from './note.ts';
import { pid, pv1 } from './patient.ts';
import { pl } from './place.ts';
import { one, segment, type Field, type Segment, type Value } from './segment.ts';
import { locationsOf, patientOf, type Source } from './source.ts';

/** RGS-2, AIS-2 and the like (HL70206), and why (SCH-6, ARQ-6: required by SCH, without a table of its own). */
interface EventMeaning {
  readonly action: 'A' | 'U' | 'D';
  readonly reason: string;
}

const siuEvents: Readonly<Record<string, EventMeaning>> = {
  S12: { action: 'A', reason: 'New appointment booking' },
  S13: { action: 'U', reason: 'Appointment rescheduling' },
  S14: { action: 'U', reason: 'Appointment modification' },
  S15: { action: 'D', reason: 'Appointment cancellation' },
  S17: { action: 'D', reason: 'Appointment deletion' },
  S26: { action: 'U', reason: 'Patient did not show up' },
};

const srmEvents: Readonly<Record<string, EventMeaning>> = {
  S01: { action: 'A', reason: 'Request new appointment booking' },
  S02: { action: 'U', reason: 'Request appointment rescheduling' },
  S03: { action: 'U', reason: 'Request appointment modification' },
  S04: { action: 'D', reason: 'Request appointment cancellation' },
  S05: { action: 'D', reason: 'Request appointment discontinuation' },
  S06: { action: 'D', reason: 'Request appointment deletion' },
};

export const siuTriggers = Object.keys(siuEvents);
export const srmTriggers = Object.keys(srmEvents);

/** HL70278, from appointmentstatus. */
const statuses: Readonly<Record<string, string>> = {
  proposed: 'Pending',
  pending: 'Pending',
  waitlist: 'Waitlist',
  booked: 'Booked',
  arrived: 'Started',
  'checked-in': 'Started',
  fulfilled: 'Complete',
  cancelled: 'Cancelled',
  noshow: 'Noshow',
  'entered-in-error': 'Deleted',
};

/** HL70278, from participationstatus. */
const answers: Readonly<Record<string, string>> = {
  accepted: 'Booked',
  declined: 'Cancelled',
  tentative: 'Pending',
  'needs-action': 'Pending',
};

export function buildSiu(source: Source, outgoing: Outgoing): Segment[] {
  const appointment = source.only('Appointment');
  const meaning = siuEvents[outgoing.trigger] as EventMeaning;
  const { placer, filler } = numbersOf(appointment, outgoing);
  const orders = ordersOf(source, appointment);
  const contact = (role: string): Field => contactOf(source, appointment, role);
  const sch = segment('SCH', {
    1: one(ei(placer)),
    2: one(ei(filler)),
    6: one(eventReason(appointment, meaning)),
    7: one(cwe(appointment.reasonCode?.[0])),
    8: one(cwe(appointment.appointmentType)),
    9: minutesOf(appointment),
    10: minutesOf(appointment) && one(minuteUnit),
    11: one(timing(appointment)),
    12: contact('placer contact'),
    16: contact('filler contact') ?? byApplication(outgoing),
    20: contact('enterer') ?? byApplication(outgoing),
    25: statuses[appointment.status],
    26: orders.map(({ placer: number }) => ei(number) ?? []),
    27: orders.map(({ filler: number }) => ei(number) ?? []),
  });
  return [
    sch,
    tq1(appointment),
    ...notesOf(appointment),
    ...patientGroup(source, appointment),
    ...resources(source, appointment, meaning, true),
  ];
}

export function buildSrm(source: Source, outgoing: Outgoing): Segment[] {
  const appointment = source.only('Appointment');
  const meaning = srmEvents[outgoing.trigger] as EventMeaning;
  const { placer, filler } = numbersOf(appointment, outgoing);
  const orders = ordersOf(source, appointment);
  const contact = (role: string): Field => contactOf(source, appointment, role);
  const [period] = appointment.requestedPeriod ?? [];
  const [start, end] = [period?.start ?? appointment.start, period?.end ?? appointment.end];
  const arq = segment('ARQ', {
    // Required by ARQ: the hub is the placer of what it asks for.
    1: one(ei(placer ?? filler)),
    2: one(ei(filler)),
    6: one(eventReason(appointment, meaning)),
    7: one(cwe(appointment.reasonCode?.[0])),
    8: one(cwe(appointment.appointmentType)),
    9: minutesOf(appointment),
    10: minutesOf(appointment) && one(minuteUnit),
    11: one([dtm(start), dtm(end)]),
    12: appointment.priority === undefined ? undefined : String(appointment.priority),
    15: contact('placer contact') ?? byApplication(outgoing),
    19: contact('enterer') ?? byApplication(outgoing),
    24: orders.map(({ placer: number }) => ei(number) ?? []),
    25: orders.map(({ filler: number }) => ei(number) ?? []),
  });
  return [
    arq,
    ...notesOf(appointment),
    ...patientGroup(source, appointment),
    ...resources(source, appointment, meaning, false),
  ];
}

/** By type (HL70203 PLAC, FILL); a number without either is the filler's, and without any number the hub's own id stands. */
function numbersOf(appointment: Appointment, { sender }: Outgoing): { placer?: Identifier; filler?: Identifier } {
  const identifiers = appointment.identifier ?? [];
  const placer = identifiers.find((identifier) => isOfType(identifier, 'PLAC'));
  const filler =
    identifiers.find((identifier) => isOfType(identifier, 'FILL')) ??
    identifiers.find((identifier) => identifier !== placer);
  if (placer !== undefined || filler !== undefined) return { placer, filler };
  if (appointment.id === undefined) {
    throw new Problem('required', 'the appointment has neither an identifier nor an id', {
      expression: 'Appointment.identifier',
      hint: 'The receiver needs a number to know it again.',
    });
  }
  return { placer: { value: appointment.id, assigner: { display: sender.application } } };
}

function isOfType({ type }: Identifier, code: string): boolean {
  return type?.coding?.some((coding) => coding.code === code) ?? false;
}

/** The orders the appointment is for: SCH-26 and SCH-27. */
function ordersOf(source: Source, appointment: Appointment): { placer?: Identifier; filler?: Identifier }[] {
  return (appointment.basedOn ?? []).flatMap((reference) => {
    const identifiers = source.find(reference, 'ServiceRequest', appointment)?.identifier;
    if (identifiers === undefined) return [];
    const filler = identifiers.find((identifier) => isOfType(identifier, 'FILL'));
    return [{ filler, placer: identifiers.find((identifier) => identifier !== filler) }];
  });
}

function eventReason(appointment: Appointment, { action, reason }: EventMeaning): Value | undefined {
  const isCancelled = action === 'D' && appointment.cancelationReason !== undefined;
  return cwe(isCancelled ? appointment.cancelationReason : { text: reason });
}

const minuteUnit: Value = ['min', 'minute', 'UCUM'];

function minutesOf({ minutesDuration, start, end }: Appointment): string | undefined {
  if (minutesDuration !== undefined) return String(minutesDuration);
  const minutes = (Date.parse(end ?? '') - Date.parse(start ?? '')) / 60_000;
  return minutes > 0 ? String(minutes) : undefined;
}

/** TQ (SCH-11): what receivers before 2.5 read, and most after. */
function timing(appointment: Appointment): Value {
  const minutes = minutesOf(appointment);
  return ['', '', minutes === undefined ? '' : `M${minutes}`, dtm(appointment.start), dtm(appointment.end)];
}

function tq1(appointment: Appointment): Segment {
  const minutes = minutesOf(appointment);
  return segment('TQ1', {
    1: '1',
    6: minutes && one([minutes, ['min', 'minute', 'UCUM']]),
    7: dtm(appointment.start),
    8: dtm(appointment.end),
  });
}

function notesOf({ comment, patientInstruction, description }: Appointment): Segment[] {
  // HL70364: remark, patient instructions, general reason.
  return notes([
    { text: comment, type: 'RE' },
    { text: patientInstruction, type: 'PI' },
    { text: description, type: 'GR' },
  ]);
}

function patientGroup(source: Source, appointment: Appointment): Segment[] {
  const patient = patientOf(source, appointment);
  const [encounter] = source.all('Encounter');
  if (patient === undefined) return [];
  return [pid(patient), ...(encounter === undefined ? [] : [pv1(encounter, source)])];
}

/** RGS and one segment for each service, thing, place and person, each kind counted from 1. */
function resources(source: Source, appointment: Appointment, { action }: EventMeaning, isFiller: boolean): Segment[] {
  const services = (appointment.serviceType ?? []).map((type, index) =>
    segment('AIS', {
      1: String(index + 1),
      2: action,
      3: one(cwe(type)),
      4: dtm(appointment.start),
      7: minutesOf(appointment),
      8: minutesOf(appointment) && one(minuteUnit),
      10: isFiller ? statuses[appointment.status] : undefined,
    }),
  );
  const counts = new Map<string, number>();
  const others = appointment.participant.flatMap((participant) => {
    const made = resource(source, appointment, participant);
    if (made === undefined) return [];
    const { name, fields } = made;
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return [
      segment(name, { 1: String(count), 2: action, ...fields, ...(isFiller ? statusField(name, participant) : {}) }),
    ];
  });
  const inOrder = (name: string): Segment[] => others.filter((other) => other.name === name);
  return [segment('RGS', { 1: '1', 2: action }), ...services, ...inOrder('AIG'), ...inOrder('AIL'), ...inOrder('AIP')];
}

function statusField(name: string, { status }: AppointmentParticipant): Record<number, Field> {
  return { [name === 'AIG' ? 14 : 12]: answers[status] };
}

/** AIG, AIL or AIP by the type of the participant's actor; undefined for the patient and for contacts (SCH says these). */
function resource(
  source: Source,
  appointment: Appointment,
  participant: AppointmentParticipant,
): { name: string; fields: Record<number, Field> } | undefined {
  const { actor, type, period } = participant;
  if (type?.some(({ coding }) => coding?.some(({ code }) => contactRoles.has(code ?? '')))) return undefined;
  const role = type?.[0];
  const [start, minutes] = [
    period?.start ?? appointment.start,
    minutesOf({ ...appointment, ...periodOf(participant) }),
  ];
  const times = (first: number): Record<number, Field> => ({
    [first]: dtm(start),
    [first + 3]: minutes,
    [first + 4]: minutes && one(minuteUnit),
  });
  const place = source.find(actor, 'Location', appointment);
  if (place !== undefined) {
    // Required by some versions, as AIP-4 is.
    const kind = role ?? place.type?.[0] ?? place.physicalType ?? { text: 'Location' };
    return { name: 'AIL', fields: { 3: one(pl(locationsOf(source, place))), 4: one(cwe(kind)), ...times(6) } };
  }
  const person = personOf(source, appointment, participant);
  if (person !== undefined) {
    return { name: 'AIP', fields: { 3: one(xcn(person)), 4: one(cwe(role ?? { text: 'Practitioner' })), ...times(6) } };
  }
  const thing = source.find(actor, 'Device', appointment) ?? source.find(actor, 'HealthcareService', appointment);
  if (thing === undefined) return undefined;
  const name = thing.resourceType === 'Device' ? thing.deviceName?.[0]?.name : thing.name;
  const id: Value = [thing.identifier?.[0]?.value ?? thing.id ?? '', name ?? ''];
  return { name: 'AIG', fields: { 3: one(id), 4: one(cwe(role ?? { text: thing.resourceType })), ...times(8) } };
}

function periodOf({ period }: AppointmentParticipant): Partial<Appointment> {
  return period?.start === undefined ? {} : { minutesDuration: undefined, start: period.start, end: period.end };
}

const contactRoles = new Set(['placer contact', 'filler contact', 'enterer']);

function contactOf(source: Source, appointment: Appointment, role: string): Field {
  const people = appointment.participant
    .filter(({ type }) => type?.some(({ coding }) => coding?.some(({ code }) => code === role)))
    .map((participant) => personOf(source, appointment, participant))
    .filter((person) => person !== undefined);
  return people.length === 0 ? undefined : people.map(xcn);
}

/** A Practitioner, directly or through a PractitionerRole; by the reference's text alone where the Bundle lacks both. */
function personOf(source: Source, appointment: Appointment, { actor }: AppointmentParticipant): Person | undefined {
  const role = source.find(actor, 'PractitionerRole', appointment);
  const person = source.find(role?.practitioner ?? actor, 'Practitioner', role ?? appointment);
  if (person !== undefined) return person;
  const isPerson = actor?.type?.startsWith('Practitioner') ?? actor?.reference?.startsWith('Practitioner') ?? false;
  return isPerson && actor?.display !== undefined ? { name: [{ text: actor.display }] } : undefined;
}

/** SCH-16, SCH-20, ARQ-15 and ARQ-19 are required, and there may be no person: then the application that sends. */
function byApplication({ sender }: Outgoing): Field {
  return one(['', [sender.application]]);
}
