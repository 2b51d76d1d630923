/**
 * What goes wrong in hospitals, laid over a stream that stays as it is: messages that are sent twice, connections that break before the
 * answer, results that overtake each other, a person registered under two numbers and merged, messages that are broken. Which message it
 * happens to follows from the seed and its number alone.
 */
import { hash } from 'node:crypto';
import type { Hospital } from './hospitals.ts';
import { adtMessage, encodeMessage, mergeMessage } from './messages.ts';
import { randomOf } from './random.ts';
import type { Statement } from './statement.ts';
import type { SimulatedMessage, Simulation } from './stream.ts';
import { visitsAtOnce } from './stream.ts';

export interface Letter {
  readonly hospital: Hospital;
  readonly controlId: string;
  readonly type: string;
  readonly mrn: string;
  readonly bytes: Buffer;
  /** SHA-256 of the bytes, hex. */
  readonly digest: string;
  readonly statement?: Statement;
  /** It must not be processed: refused at the door, or quarantined with its reason. */
  readonly isBroken?: boolean;
  /** The connection breaks after it was sent, before the answer is read: nobody knows whether it arrived, and it is sent again. */
  readonly isCutOff?: boolean;
}

export interface Mishaps {
  /** Of a hundred messages, how many are sent twice, cut off before the answer, or followed by a broken one. */
  readonly duplicates: number;
  readonly cuts: number;
  readonly broken: number;
  /** Of a hundred visits, in how many a result overtakes the one before it, and how many begin under a second record number. */
  readonly late: number;
  readonly merges: number;
}

export const noMishaps: Mishaps = { duplicates: 0, cuts: 0, broken: 0, late: 0, merges: 0 };

/** @param percent how bad the day is: this many of a hundred for each kind */
export function mishapsOf(percent: number): Mishaps {
  return { duplicates: percent, cuts: percent, broken: percent, late: percent, merges: percent };
}

/** Streams of randomness beside those of the messages (stream.ts, visit.ts use 1 to 8). */
const [perMessage, perVisit] = [21, 22];
/** Steps of a course that may change places: a report and the one after it. */
const overtaken = 1;
const courseEnd = 7;

/** What is sent in the place of message `number`, in order. Without mishaps, that message. */
export function lettersAt(simulation: Simulation, seed: number, number: number, mishaps: Mishaps): Letter[] {
  const message = simulation.messageAt(inPlaceOf(simulation, seed, number, mishaps));
  const random = randomOf(seed, number, perMessage);
  const [isTwice, isCutOff, isBroken] = [
    random.chance(mishaps.duplicates),
    random.chance(mishaps.cuts),
    random.chance(mishaps.broken),
  ];
  const letter: Letter = { ...letterOf(message, message.bytes), statement: message.statement, isCutOff };
  const letters = [letter];
  if (isTwice) letters.push({ ...letter, isCutOff: false });
  if (isBroken) letters.push(brokenLetter(message, random.below(breakages.length)));
  if (isMerged(seed, message, mishaps)) {
    if (message.position === 0) letters.unshift(underSecondNumber(message));
    if (message.position === courseEnd) letters.push(merge(message));
  }
  return letters;
}

/** Hospitals of which every `percent` of a hundred has a clock that is up to an hour off. */
export function withClocksOff(hospitals: readonly Hospital[], seed: number, percent: number): Hospital[] {
  const minuteMs = 60_000;
  return hospitals.map((hospital, index) => {
    const random = randomOf(seed, index, perVisit + 1);
    if (!random.chance(percent)) return hospital;
    return { ...hospital, clockMs: random.pick([-1, 1]) * random.between(2, 60) * minuteMs };
  });
}

function inPlaceOf(simulation: Simulation, seed: number, number: number, { late }: Mishaps): number {
  if (late === 0) return number;
  const { position, visitNumber } = simulation.messageAt(number);
  if (position !== overtaken && position !== overtaken + 1) return number;
  if (!randomOf(seed, visitNumber, perVisit).chance(late)) return number;
  const [first, second] = position === overtaken ? [number, number + visitsAtOnce] : [number - visitsAtOnce, number];
  const isResults = [first, second].every((one) => simulation.messageAt(one).type === 'ORU^R01');
  if (!isResults) return number;
  return number === first ? second : first;
}

function letterOf(message: SimulatedMessage, bytes: Buffer, controlId = message.controlId): Letter {
  const { hospital, type, mrn } = message;
  return { hospital, controlId, type, mrn, bytes, digest: hash('sha256', bytes, 'hex') };
}

function isMerged(seed: number, { visitNumber, type }: SimulatedMessage, { merges }: Mishaps): boolean {
  return type.startsWith('ADT') && randomOf(seed, visitNumber, perVisit, 1).chance(merges);
}

/** At the desk the person was not found, and got a new number. */
function underSecondNumber(message: SimulatedMessage): Letter {
  const number = `${message.visit.number}T`;
  const visit = { ...message.visit, mrn: secondNumber(message), number };
  const controlId = `${message.controlId}T`;
  const text = adtMessage(visit, 'A04', { controlId, at: message.sentAt });
  const letter = letterOf(message, encodeMessage(message.hospital, text), controlId);
  return { ...letter, type: 'ADT^A04', mrn: visit.mrn, statement: { is: 'visit', key: number, status: 'in-progress' } };
}

function merge(message: SimulatedMessage): Letter {
  const controlId = `${message.controlId}M`;
  const from = secondNumber(message);
  const text = mergeMessage(message.visit, from, { controlId, at: message.sentAt });
  const letter = letterOf(message, encodeMessage(message.hospital, text), controlId);
  return { ...letter, type: 'ADT^A40', statement: { is: 'merge', key: `${message.hospital.facility}|${from}` } };
}

function secondNumber({ visitNumber, mrn }: SimulatedMessage): string {
  return `T${visitNumber}-${mrn}`;
}

/** None of these may become a record. Each can still be answered: the header is whole. */
const breakages: readonly ((text: string) => string)[] = [
  // Nobody's: the segment that says whose it is got lost.
  (text) => text.replace(/\rPID\|[^\r]*/, ''),
  // No such event.
  (text) => text.replace(/\|(ADT|ORU)\^[A-Z0-9]+\^[A-Z0-9_]+\|/, '|ZZZ^Z99^ZZZ_Z99|'),
  // Cut off after the header.
  (text) => text.slice(0, text.indexOf('\r') + 1),
];

function brokenLetter(message: SimulatedMessage, which: number): Letter {
  const controlId = `${message.controlId}X`;
  const text = breakages[which]?.(message.text.replace(message.controlId, controlId)) ?? '';
  return { ...letterOf(message, encodeMessage(message.hospital, text), controlId), isBroken: true };
}
