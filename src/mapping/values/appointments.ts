/**
 * Appointments: what an event makes of one, when it is, what is said about it, and the slot it takes. Who and what takes part is
 * in participants.ts.
 *
 * @see HL7 v2.5.1 chapter 10 and HL7 v2-to-FHIR, SIU_S12
 */
import { lookUp, toConcept } from './concepts.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import { resourceActors, resourceTimes } from './participants.ts';
import { durationOf, laterBy } from './duration.ts';
import type { Element, Reference, Run } from '../message/state.ts';

/** What the event itself says, whatever SCH-25 does. @see HL7 v2.5.1 sections 10.3 and 10.4 */
const byEvent: Readonly<Record<string, string>> = {
  SIU_S15: 'cancelled',
  SIU_S16: 'cancelled',
  SIU_S17: 'entered-in-error',
  SIU_S26: 'noshow',
  SRM_S04: 'cancelled',
  SRM_S05: 'cancelled',
  SRM_S06: 'entered-in-error',
};

/** R4 app-3: these alone may be without start and end. */
const timeless = new Set(['proposed', 'cancelled', 'waitlist']);

/** By the event, else by SCH-25 (HL70278); a request is proposed until the filler answers. */
export function appointmentStatus(node: Node, run: Run, { vocabulary }: RuleInfo): string {
  const isRequest = node.name === 'ARQ';
  const sent = isRequest ? '' : node.reader.peek(25);
  const filler = sent === '' || vocabulary === undefined ? undefined : lookUp(sent, vocabulary, 'SCH-25', run);
  const type = node.root.reader.peek(9).split('_', 1)[0];
  const status = byEvent[`${type}_${run.event}`] ?? filler ?? (isRequest ? 'proposed' : 'booked');
  if (timeless.has(status)) return status;
  const { start, end } = timesOf(node, run);
  if (start !== undefined && end !== undefined) return status;
  return status === 'entered-in-error' ? 'cancelled' : 'proposed';
}

/** Start, end and length: R4 wants both ends or none (app-2). */
export function appointmentTimes(node: Node, run: Run): Element | undefined {
  const { start, end, minutes, taken } = timesOf(node, run);
  for (const take of taken) take();
  const element: Element = {};
  if (start !== undefined && end !== undefined) Object.assign(element, { start, end });
  if (minutes !== undefined) element['minutesDuration'] = minutes;
  return Object.keys(element).length === 0 ? undefined : element;
}

/** The times alone, for what answers a request. */
export function responseTimes(node: Node, run: Run): Element | undefined {
  const { start, end } = timesOf(node, run);
  return start === undefined || end === undefined ? undefined : { start, end };
}

interface Times {
  start?: string;
  end?: string;
  minutes?: number;
  readonly taken: (() => void)[];
}

/** TQ1 since 2.5, SCH-11 before it, else what the first resource with a time says. */
function timesOf(node: Node, run: Run): Times {
  const times: Times = { taken: [] };
  const minutes = durationOf(node, 9, 10);
  if (minutes !== undefined) {
    times.minutes = minutes;
    times.taken.push(() => node.reader.take(9));
  }
  const timing = node.find('TQ1');
  if (timing !== undefined) {
    takeInstant(times, 'start', timing, [7, 0], run);
    takeInstant(times, 'end', timing, [8, 0], run);
  }
  if (node.name === 'SCH') {
    takeInstant(times, 'start', node, [11, 4], run);
    takeInstant(times, 'end', node, [11, 5], run);
    takeTimingLength(times, node);
  }
  if (times.start === undefined) {
    const resource = resourceTimes(run);
    times.start = resource?.start;
    times.minutes ??= resource?.minutes;
  }
  if (times.start !== undefined && times.end === undefined && times.minutes !== undefined) {
    times.end = laterBy(times.start, times.minutes);
  }
  return times;
}

/** TQ.3: `M30`, or a number alone. @see HL7 v2.5.1 section 4.3.3 */
function takeTimingLength(times: Times, node: Node): void {
  const [part] = node.reader.parts(11);
  const digits = /^M?([1-9]\d{0,5})$/.exec(part?.peek(3) ?? '')?.[1];
  if (part === undefined || digits === undefined) return;
  times.minutes ??= Number(digits);
  // The same length in two places is one; another one is kept beside.
  if (times.minutes === Number(digits)) times.taken.push(() => part.take(3));
}

