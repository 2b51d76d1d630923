/** What a hospital's systems know of one visit and its laboratory orders; everything follows from the keys given. */
import type { Hospital } from './hospitals.ts';
import { allergens, diagnoses, panels, type Allergen, type Diagnosis, type Panel } from './panels.ts';
import type { Person } from './people.ts';
import { randomOf, type Random } from './random.ts';

export interface Doctor {
  readonly id: string;
  readonly family: string;
  readonly given: string;
}

export interface Visit {
  readonly hospital: Hospital;
  readonly person: Person;
  /** The record number that this hospital gave the person (PID-3, type MR). */
  readonly mrn: string;
  /** PV1-19. */
  readonly number: string;
  /** PV1-2 (HL70004): inpatient or outpatient. */
  readonly patientClass: 'I' | 'O';
  readonly admittedAt: Date;
  readonly ward: string;
  readonly room: string;
  readonly bed: string;
  readonly doctor: Doctor;
  readonly diagnosis: Diagnosis;
  readonly allergen?: Allergen;
}

export interface Order {
  readonly placer: string;
  readonly filler: string;
  readonly panel: Panel;
  readonly collectedAt: Date;
  /** The numbers of `panel.analytes`, as the analyser prints them. */
  readonly values: readonly string[];
  /** Which of the values a corrected report changed. */
  readonly correctedIndex?: number;
}

const doctors = {
  zh: [
    { id: 'D1001', family: '郁', given: '砚舟' },
    { id: 'D1002', family: '蔺', given: '岚' },
    { id: 'D1003', family: '佟', given: '予澜' },
  ],
  de: [
    { id: 'D2001', family: 'Größner', given: 'Jörn' },
    { id: 'D2002', family: 'Üllmann', given: 'Käthe' },
  ],
};
const wards = { zh: ['心内科', '内分泌科', '普外科'], de: ['Innere', 'Chirurgie'] };
const inpatientPercent = 60;
const allergyPercent = 40;
const minuteMs = 60_000;

export interface VisitKeys {
  readonly seed: number;
  /** Number of the visit in its seed. */
  readonly visit: number;
  readonly personIndex: number;
  readonly person: Person;
  readonly hospital: Hospital;
  readonly admittedAt: Date;
}

export function visitOf(keys: VisitKeys): Visit {
  const { hospital, person, seed } = keys;
  const random = randomOf(seed, keys.visit, 4);
  return {
    hospital,
    person,
    mrn: mrnOf(seed, keys.personIndex),
    number: `V${seed % 10_000}-${String(keys.visit).padStart(7, '0')}`,
    patientClass: random.chance(inpatientPercent) ? 'I' : 'O',
    admittedAt: keys.admittedAt,
    ward: random.pick(wards[hospital.tongue]),
    room: String(random.between(101, 620)),
    bed: String(random.between(1, 4)),
    doctor: random.pick(doctors[hospital.tongue]),
    diagnosis: random.pick(diagnoses),
    // An allergy belongs to the person, not to the visit.
    ...allergyOf(randomOf(seed, keys.personIndex, 5)),
  };
}

/** The seed is part of the number: two seeds sent to one hub are two different sets of patients. */
function mrnOf(seed: number, personIndex: number): string {
  return `${String(seed % 10_000).padStart(4, '0')}${String(personIndex).padStart(7, '0')}`;
}

function allergyOf(random: Random): { allergen?: Allergen } {
  return random.chance(allergyPercent) ? { allergen: random.pick(allergens) } : {};
}

/**
 * @param ordinal number of the order within the visit
 * @param reportedAt when the first report of it goes out
 */
export function orderOf(seed: number, visit: number, ordinal: number, reportedAt: Date): Order {
  const random = randomOf(seed, visit, ordinal, 6);
  const panel = random.pick(panels);
  const number = `${seed % 10_000}-${visit}-${ordinal}`;
  return {
    placer: `P${number}`,
    filler: `L${number}`,
    panel,
    collectedAt: new Date(reportedAt.getTime() - random.between(10, 90) * minuteMs),
    values: panel.analytes.map((analyte) => {
      const spread = analyte.high - analyte.low;
      // From a third of the range below to half of it above: about half of the values are normal.
      const value = analyte.low - spread / 3 + (random.below(1000) / 1000) * spread * (11 / 6);
      return Math.max(value, 0).toFixed(analyte.decimals);
    }),
  };
}

/** The order after the laboratory found its first value wrong. */
export function correctedOrder(order: Order): Order {
  const [first, ...rest] = order.values;
  const decimals = order.panel.analytes[0]?.decimals ?? 0;
  return { ...order, values: [(Number(first) * 1.1).toFixed(decimals), ...rest], correctedIndex: 0 };
}
