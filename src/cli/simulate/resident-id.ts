/** Citizen identification numbers of the People's Republic of China, for people who do not exist. */

import { nationalIdCheckCharacter } from '../../fhir/identifiers.ts';

/** The first two digits of GB/T 2260 that name a province, a municipality or an autonomous region. */
const provinces = '11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65'.split(
  ' ',
);
const dayMs = 86_400_000;
const firstBirthDay = Date.UTC(1938, 0, 1) / dayMs;
const birthDays = Date.UTC(2024, 0, 1) / dayMs - firstBirthDay;
const countySlots = 100;
const sequences = 500;
const space = birthDays * sequences * provinces.length * countySlots;
/** Prime to `space`, so that different people never get the same number. */
const stride = 1_000_000_007;

export interface Citizen {
  /** 18 characters with a right check character. */
  readonly residentId: string;
  /** `YYYYMMDD`, as in the number. */
  readonly birthDate: string;
}

/**
 * The number of one invented person; no two persons of a seed share one. The prefecture is always `99`, which GB/T 2260
 * never assigned: the number passes every checksum and can belong to nobody.
 * @param start where this seed begins in the space of numbers, any 32-bit number
 */
export function citizenAt(start: number, person: number, sex: 'M' | 'F'): Citizen {
  let slot = (start + person * stride) % space;
  const take = (size: number): number => {
    const taken = slot % size;
    slot = Math.floor(slot / size);
    return taken;
  };
  const birthDate = new Date((firstBirthDay + take(birthDays)) * dayMs).toISOString().slice(0, 10).replaceAll('-', '');
  // Odd numbers are men, even ones women: GB 11643-1999 section 4.3.
  const sequence = String(take(sequences) * 2 + (sex === 'M' ? 1 : 0)).padStart(3, '0');
  const county = String(take(countySlots)).padStart(2, '0');
  const body = `${provinces[take(provinces.length)]}99${county}${birthDate}${sequence}`;
  return { residentId: body + nationalIdCheckCharacter(body), birthDate };
}
