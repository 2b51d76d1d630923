/**
 * When something is to be done: TQ1, and the TQ that stood in ORC-7, OBR-27 and RXE-1 before version 2.5, as Timing.
 *
 * @see HL7 v2-to-FHIR, TQ1[ServiceRequest], TQ[MedicationRequest] and RPT[Timing]
 */
import { toConcept } from './concepts.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import { numeric } from './number.ts';
import type { Part } from '../message/part.ts';
import type { Element, Run } from '../message/state.ts';
import { parseTm } from './time.ts';

const ucum = 'http://unitsofmeasure.org';

/** TQ1. What Timing cannot say (a service duration beside its start, a conjunction) stays for other rules. */
export function timing({ reader }: Node, run: Run, info: RuleInfo): Element | undefined {
  const [pattern] = reader.parts(3);
  const repeat: Element = { ...bounds(reader.parts(7)[0], 1, reader.parts(8)[0], 1, run) };
  if (repeat['boundsPeriod'] === undefined) putBoundsDuration(repeat, reader.parts(6)[0], run);
  // tim-8: a countMax needs a count, which HL7v2 does not tell apart from it.
  putCount(repeat, reader.parts(14)[0], 1);
  putDuration(repeat, reader.parts(13)[0], run);
  const code = pattern && putPattern(repeat, pattern, run, info);
  // tim-10: a time of day or an event of the day, not both.
  const times =
    repeat['when'] === undefined
      ? reader
          .parts(4)
          .map(takeTime)
          .filter((time) => time !== undefined)
      : [];
  if (times.length > 0) repeat['timeOfDay'] = times;
  return timingOf(repeat, code);
}

/** TQ: the interval is RI, a pattern and explicit times; the duration is a letter and a number. @see HL7 v2.3.1 section 4.4 */
export function timingQuantity(part: Part, run: Run): Element | undefined {
  const repeat: Element = { ...bounds(part, 4, part, 5, run) };
  const length = lengthOf.exec(part.peek(3));
  if (length?.[1] === 'X') {
    repeat['count'] = Number(length[2]);
    part.take(3);
  } else if (length !== null && repeat['boundsPeriod'] === undefined) {
    const code = unitCodeOf(length[1] as string, run);
    repeat['boundsDuration'] = { value: Number(length[2]), unit: code, system: ucum, code };
    part.take(3);
  }
  if (repeat['count'] === undefined) putCount(repeat, part, 12);
  const interval = part.child(2);
  const code = interval.peek(1);
  if (code !== '' && code !== '""') {
    interval.take(1);
    Object.assign(repeat, repetitionOf(code, run));
  }
  return timingOf(repeat, code === '' || code === '""' ? undefined : { text: code });
}
/** S30, M90, H12, D4, W2, L3: seconds to months; X3: three times. */
const lengthOf = /^([SMHDWLX])(\d{1,6})$/;

function timingOf(repeat: Element, code: unknown): Element | undefined {
  const hasRepeat = Object.keys(repeat).length > 0;
  if (!hasRepeat && code === undefined) return undefined;
  return { ...(hasRepeat && { repeat }), ...(code !== undefined && { code }) };
}

function bounds(from: Part | undefined, start: number, to: Part | undefined, end: number, run: Run): Element {
  const period: Element = {};
  const starts = from && run.dateTime(from.peek(start));
  const ends = to && run.dateTime(to.peek(end));
  if (typeof starts === 'string') {
    period['start'] = starts;
    from?.take(start);
  }
  // per-1: a period that is sent the wrong way round is no period.
  if (typeof ends === 'string' && !(typeof starts === 'string' && Date.parse(ends) < Date.parse(starts))) {
    period['end'] = ends;
    to?.take(end);
  }
  return Object.keys(period).length === 0 ? {} : { boundsPeriod: period };
}

function putBoundsDuration(repeat: Element, part: Part | undefined, run: Run): void {
  const length = part && durationOf(part, run);
  if (length !== undefined) repeat['boundsDuration'] = { ...length, unit: length.code, system: ucum };
}

function putDuration(repeat: Element, part: Part | undefined, run: Run): void {
  const length = part && durationOf(part, run);
  if (length === undefined) return;
  repeat['duration'] = length.value;
  repeat['durationUnit'] = length.code;
}

function putCount(repeat: Element, part: Part | undefined, component: number): void {
  const text = part?.peek(component) ?? '';
  if (!/^0*[1-9]\d{0,8}$/.test(text)) return;
  part?.take(component);
  repeat['count'] = Number(text);
}

