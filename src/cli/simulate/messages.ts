/** A visit's events and results as HL7v2 messages, one hospital's habits at a time. */
import iconv from 'iconv-lite';
import { nationalIdSystem } from '../../fhir/identifiers.ts';
import type { Hospital } from './hospitals.ts';
import { insurers, type Analyte, type Label } from './panels.ts';
import { components, escapeText, segment, timestamp } from './segments.ts';
import type { Order, Visit } from './visit.ts';

export type AdtEvent = 'A01' | 'A03' | 'A04' | 'A08' | 'A11';

/** HL70085: preliminary, final, corrected. */
export type ResultStatus = 'P' | 'F' | 'C';

export interface Envelope {
  readonly controlId: string;
  readonly at: Date;
}

/** MSH, EVN, PID, PD1, NK1, PV1, PV2, AL1, DG1, IN1: what an admission office knows. */
export function adtMessage(visit: Visit, event: AdtEvent, envelope: Envelope): string {
  const { hospital } = visit;
  const structure = event === 'A04' || event === 'A08' ? 'ADT_A01' : event === 'A11' ? 'ADT_A09' : `ADT_${event}`;
  const lines = [
    header(hospital, `ADT^${event}^${structure}`, envelope),
    segment('EVN', { 1: event, 2: timestamp(hospital, envelope.at) }),
    patient(visit),
    segment('PD1', { 3: components(hospital.name, '', hospital.facility) }),
  ];
  if (event !== 'A11') lines.push(nextOfKin(visit));
  lines.push(patientVisit(visit, event === 'A03' ? envelope.at : undefined));
  if (event === 'A11') return text(lines);
  lines.push(segment('PV2', { 3: components('', visit.diagnosis[hospital.tongue]) }));
  if (visit.allergen !== undefined) lines.push(allergy(visit));
  lines.push(diagnosis(visit), insurance(visit));
  return text(lines);
}

/** ADT^A40: the record number `from` was a second one of this person, and is no longer used. */
export function mergeMessage(visit: Visit, from: string, envelope: Envelope): string {
  const { hospital } = visit;
  return text([
    header(hospital, 'ADT^A40^ADT_A39', envelope),
    segment('EVN', { 1: 'A40', 2: timestamp(hospital, envelope.at) }),
    patient(visit),
    segment('MRG', { 1: `${from}^^^${hospital.facility}^MR` }),
  ]);
}

/** MSH, PID, PV1, ORC, OBR, an OBX for each analyte, SPM; a corrected report has an NTE after the value that changed. */
export function oruMessage(visit: Visit, order: Order, status: ResultStatus, envelope: Envelope): string {
  const { hospital } = visit;
  const { panel } = order;
  const doctor = doctorField(visit);
  const time = timestamp(hospital, order.collectedAt);
  const reported = timestamp(hospital, envelope.at);
  const lines = [
    header(hospital, 'ORU^R01^ORU_R01', envelope),
    patient(visit),
    patientVisit(visit),
    segment('ORC', {
      1: 'RE',
      2: `${order.placer}^${hospital.application}`,
      3: `${order.filler}^LIS`,
      5: 'CM',
      12: doctor,
    }),
    segment('OBR', {
      1: '1',
      2: `${order.placer}^${hospital.application}`,
      3: `${order.filler}^LIS`,
      4: code(hospital, panel.local, panel.loinc, panel.label),
      7: time,
      14: time,
      16: doctor,
      22: reported,
      24: 'LAB',
      25: status,
    }),
  ];
  panel.analytes.forEach((analyte, index) => {
    const value = order.values[index] ?? '';
    lines.push(
      segment('OBX', {
        1: String(index + 1),
        2: 'NM',
        3: code(hospital, analyte.local, analyte.loinc, analyte.label),
        5: value,
        6: `${analyte.unit}^${analyte.unit}^UCUM`,
        7: analyte.range,
        8: abnormalFlag(analyte, Number(value)),
        11: status === 'C' && index !== order.correctedIndex ? 'F' : status,
        14: time,
        19: reported,
      }),
    );
    if (index === order.correctedIndex) {
      lines.push(
        segment('NTE', { 1: '1', 2: 'L', 3: hospital.tongue === 'zh' ? '复查后更正' : 'Nach Überprüfung korrigiert' }),
      );
    }
  });
  const specimen = panel.specimen === 'BLD' ? 'BLD^Whole blood^HL70487' : 'SER^Serum^HL70487';
  lines.push(segment('SPM', { 1: '1', 2: `&${order.filler}-1`, 4: specimen, 17: time, 18: time }));
  return text(lines);
}

/** The bytes as they go over the wire, in the hospital's charset. */
export function encodeMessage(hospital: Hospital, message: string): Buffer {
  return hospital.charset === 'UTF-8' ? Buffer.from(message, 'utf8') : iconv.encode(message, hospital.charset);
}

function text(lines: readonly string[]): string {
  return `${lines.join('\r')}\r`;
}

function header(hospital: Hospital, type: string, envelope: Envelope): string {
  const accept = hospital.isEnhancedMode ? 'AL|NE' : '|';
  return (
    `MSH|^~\\&|${hospital.application}|${hospital.facility}|HUB|HUB|${timestamp(hospital, envelope.at)}||${type}|` +
    `${envelope.controlId}|P|${hospital.version}|||${accept}|${hospital.tongue === 'zh' ? 'CHN' : 'DEU'}|` +
    hospital.declaredCharset
  );
}

