/**
 * Identifier systems that more than one room must know by the same name, and the check of the national resident
 * identity number. Which identifiers a hospital sends is data of its overlay; what they mean is here.
 */

/**
 * Identifier.system of the number on the identity card of residents of the People's Republic of China.
 * The OID is the one health documents carry for it (WS/T 500 shared documents: `id root` of the patient).
 */
export const nationalIdSystem = 'urn:oid:2.16.156.10011.1.3';

/** Identifier.type.coding.system: HL7 table 0203. @see https://terminology.hl7.org/CodeSystem-v2-0203.html */
export const identifierTypeSystem = 'http://terminology.hl7.org/CodeSystem/v2-0203';

/** The two leading digits: provinces (GB/T 2260), 81-83 residence permits (Hong Kong, Macao, Taiwan), 91 foreigners. */
const regions = new Set(
  '11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 91'.split(
    ' ',
  ),
);

// ISO 7064 MOD 11-2, as GB 11643-1999 section 4.2 applies it to the 17 leading digits.
const weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const checkCharacters = '10X98765432';

const current = /^\d{17}[\dX]$/;
const former = /^\d{15}$/;

/**
 * The 18-character form of a resident identity number, or undefined when the text is none: wrong length, unknown
 * region, a birth date that does not exist, or a wrong check character. The 15-digit form of before 1999 has no check
 * character and belongs to people born in 19yy; it is lengthened, so both forms of one person's number are equal.
 */
export function checkNationalId(text: string): string | undefined {
  const compact = text.trim().toUpperCase();
  const digits = former.test(compact) ? `${compact.slice(0, 6)}19${compact.slice(6)}` : compact.slice(0, 17);
  if (digits.length !== 17 || !(former.test(compact) || current.test(compact))) return undefined;
  if (!regions.has(digits.slice(0, 2)) || !isDate(digits.slice(6, 14))) return undefined;
  const whole = digits + nationalIdCheckCharacter(digits);
  return compact.length === 15 || whole === compact ? whole : undefined;
}

/** @param digits the 17 leading digits */
export function nationalIdCheckCharacter(digits: string): string {
  let sum = 0;
  for (let index = 0; index < 17; index++) sum += Number(digits.charAt(index)) * (weights[index] as number);
  return checkCharacters.charAt(sum % 11);
}

function isDate(yyyymmdd: string): boolean {
  const [year, month, day] = [yyyymmdd.slice(0, 4), yyyymmdd.slice(4, 6), yyyymmdd.slice(6)].map(Number) as [
    number,
    number,
    number,
  ];
  const date = new Date(Date.UTC(year, month - 1, day));
  return year >= 1800 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
