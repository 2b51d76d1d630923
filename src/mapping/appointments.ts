/** Appointments: status by event, times of several segments, who and what takes part. @see HL7 v2-to-FHIR, SIU_S12 */
import { lookUp, toConcept } from './concepts.ts';
import type { RuleInfo } from './functions.ts';
import type { Node } from './nesting.ts';
import { location, practitioner } from './parties.ts';
import type { DraftBuilder, Element, Reference, Run } from './state.ts';

/** HL7 v2.5.1 section 10.5: what each event makes of an appointment; S12 to S14 and S18 to S24 leave it booked. */
const byEvent: Readonly<Record<string, string>> = {
  S04: 'cancelled',
  S15: 'cancelled',
  S16: 'cancelled',
  S17: 'entered-in-error',
  S26: 'noshow',
};

/** Statuses that R4 lets stand without start and end (app-3). */
const timeless = new Set(['proposed', 'cancelled', 'waitlist']);

export function appointmentStatus(node: Node, run: Run, { vocabulary }: RuleInfo): string {
  const sent = node.name === 'SCH' ? node.reader.peek(25) : '';
  const filler = sent === '' || vocabulary === undefined ? undefined : lookUp(sent, vocabulary, `${node.name}-25`, run);
  const isRequest = node.name === 'ARQ';
  const status = byEvent[run.event] ?? (isRequest ? 'proposed' : (filler ?? 'booked'));
  if (timeless.has(status) || status === 'entered-in-error')
    return hasTimes(node, run) || timeless.has(status) ? status : 'cancelled';
  return hasTimes(node, run) ? status : 'proposed';
}

function hasTimes(node: Node, run: Run): boolean {
  const { start, end } = timesOf(node, run);
  return start !== undefined && end !== undefined;
}

/** Start, end and length together: R4 wants both ends or none (app-2). */
export function appointmentTimes(node: Node, run: Run): Element | undefined {
  const { start, end, minutes, taken } = timesOf(node, run);
  const element: Element = {};
  if (start !== undefined && end !== undefined) Object.assign(element, { start, end });
  if (minutes !== undefined) element['minutesDuration'] = minutes;
  for (const take of taken) take();
  return Object.keys(element).length === 0 ? undefined : element;
}

interface Times {
  start?: string;
  end?: string;
  minutes?: number;
  readonly taken: (() => void)[];
}

/** Where each segment says start, length and the unit of the length; SCH-11 is of versions before 2.5. */
const places: readonly (readonly [segment: string, start: number, length: number, unit: number])[] = [
  ['AIS', 4, 7, 8],
  ['AIP', 6, 9, 10],
  ['AIL', 6, 9, 10],
  ['AIG', 8, 11, 12],
];

function timesOf(node: Node, run: Run): Times {
  const times: Times = { taken: [] };
  const minutes = minutesOf(node, 9, 10);
  if (minutes !== undefined) {
    times.minutes = minutes;
    times.taken.push(() => node.reader.take(9));
  }
  takeInstant(times, 'start', node.find('TQ1'), 7, 0, run);
  takeInstant(times, 'end', node.find('TQ1'), 8, 0, run);
  if (node.name === 'SCH') {
    takeInstant(times, 'start', node, 11, 4, run);
    takeInstant(times, 'end', node, 11, 5, run);
  }
  for (const [segment, start, length, unit] of places) {
    const resource = run.nodes.find(({ name }) => name === segment);
    takeInstant(times, 'start', resource, start, 0, run);
    if (resource !== undefined) times.minutes ??= minutesOf(resource, length, unit);
  }
  if (times.start !== undefined && times.end === undefined && times.minutes !== undefined)
    times.end = later(times.start, times.minutes);
  return times;
}

function takeInstant(
  times: Times,
  end: 'start' | 'end',
  node: Node | undefined,
  field: number,
  component: number,
  run: Run,
): void {
  const [part] = node?.reader.parts(field) ?? [];
  if (part === undefined || times[end] !== undefined) return;
  const text = component === 0 ? part.peek(1) : part.child(component).peek(1);
  const value = run.instant(text);
  // Only what has a zone of its own or its endpoint's is a time that a person can keep.
  if (typeof value !== 'string') return;
  times[end] = value;
  times.taken.push(() => part.take(component === 0 ? 1 : component));
}

/** A length in minutes, whatever unit it was sent in; undefined for one that is no whole number of minutes. */
function minutesOf(node: Node, field: number, unitField: number): number | undefined {
  const value = Number(node.reader.peek(field));
  const factor = minutesIn(node.reader.peek(unitField));
  const minutes = value * factor;
  return Number.isInteger(minutes) && minutes > 0 && minutes < 1_000_000 ? minutes : undefined;
}