function patient(visit: Visit): string {
  const { hospital, person } = visit;
  const isHanzi = hospital.tongue === 'zh';
  const identifiers = [`${visit.mrn}^^^${hospital.facility}^MR`];
  if (person.residentId !== undefined && hospital.nationalIdIn === 'PID-3') {
    identifiers.push(`${person.residentId}^^^&${nationalIdSystem.replace('urn:oid:', '')}&ISO^NNCHN`);
  }
  if (person.passport !== undefined) identifiers.push(`${person.passport}^^^${person.country}^PPN`);
  return segment('PID', {
    1: '1',
    3: identifiers.join('~'),
    5: patientName(visit),
    7: person.birthDate,
    8: person.sex,
    11: isHanzi || person.country === 'DEU' ? address(visit) : `^^^^^${person.country}^H`,
    13: `${person.phone}^PRN^${person.country === 'CHN' ? 'CP' : 'PH'}`,
    18: visit.number,
    19: hospital.nationalIdIn === 'PID-19' ? (person.residentId ?? '') : '',
  });
}

function patientName({ hospital, person }: Visit): string {
  if (hospital.tongue === 'de') return `${components(person.latin.family, person.latin.given)}^^^^^L`;
  if (hospital.splitsNames || person.country === 'DEU') return `${components(person.family, person.given)}^^^^^L`;
  return components(person.family + person.given);
}

function address({ person }: Visit): string {
  return `${components(person.street, '', person.city, '', person.postalCode, person.country)}^H`;
}

function nextOfKin({ hospital, person }: Visit): string {
  const { kin } = person;
  const name = hospital.tongue === 'zh' ? components(kin.family, kin.given) : kin.latin;
  const spouse = hospital.tongue === 'zh' ? '配偶' : 'Ehepartner';
  return segment('NK1', { 1: '1', 2: name, 3: `SPO^${spouse}^HL70063`, 5: `${kin.phone}^PRN^PH` });
}

/** @param dischargedAt for A03: PV1-36 and PV1-45 */
function patientVisit(visit: Visit, dischargedAt?: Date): string {
  const { hospital } = visit;
  const doctor = doctorField(visit);
  return segment('PV1', {
    1: '1',
    2: visit.patientClass,
    3: `${components(visit.ward, visit.room, visit.bed)}^${hospital.facility}`,
    7: doctor,
    10: 'MED',
    17: doctor,
    19: `${visit.number}^^^${hospital.facility}^VN`,
    36: dischargedAt === undefined ? '' : '01',
    44: timestamp(hospital, visit.admittedAt),
    45: dischargedAt === undefined ? '' : timestamp(hospital, dischargedAt),
  }).replace(/\|+$/, '');
}

function doctorField({ doctor, hospital }: Visit): string {
  return `${components(doctor.id, doctor.family, doctor.given)}^^^^^^${hospital.facility}`;
}

function allergy({ allergen, hospital }: Visit): string {
  if (allergen === undefined) return '';
  return segment('AL1', {
    1: '1',
    2: allergen.category,
    3: components(allergen.code, allergen[hospital.tongue], 'L'),
    4: 'MO',
    5: escapeText(allergen.reaction[hospital.tongue]),
    6: '20190412',
  });
}

function diagnosis(visit: Visit): string {
  const { hospital } = visit;
  return segment('DG1', {
    1: '1',
    3: components(visit.diagnosis.code, visit.diagnosis[hospital.tongue], 'I10'),
    5: timestamp(hospital, visit.admittedAt),
    6: 'A',
    16: doctorField(visit),
  });
}

function insurance({ hospital, person }: Visit): string {
  const insurer = insurers[person.country];
  const name =
    hospital.tongue === 'zh'
      ? components(person.family, person.given)
      : components(person.latin.family, person.latin.given);
  // An ISO 8859-1 interface cannot name a Chinese insurer in hanzi; such sites send the code alone.
  const isNameable = hospital.tongue === 'zh' || person.country === 'DEU';
  return segment('IN1', {
    1: '1',
    2: isNameable ? components(insurer.plan, insurer.planName) : insurer.plan,
    3: insurer.id,
    4: isNameable ? escapeText(insurer.name) : '',
    12: '20260101',
    13: '20261231',
    15: insurer.plan,
    16: name,
    17: 'SEL^Self^HL70063',
    18: person.birthDate,
    36: `POL${person.insuranceId}`,
    49: `${person.insuranceId}^^^${insurer.id}^MB`,
  });
}

/** OBR-4 and OBX-3 in this hospital's coding; its local codes are its own, so the system carries its facility. */
function code(hospital: Hospital, local: string, loinc: string, label: Label): string {
  const display = label[hospital.tongue];
  if (hospital.codes === 'loinc') return components(loinc, display, 'LN');
  const own = [local, display, `99${hospital.facility}`];
  return hospital.codes === 'local' ? components(...own) : components(...own, loinc, display, 'LN');
}

function abnormalFlag(analyte: Analyte, value: number): string {
  return value < analyte.low ? 'L' : value > analyte.high ? 'H' : 'N';
}
