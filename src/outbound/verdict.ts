/**
 * What an answer means for the message it answers.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html HL7 v2.5.1 section 2.9.2: MSA-1 (HL70008)
 */

export interface Answer {
  /** MSA-1. */
  readonly code: string;
  /** ERR-3.1 of each ERR (ERR-1.4.1 before version 2.5): HL70357. */
  readonly errorCodes: readonly string[];
  /** The acknowledgment as it came. */
  readonly bytes: Uint8Array;
}

/** `again`: the receiver's trouble, not the message's; it may take the same message later. */
export type Verdict = 'accepted' | 'refused' | 'again';

/** HL70357: record locked, application internal error. */
const passing = new Set(['206', '207']);

/**
 * AA and CA: taken. AE and CE: something is wrong with the message, so sending it again cannot help. AR and CR: its type or
 * version is not served, or a reason "unrelated to its content or format (system down, internal error, etc.)", after which
 * "it is likely that the responding system will be able to accept the same message at a later time": ERR-3 tells which.
 */
export function judge({ code, errorCodes }: Answer): Verdict {
  if (code === 'AA' || code === 'CA') return 'accepted';
  if (errorCodes.some((error) => passing.has(error))) return 'again';
  const isReject = code === 'AR' || code === 'CR';
  return isReject && errorCodes.length === 0 ? 'again' : 'refused';
}

/** Codes alone: what the receiver says in words may quote the patient. */
export function reasonOf({ code, errorCodes }: Answer): string {
  const name = /^[AC][AER]$/.test(code) ? code : 'an answer without a code of HL70008';
  const errors = errorCodes.filter((error) => /^\d{1,5}$/.test(error)).slice(0, errorsMax);
  return errors.length === 0 ? `refused with ${name}` : `refused with ${name}, ERR-3 ${errors.join(', ')}`;
}
const errorsMax = 5;
