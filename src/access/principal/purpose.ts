/**
 * Purposes of use as bits of one integer, in tokens, consent rules and audit rows alike. A grant is for exactly the purposes it
 * names: TREAT is none for ETREAT, HRESCH none for CLINTRCH. What closes follows the hierarchy of HL7 v3 PurposeOfUse: a deny
 * of HRESCH is one of clinical trials too, and every kind of payment gets the minimum of payment (decision 0026).
 *
 * @see https://terminology.hl7.org/ValueSet-v3-PurposeOfUse.html
 */
export const purposeSystem = 'http://terminology.hl7.org/CodeSystem/v3-ActReason';

/** The position of a code is its bit in the database: append-only. At most 31, so that a set fits a positive int. */
export const purposeCodes: readonly string[] = (
  'TREAT ETREAT HPAYMT HOPERAT PATRQT HRESCH PUBHLTH HMARKT CAREMGT FAMRQT PWATRNY SUPNWK CLMATTCH COVAUTH COVERAGE ' +
  'ELIGDTRM ELIGVER ENROLLM REMITADV HSYSADMIN HACCRED HCOMPL HQUALIMP PATSFTY METAMGT CLINTRCH'
).split(' ');

/** What a purpose is a kind of. @see https://terminology.hl7.org/CodeSystem-v3-ActReason.html */
const kindOf: Readonly<Record<string, string>> = {
  ETREAT: 'TREAT',
  CAREMGT: 'HOPERAT',
  HACCRED: 'HOPERAT',
  HCOMPL: 'HOPERAT',
  HQUALIMP: 'HOPERAT',
  PATSFTY: 'HOPERAT',
  HSYSADMIN: 'HOPERAT',
  METAMGT: 'HSYSADMIN',
  CLMATTCH: 'HPAYMT',
  COVAUTH: 'HPAYMT',
  COVERAGE: 'HPAYMT',
  ELIGDTRM: 'COVERAGE',
  ELIGVER: 'COVERAGE',
  ENROLLM: 'COVERAGE',
  REMITADV: 'HPAYMT',
  CLINTRCH: 'HRESCH',
  FAMRQT: 'PATRQT',
  PWATRNY: 'PATRQT',
  SUPNWK: 'PATRQT',
};

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

/** These purposes and every kind of them. */
export function withKinds(purposes: number): number {
  return purposeCodes.reduce((found, code, index) => {
    for (let at: string | undefined = code; at !== undefined; at = kindOf[at]) {
      if ((purposes & bitOf(at)) !== 0) return found | (1 << index);
    }
    return found;
  }, purposes);
}

const bitOf = (code: string): number => bits.get(code) as number;

export const purpose = {
  treatment: bitOf('TREAT'),
  emergency: bitOf('ETREAT'),
  payment: bitOf('HPAYMT'),
  operations: bitOf('HOPERAT'),
  patientRequest: bitOf('PATRQT'),
  familyRequest: bitOf('FAMRQT'),
} as const;

/** HPAYMT and its kinds. */
export const anyPayment = withKinds(purpose.payment);