function minutesIn(unit: string): number {
  const text = unit.toUpperCase();
  if (/^(H|HR|HRS|HOUR|HOURS)$/.test(text)) return 60;
  if (/^(D|DAY|DAYS)$/.test(text)) return 1_440;
  return /^(S|SEC|SECONDS)$/.test(text) ? 1 / 60 : 1;
}

/** The same wall clock and offset, some minutes later. */
function later(start: string, minutes: number): string {
  const match = /(Z|[+-]\d\d:\d\d)$/.exec(start);
  const zone = match?.[1] ?? 'Z';
  const offset =
    zone === 'Z' ? 0 : (zone.startsWith('-') ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4)));
  const local = new Date(Date.parse(start) + (minutes + offset) * 60_000);
  return `${local.toISOString().slice(0, 19)}${zone}`;
}

/** The field that names who or what takes part, and how the reference is made. */
export function appointmentActor(node: Node, run: Run): Element | undefined {
  // HL70287 D: what is taken out of the appointment.
  if (node.reader.peek(2) === 'D') return undefined;
  const [part] = node.reader.parts(3);
  if (part === undefined) return undefined;
  const actor = actorOf(node, run);
  if (actor === undefined) return undefined;
  const [kind] = node.reader.parts(4);
  const type = kind === undefined || node.name === 'AIS' ? undefined : toConcept(kind, run, info(node, 4));
  const period = periodOf(node, run);
  const status = cancelled.has(run.event) ? 'declined' : 'accepted';
  return {
    ...(type === undefined ? undefined : { type: [type] }),
    actor,
    status,
    ...(period === undefined ? undefined : { period }),
  };
}
const cancelled = new Set(['S04', 'S15', 'S16', 'S17']);

function info(node: Node, field: number): RuleInfo {
  return { position: `${node.name}-${field}`, vocabulary: undefined };
}

function actorOf(node: Node, run: Run): Reference | undefined {
  const [part] = node.reader.parts(3);
  if (part === undefined) return undefined;
  if (node.name === 'AIP') return practitioner(part, run, info(node, 3));
  if (node.name === 'AIL') return location(part, run);
  const concept = toConcept(part, run, info(node, 3));
  const words = part.peek(2) || part.peek(1);
  if (concept === undefined || words === '') return undefined;
  const type = node.name === 'AIS' ? 'HealthcareService' : 'Device';
  const content =
    type === 'Device'
      ? { type: concept, deviceName: [{ name: words, type: 'user-friendly-name' }] }
      : { type: [concept], name: words };
  const draft = run.share(type, [part.peek(3) || run.facility, part.peek(1) || words], content);
  return { reference: draft.reference, display: words };
}

/** When the resource is needed, where its segment says so. */
function periodOf(node: Node, run: Run): Element | undefined {
  const place = places.find(([segment]) => segment === node.name);
  if (place === undefined) return undefined;
  const [, startField, length, unit] = place;
  const [part] = node.reader.parts(startField);
  const start = part && run.dateTime(part.peek(1));
  if (typeof start !== 'string' || !start.includes('T')) return undefined;
  part?.take(1);
  const minutes = minutesOf(node, length, unit);
  if (minutes === undefined) return { start };
  node.reader.take(length);
  if (unit !== 0) node.reader.take(unit);
  return { start, end: later(start, minutes) };
}

/** HL70485 and words, as a number: 1 is the most urgent (RFC 5545 section 3.8.1.9, as R4 asks). */
export function appointmentPriority(text: string): number | undefined {
  const ranks: Readonly<Record<string, number>> = { S: 1, A: 2, P: 3, T: 3, R: 5, STAT: 1, ASAP: 2, ROUTINE: 5 };
  return ranks[text.toUpperCase()];
}

/** NTE where R4 has only a text. */
export function noteText(node: Node): string | undefined {
  const lines = node.reader.parts(3);
  const text = lines.map((line) => line.peekAll()).join('\n');
  if (text.trim() === '') return undefined;
  for (const line of lines) line.takeAll();
  return text;
}

/** The patients of an appointment take part in it; R4 requires a participant, so that of nobody known has an unknown one. */
export function patientParticipants(_node: Node, draft: DraftBuilder, run: Run): readonly Element[] {
  const status = cancelled.has(run.event) ? 'declined' : 'accepted';
  const patients = run.drafts.filter(({ type }) => type === 'Patient');
  if (patients.length > 0) return patients.map(({ reference }) => ({ actor: { reference }, status }));
  return draft.resource['participant'] === undefined ? [{ type: [{ text: 'unknown' }], status: 'needs-action' }] : [];
}
