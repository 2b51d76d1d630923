/** Who plays in the demo and what their hospitals send: fixed, so that every figure of the story can be checked. */
import { demoHospitals, type Hospital } from '../simulate/hospitals.ts';
import { adtMessage, encodeMessage, oruMessage } from '../simulate/messages.ts';
import { allergens, diagnoses, panels, type Panel } from '../simulate/panels.ts';
import type { Person } from '../simulate/people.ts';
import { citizenAt } from '../simulate/resident-id.ts';
import type { Order, Visit } from '../simulate/visit.ts';

const [hospitalA, hospitalB, hospitalC] = demoHospitals;
const hourMs = 3_600_000;

// In GB18030 the second byte of 昞 is `\` and that of 珅 is `|`: split before it is decoded, this name is destroyed.
export const patientName = { family: '顾', given: '昞珅' };

const patient: Person = {
  ...patientName,
  latin: { family: 'Gu', given: 'Bingshen' },
  sex: 'M',
  ...citizenAt(20_260_101, 29, 'M'),
  insuranceId: 'YB1100000042',
  phone: '12900000042',
  street: '桂影路18号6室',
  city: '云栖市',
  postalCode: '990018',
  country: 'CHN',
  kin: { family: '温', given: '澜', latin: 'Wen^Lan', phone: '12900000043' },
};

const neighbour: Person = {
  family: 'Birkenhöfer',
  given: 'Käthe',
  latin: { family: 'Birkenhöfer', given: 'Käthe' },
  sex: 'F',
  birthDate: '19571103',
  passport: 'X00000042',
  insuranceId: 'X000000042',
  phone: '+493023125042',
  street: 'Mühlgäßchen 4',
  city: 'Sonnfeld',
  postalCode: '00042',
  country: 'DEU',
  kin: { family: 'Birkenhöfer', given: 'Jörn', latin: 'Birkenhöfer^Jörn', phone: '+493023125043' },
};

export interface Letter {
  readonly hospital: Hospital;
  readonly bytes: Buffer;
}

export interface Cast {
  readonly hospitals: typeof demoHospitals;
  /** What each hospital sends, in its order. */
  readonly letters: readonly Letter[];
  /** Record numbers of the patient at the first two hospitals. */
  readonly mrn: { readonly a: string; readonly b: string };
  /** Laboratory values of the patient that must be found, by hospital. */
  readonly values: { readonly a: number; readonly b: number };
  /** The corrected HbA1c: what the laboratory sent first, and what stands. */
  readonly hba1c: { readonly first: string; readonly corrected: string };
}

/** @param now the day of the story; the visits lie before it */
export function castOf(now: Date): Cast {
  const at = (hoursAgo: number): Date => new Date(now.getTime() - hoursAgo * hourMs);
  const [blood, lipids, kidneys, diabetes] = panels as [Panel, Panel, Panel, Panel];
  const a = visit(hospitalA, patient, 'A-000117', at(76), 'I');
  const b = visit(hospitalB, patient, '20418', at(30), 'O');
  const c = visit(hospitalC, neighbour, 'K-7781', at(50), 'I');
  const ordersA = [
    order('A1', blood, at(75), ['6.20', '4.71', '148', '231']),
    order('A2', kidneys, at(52), ['97', '6.4', '4.10', '141']),
  ] as const;
  const ordersB = [
    order('B1', diabetes, at(29), ['8.30', '7.9', '3.1']),
    order('B2', lipids, at(29), ['5.61', '2.05', '1.12', '3.70']),
  ] as const;
  const corrected = { ...ordersB[0], values: ['8.30', '7.4', '3.1'], correctedIndex: 1 };
  const orderC = order('C1', blood, at(49), ['11.20', '4.02', '121', '310']);

  const texts: [Hospital, (control: string) => string][] = [
    [hospitalA, (controlId) => adtMessage(a, 'A01', { controlId, at: at(76) })],
    [hospitalA, (controlId) => oruMessage(a, ordersA[0], 'F', { controlId, at: at(74) })],
    [hospitalA, (controlId) => oruMessage(a, ordersA[1], 'F', { controlId, at: at(51) })],
    [hospitalA, (controlId) => adtMessage(a, 'A03', { controlId, at: at(48) })],
    [hospitalB, (controlId) => adtMessage(b, 'A04', { controlId, at: at(30) })],
    [hospitalB, (controlId) => oruMessage(b, ordersB[0], 'F', { controlId, at: at(28) })],
    [hospitalB, (controlId) => oruMessage(b, ordersB[1], 'F', { controlId, at: at(27) })],
    [hospitalB, (controlId) => oruMessage(b, corrected, 'C', { controlId, at: at(26) })],
    [hospitalC, (controlId) => adtMessage(c, 'A01', { controlId, at: at(50) })],
    [hospitalC, (controlId) => oruMessage(c, orderC, 'F', { controlId, at: at(48) })],
  ];
  return {
    hospitals: demoHospitals,
    letters: texts.map(([hospital, text], index) => ({
      hospital,
      bytes: encodeMessage(hospital, text(`DEMO-${String(index + 1).padStart(3, '0')}`)),
    })),
    mrn: { a: a.mrn, b: b.mrn },
    values: { a: countValues(ordersA), b: countValues(ordersB) },
    hba1c: { first: ordersB[0].values[1] as string, corrected: corrected.values[1] as string },
  };
}

function visit(hospital: Hospital, person: Person, mrn: string, admittedAt: Date, patientClass: 'I' | 'O'): Visit {
  const isChinese = hospital.tongue === 'zh';
  return {
    hospital,
    person,
    mrn,
    number: `V-${mrn}`,
    patientClass,
    admittedAt,
    ward: isChinese ? '内分泌科' : 'Innere',
    room: '312',
    bed: '2',
    doctor: isChinese
      ? { id: 'D1001', family: '郁', given: '砚舟' }
      : { id: 'D2001', family: 'Größner', given: 'Jörn' },
    diagnosis: diagnoses[0] as (typeof diagnoses)[number],
    allergen: allergens[0],
  };
}

function order(key: string, panel: Panel, collectedAt: Date, values: readonly string[]): Order {
  return { placer: `P-${key}`, filler: `L-${key}`, panel, collectedAt, values };
}

function countValues(orders: readonly Order[]): number {
  return orders.reduce((sum, { values }) => sum + values.length, 0);
}
