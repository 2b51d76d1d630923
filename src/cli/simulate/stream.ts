/**
 * An endless stream of messages from simulated hospitals. `messageAt(n)` is a function of the seed and `n` alone: any
 * message can be made without the ones before it, two processes can share the work, and a repeated run sends the same
 * bytes (so to a hub it is a re-send).
 *
 * A visit is a course of {@link courseLength} messages in order. Visits run in blocks of {@link visitsAtOnce}, whose
 * messages take turns. Every two visits are one person at two hospitals.
 */
import { hospitalAt, type Hospital } from './hospitals.ts';
import { adtMessage, encodeMessage, oruMessage, type AdtEvent, type ResultStatus } from './messages.ts';
import { personAt, type Person } from './people.ts';
import { randomOf } from './random.ts';
import { reportStatuses, type Statement } from './statement.ts';
import { correctedOrder, orderOf, visitOf, type Visit } from './visit.ts';

export interface SimulatedMessage {
  readonly number: number;
  readonly controlId: string;
  /** MSH-9.1 and 9.2: `ADT^A01`. */
  readonly type: string;
  readonly hospital: Hospital;
  readonly person: Person;
  readonly mrn: string;
  readonly visit: Visit;
  /** Number of the step within its visit, and of the visit within its seed. */
  readonly position: number;
  readonly visitNumber: number;
  readonly sentAt: Date;
  readonly statement: Statement;
  readonly text: string;
  /** In the hospital's charset, without MLLP framing. */
  readonly bytes: Buffer;
}

export interface Simulation {
  readonly hospitals: readonly Hospital[];
  messageAt(number: number): SimulatedMessage;
}

export interface SimulationOptions {
  readonly seed: number;
  readonly hospitals: readonly Hospital[];
  /** `mixed`: admissions and results as a hospital sends them; `results`: only ORU^R01. */
  readonly mix?: 'mixed' | 'results';
  /** Time of the first admission. Fixed by default, so that a seed means the same bytes on any day. */
  readonly startAt?: Date;
  /** People before the first one comes again. */
  readonly population?: number;
}

type Report = readonly [order: number, status: ResultStatus];
type Step = AdtEvent | Report;

const inpatient: readonly Step[] = ['A01', [1, 'P'], [1, 'F'], 'A08', [2, 'F'], [3, 'F'], [2, 'C'], 'A03'];
const outpatient: readonly Step[] = ['A04', [1, 'F'], [2, 'F'], 'A08', [2, 'C'], [3, 'F'], [4, 'F'], 'A03'];
const cancelled: readonly Step[] = ['A01', 'A11', 'A01', [1, 'F'], [2, 'F'], 'A08', [2, 'C'], 'A03'];
const results: readonly Step[] = [1, 2, 3, 4, 5, 6, 7, 8].map((order) => [order, 'F'] as const);

export const courseLength = 8;
export const visitsAtOnce = 64;
const cancelledPercent = 5;
const defaultStart = new Date('2026-01-05T00:30:00Z');
const defaultPopulation = 1000;
/** Time between two admissions, and between two steps of a visit. */
const paceMs = 60_000;
const stepMs = 6 * 3_600_000;
/** Recently used visits: a block is 64, two of them cover callers that look a little back. */
const visitsCached = 2 * visitsAtOnce;

/** Hospitals number 0 to `count - 1`. */
export function simulatedHospitals(count: number): Hospital[] {
  return Array.from({ length: count }, (_, index) => hospitalAt(index));
}

export function simulate(options: SimulationOptions): Simulation {
  const { seed, hospitals, mix = 'mixed', startAt = defaultStart, population = defaultPopulation } = options;
  const planOf = remember((visit: number) => plan(visit));

  function plan(visit: number): { visit: Visit; course: readonly Step[] } {
    const personIndex = Math.floor(visit / 2) % population;
    const person = personAt(seed, personIndex);
    const hospital = hospitals[hospitalIndex(personIndex, visit % 2)] as Hospital;
    const admittedAt = new Date(startAt.getTime() + visit * paceMs);
    const details = visitOf({ seed, visit, personIndex, person, hospital, admittedAt });
    if (mix === 'results') return { visit: details, course: results };
    const isCancelled = randomOf(seed, visit, 7).chance(cancelledPercent);
    if (isCancelled) return { visit: { ...details, patientClass: 'I' }, course: cancelled };
    return { visit: details, course: details.patientClass === 'I' ? inpatient : outpatient };
  }

  return {
    hospitals,
    messageAt: (number) => {
      const inBlock = number % (visitsAtOnce * courseLength);
      const visitNumber = Math.floor(number / (visitsAtOnce * courseLength)) * visitsAtOnce + (inBlock % visitsAtOnce);
      const { visit, course } = planOf(visitNumber);
      const position = Math.floor(inBlock / visitsAtOnce);
      const step = course[position] as Step;
      const controlId = `S${seed}N${number}`;
      const sentAt = new Date(timeOf(visit, position).getTime() + (visit.hospital.clockMs ?? 0));
      const envelope = { controlId, at: sentAt };
      const said = typeof step === 'string' ? ofVisit(step) : report(step);
      const { text } = said;
      return {
        number,
        controlId,
        type: typeof step === 'string' ? `ADT^${step}` : 'ORU^R01',
        hospital: visit.hospital,
        person: visit.person,
        mrn: visit.mrn,
        visit,
        position,
        visitNumber,
        sentAt,
        statement: said.statement,
        text,
        bytes: encodeMessage(visit.hospital, text),
      };

      function ofVisit(event: AdtEvent): { text: string; statement: Statement } {
        const status = event === 'A03' ? 'finished' : event === 'A11' ? 'cancelled' : 'in-progress';
        return { text: adtMessage(visit, event, envelope), statement: { is: 'visit', key: visit.number, status } };
      }

      function report([ordinal, status]: Report): { text: string; statement: Statement } {
        const first = course.findIndex((other) => typeof other !== 'string' && other[0] === ordinal);
        const asked = orderOf(seed, visitNumber, ordinal, timeOf(visit, first));
        const order = status === 'C' ? correctedOrder(asked) : asked;
        const { filler: key, values } = order;
        return {
          text: oruMessage(visit, order, status, envelope),
          statement: { is: 'report', key, status: reportStatuses[status], values },
        };
      }
    },
  };

  /** Everybody goes to two hospitals, always the same two. */
  function hospitalIndex(personIndex: number, which: number): number {
    const random = randomOf(seed, personIndex, 8);
    const first = random.below(hospitals.length);
    const away = random.below(hospitals.length - 1) + 1;
    return (first + which * away) % hospitals.length;
  }

  function timeOf(visit: Visit, position: number): Date {
    // Results alone have no admission before them: the first one comes a step later.
    const steps = mix === 'results' ? position + 1 : position;
    return new Date(visit.admittedAt.getTime() + steps * stepMs);
  }
}

/** Message `number` of a seed from three hospitals; for many messages build one {@link simulate} and keep it. */
export function messageAt(seed: number, number: number): SimulatedMessage {
  return simulate({ seed, hospitals: simulatedHospitals(3) }).messageAt(number);
}

function remember<T>(make: (key: number) => T): (key: number) => T {
  const known = new Map<number, T>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) {
      value = make(key);
      known.set(key, value);
      if (known.size > visitsCached) known.delete(known.keys().next().value as number);
    }
    return value;
  };
}
