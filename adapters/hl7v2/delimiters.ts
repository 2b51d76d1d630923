/** The separators of one message, which it declares itself in MSH-1 and MSH-2. */
import { Problem } from '../../src/fhir/problem.ts';

export interface Delimiters {
  readonly field: string;
  /** Those of MSH-2; one that the sender did not declare does not separate anything. */
  readonly component: string | undefined;
  readonly repetition: string | undefined;
  readonly escape: string | undefined;
  readonly subcomponent: string | undefined;
  /** HL7 v2.7 and later. */
  readonly truncation: string | undefined;
}

/**
 * @param header the MSH segment
 * @throws Problem structure when it declares no usable separators
 */
export function readDelimiters(header: string): Delimiters {
  const declaration = header.slice(0, header.indexOf(header.charAt(3), 4));
  const known = seen.get(declaration);
  if (known !== undefined) return known;
  const delimiters = parseDelimiters(header);
  if (seen.size < seenMax) seen.set(declaration, delimiters);
  return delimiters;
}

/** Nearly every message declares the same; the bound is for those who send noise. */
const seenMax = 100;
const seen = new Map<string, Delimiters>();

function parseDelimiters(header: string): Delimiters {
  const field = header.charAt(3);
  // A letter, digit or blank here is a truncated or foreign text, not a separator.
  if (!/^[^\p{L}\p{N}\s\p{Cc}]$/u.test(field)) {
    throw new Problem('structure', 'MSH-1 is not a field separator', {
      expression: 'MSH-1',
      hint: 'Begin the message with MSH and its separators, usually MSH|^~\\&|.',
    });
  }
  const end = header.indexOf(field, 4);
  const encoding = header.slice(4, end < 0 ? undefined : end);
  // Some senders declare more than the standard's five; the rest has no meaning.
  if (!/^[^\p{L}\p{N}\s\p{Cc}]{1,8}$/u.test(encoding) || new Set(encoding).size !== encoding.length) {
    throw new Problem('structure', 'MSH-2 does not declare different encoding characters', {
      expression: 'MSH-2',
      hint: 'Send the encoding characters in MSH-2, usually ^~\\&.',
    });
  }
  return {
    field,
    component: encoding[0],
    repetition: encoding[1],
    escape: encoding[2],
    subcomponent: encoding[3],
    truncation: encoding[4],
  };
}
