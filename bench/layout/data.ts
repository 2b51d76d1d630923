/** The rows of the layout measurement: laboratory results and encounters of patients, sized like converted ORU^R01 and ADT. */
import { createHash } from 'node:crypto';

export interface Token {
  readonly param: string;
  readonly system: string;
  readonly code: string;
}
export interface Sample {
  readonly bucket: number;
  readonly type: number;
  readonly id: string;
  readonly owner: string;
  readonly patient: string;
  readonly lastUpdated: string;
  readonly dateLow: string;
  readonly dateHigh: string;
  readonly tokens: readonly Token[];
  readonly references: readonly { param: string; type: number; id: string }[];
  readonly strings: readonly { param: string; value: string }[];
  readonly ranges: readonly { param: string; unit: string; low: number; high: number }[];
  readonly body: string;
}

export const types = { Patient: 105, Encounter: 44, Observation: 97 };
const codesMax = 300;
const ownersMax = 20;
const epoch = Date.UTC(2020, 0, 1);

/** The same number gives the same sample: a linear congruential step is random enough to spread keys. */
const random = (seed: number): number => (Math.imul(seed, 2_654_435_761) ^ Math.imul(seed + 7, 40_503)) >>> 0;
const hex = (seed: number): string => createHash('md5').update(String(seed)).digest('hex');

export function hash(...parts: string[]): bigint {
  return createHash('sha256').update(parts.join('\u0000')).digest().readBigInt64BE(0);
}
export const smallHash = (text: string): number => Number(hash(text) & 0x7fffffffn);

export const patientOf = (index: number): { id: string; bucket: number } => ({
  id: hex(index),
  bucket: Number.parseInt(hex(index).slice(0, 4), 16),
});
export const ownerOf = (index: number): string => `Organization/${index % ownersMax}`;
/** Codes are skewed: half of all results have one of 12 codes. */
export const codeOf = (seed: number): string => `lab-${seed % 2 === 0 ? (seed >>> 1) % 12 : (seed >>> 1) % codesMax}`;
export const nameOf = (patient: number): string => `name${hex(patient).slice(0, 6)}`;

/** Sample `index`; of each patient's rows the first is the Patient and every tenth an Encounter. */
export function sample(index: number, patients: number): Sample {
  const owner = index % patients;
  const ordinal = Math.floor(index / patients);
  const patient = patientOf(owner);
  const type = ordinal === 0 ? types.Patient : ordinal % 10 === 1 ? types.Encounter : types.Observation;
  const seed = random(index);
  const low = new Date(epoch + (seed % 157_680_000) * 1000).toISOString();
  const common = {
    bucket: patient.bucket,
    type,
    id: ordinal === 0 ? patient.id : `${patient.id.slice(0, 4)}${hex(index + 1e9).slice(4)}`,
    owner: ownerOf(owner),
    patient: patient.id,
    lastUpdated: new Date(epoch + index * 1000).toISOString(),
    dateLow: low,
    dateHigh: low,
  };
  if (type === types.Patient) {
    return {
      ...common,
      tokens: [
        { param: 'identifier', system: ownerOf(owner), code: `mrn-${owner}` },
        { param: 'identifier', system: 'national', code: hex(owner) },
        { param: 'gender', system: 'gender', code: owner % 2 ? 'male' : 'female' },
      ],
      references: [{ param: 'organization', type: 98, id: ownerOf(owner) }],
      strings: ['name', 'family', 'given', 'address'].map((param) => ({ param, value: nameOf(owner) })),
      ranges: [],
      body: 'p'.repeat(700),
    };
  }
  return {
    ...common,
    tokens: [
      { param: 'code', system: 'loinc', code: codeOf(seed) },
      { param: 'code', system: ownerOf(owner), code: `local-${seed % codesMax}` },
      { param: 'combo-code', system: 'loinc', code: codeOf(seed) },
      { param: 'category', system: 'category', code: 'laboratory' },
      { param: 'status', system: 'status', code: 'final' },
      { param: 'identifier', system: ownerOf(owner), code: `filler-${index}` },
      { param: '_tag', system: 'hub', code: 'v2' },
    ],
    references: [
      { param: 'subject', type: 105, id: patient.id },
      { param: 'patient', type: 105, id: patient.id },
      { param: 'encounter', type: 44, id: hex(index + 5) },
      { param: 'performer', type: 98, id: ownerOf(owner) },
      { param: 'based-on', type: 124, id: hex(index + 6) },
    ],
    strings: [
      { param: 'code:text', value: codeOf(seed) },
      { param: 'code:text', value: `local ${seed % codesMax}` },
    ],
    ranges: [{ param: 'value-quantity', unit: 'mmol/L', low: seed % 1000, high: seed % 1000 }],
    body: 'b'.repeat(950),
  };
}
