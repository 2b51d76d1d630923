/**
 * Purposes of use as bits of one integer, in tokens, consent rules and audit rows alike. Exact codes: the hierarchy of
 * HL7 v3 PurposeOfUse is not followed, so a grant for TREAT is none for ETREAT.
 *
 * @see https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html
 */
export const purposeSystem = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

/** The position of a code is its bit in the database: append-only. At most 31, so that a set fits a positive int. */
export const purposeCodes: readonly string[] = (
  'TREAT ETREAT HPAYMT HOPERAT PATRQT HRESCH PUBHLTH HMARKT CAREMGT FAMRQT PWATRNY SUPNWK CLMATTCH COVAUTH COVERAGE ' +
  'ELIGDTRM ELIGVER ENROLLM REMITADV HSYSADMIN HACCRED HCOMPL HQUALIMP PATSFTY METAMGT CLINTRCH'
).split(' ');

const bits = new Map(purposeCodes.map((code, index) => [code, 1 << index]));

/** Every purpose: what a deny covers that names none. */
export const anyPurpose = 2 ** 31 - 1;

/** The bit of a purpose; undefined for a code the hub does not know. */
export function purposeBit(code: string): number | undefined {
  return bits.get(code);
}

/** The single bits of a set, lowest first. */
export function purposeBitsOf(purposes: number): number[] {
  return [...bits.values()].filter((bit) => (purposes & bit) !== 0);
}

export function purposeCodesOf(purposes: number): string[] {
  return purposeCodes.filter((_code, index) => (purposes & (1 << index)) !== 0);
}

const bitOf = (code: string): number => bits.get(code) as number;

export const purpose = {
  treatment: bitOf('TREAT'),
  emergency: bitOf('ETREAT'),
  payment: bitOf('HPAYMT'),
  operations: bitOf('HOPERAT'),
  patientRequest: bitOf('PATRQT'),
} as const;