function takeInstant(
  times: Times,
  end: 'start' | 'end',
  node: Node,
  [field, component]: readonly [number, number],
  run: Run,
): void {
  const [part] = node.reader.parts(field);
  if (part === undefined) return;
  const value = run.instant(component === 0 ? part.peek(1) : part.child(component).peek(1));
  // Only what has a zone, its own or its endpoint's, is a time that a person can keep. Another one than before is kept beside.
  if (typeof value !== 'string' || (times[end] ?? value) !== value) return;
  times[end] = value;
  times.taken.push(() => part.take(component === 0 ? 1 : component));
}

/** HL70485 and words, as a number: 1 is the most urgent (RFC 5545 section 3.8.1.9, as R4 asks). */
export function appointmentPriority(text: string): number | undefined {
  const ranks: Readonly<Record<string, number>> = { S: 1, A: 2, P: 3, T: 3, R: 5, STAT: 1, ASAP: 2, ROUTINE: 5 };
  return ranks[text.toUpperCase()];
}

const noteHolders = new Set(['SCH', 'ARQ', 'TQ1', 'RGS', 'AIS', 'AIG', 'AIL', 'AIP']);
const patientInstruction = 'PI';

/**
 * The notes of an appointment and of its services and resources, as lines: R4 has one text for them all, and one for those that
 * are for the patient (NTE-4 PI, HL70364). @see HL7 v2-to-FHIR, NTE[Appointment-Comment]
 */
export function appointmentNotes(_node: Node, run: Run): Element | undefined {
  const lines: Record<'comment' | 'patientInstruction', string[]> = { comment: [], patientInstruction: [] };
  for (const { name, parent, reader } of run.nodes) {
    if (name !== 'NTE' || !noteHolders.has(parent?.name ?? '')) continue;
    const kind = reader.peek(4) === patientInstruction ? 'patientInstruction' : 'comment';
    for (const part of reader.parts(3)) {
      if (part.value.isNull) continue;
      lines[kind].push(part.peekAll());
      part.takeAll();
    }
    if (kind === 'patientInstruction') reader.take(4);
  }
  const texts = Object.entries(lines).map(([name, list]) => [name, list.join('\n')] as const);
  const element = Object.fromEntries(texts.filter(([, text]) => text.trim() !== ''));
  return Object.keys(element).length === 0 ? undefined : element;
}

/** What the event makes of the time that the appointment takes; any other takes it. */
const slotStatuses: Readonly<Record<string, string>> = {
  S15: 'free',
  S16: 'free',
  S17: 'free',
  S23: 'busy-unavailable',
  S24: 'free',
};

/**
 * SCH-5: the schedule that the appointment is in, and its slot there, which is the appointment's own and moves with it. Only with a
 * time, and with somebody or something whose schedule it is: R4 requires both. @returns a reference to the Slot
 */
export function appointmentSlot(node: Node, run: Run, info: RuleInfo): Reference | undefined {
  const [part] = node.reader.parts(5);
  const appointment = node.drafts.find(({ type }) => type === 'Appointment');
  const { start, end } = timesOf(node, run);
  if (part === undefined || appointment === undefined || start === undefined || end === undefined) return undefined;
  const actor = resourceActors(run);
  const concept = actor.length === 0 ? undefined : toConcept(part, run, info);
  if (concept === undefined) return undefined;
  const value = part.peek(1) || part.peek(2);
  const schedule = run.share('Schedule', [part.peek(3) || run.facility, value], {
    identifier: [{ value }],
    ...(concept.text === undefined && concept.coding?.[0]?.display === undefined
      ? undefined
      : { comment: concept.text ?? concept.coding?.[0]?.display }),
    actor,
  });
  const slot = run.share('Slot', [appointment.reference], {
    schedule: { reference: schedule.reference },
    status: slotStatuses[run.event] ?? 'busy',
    start,
    end,
  });
  return { reference: slot.reference };
}