/** CQ whose unit is one of time: `8^h`. */
function durationOf(
  part: Part,
  run: Run,
): { value: NonNullable<ReturnType<typeof numeric>>; code: string } | undefined {
  const value = numeric(part.peek(1));
  const unit = part.child(2);
  const code = unitCodeOf(unit.peek(1) || unit.peek(2), run);
  if (value === undefined || code === undefined || part.peek(1).startsWith('-')) return undefined;
  part.take(1);
  unit.takeAll();
  return { value, code };
}

function unitCodeOf(text: string, run: Run): string | undefined {
  const entries = run.map.vocabularies.get('time-unit')?.entries;
  return entries?.get(text)?.code ?? entries?.get(text.toUpperCase())?.code;
}

function takeTime(part: Part): string | undefined {
  const time = parseTm(part.peek(1));
  if (time !== undefined) part.take(1);
  return time;
}

/** RPT: how often by its own components, else by what the code of HL70335 says. @returns the code */
function putPattern(repeat: Element, part: Part, run: Run, info: RuleInfo): unknown {
  const code = toConcept(part.child(1), run, info);
  const periodUnit = unitCodeOf(part.child(6).peek(1), run);
  const period = numeric(part.peek(5));
  if (period !== undefined && periodUnit !== undefined) {
    Object.assign(repeat, { frequency: 1, period, periodUnit });
    part.take(5);
    part.child(6).takeAll();
  } else {
    Object.assign(repeat, repetitionOf(part.child(1).peek(1), run));
  }
  putEvent(repeat, part, run);
  putDaysOfWeek(repeat, part);
  return code;
}

/** R4 event-timing, as HL70528 has it. */
const events = new Set(
  ['HS', 'WAKE', 'C', 'CM', 'CD', 'CV', 'AC', 'ACM', 'ACD', 'ACV', 'PC', 'PCM', 'PCD', 'PCV'], // prettier-ignore
);

function putEvent(repeat: Element, part: Part, run: Run): void {
  const event = part.peek(8);
  if (!events.has(event)) return;
  part.take(8);
  repeat['when'] = [event];
  const offset = part.peek(9);
  const unit = unitCodeOf(part.child(10).peek(1), run);
  const minutes = unit === undefined ? undefined : minutesOf[unit];
  // tim-9: an offset is from something, and R4 has it in minutes.
  if (minutes === undefined || event.startsWith('C') || !/^\d{1,6}$/.test(offset)) return;
  part.take(9);
  part.child(10).takeAll();
  repeat['offset'] = Number(offset) * minutes;
}
const minutesOf: Readonly<Record<string, number>> = { min: 1, h: 60, d: 1440 };

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];

/** RPT.2 DW: the phase is in days of the week, from 1 (Monday) to 7. @see HL7 v2.5.1 section 2.A.61 */
function putDaysOfWeek(repeat: Element, part: Part): void {
  if (part.peek(2) !== 'DW') return;
  const [first, last] = [part.peek(3), part.peek(4) || part.peek(3)];
  if (!/^[1-7]$/.test(first) || !/^[1-7]$/.test(last)) return;
  for (const index of [2, 3, 4]) part.take(index);
  const from = Number(first) - 1;
  const length = ((Number(last) - Number(first) + 7) % 7) + 1;
  repeat['dayOfWeek'] = Array.from({ length }, (_, index) => days[(from + index) % 7]);
}

const timesADay: Readonly<Record<string, number>> = { BID: 2, TID: 3, QID: 4 };
const eventCodes: Readonly<Record<string, string>> = { QHS: 'HS', QAM: 'MORN', QPM: 'EVE' };

/** What a code of HL70335 says in numbers; empty for the others, which stay codes. */
function repetitionOf(code: string, run: Run): Element {
  const text = code.toUpperCase();
  if (text === 'ONCE') return { count: 1 };
  if (text === 'QOD') return { frequency: 1, period: 2, periodUnit: 'd' };
  const event = eventCodes[text];
  if (event !== undefined) return { frequency: 1, period: 1, periodUnit: 'd', when: [event] };
  const times = timesADay[text] ?? Number(/^(\d{1,2})ID$/.exec(text)?.[1] ?? 0);
  if (times > 0) return { frequency: times, period: 1, periodUnit: 'd' };
  const [, count, letter] = /^Q(\d{0,4})([SMHDWL])$/.exec(text) ?? [];
  const periodUnit = letter === undefined ? undefined : unitCodeOf(letter, run);
  if (periodUnit === undefined || count === '0') return {};
  return { frequency: 1, period: count === '' ? 1 : Number(count), periodUnit };
}
