/**
 * Strings as string search sees them: FHIR R4 search.html#string "Case and accents are ignored". Width is too (full-width
 * forms, as Chinese and Japanese systems send them), traditional and simplified characters are one, and runs of white space
 * count as one.
 */
import { han, simplify } from './hanzi.ts';

export function foldString(text: string): string {
  // Most strings are plain lower- and upper-case ASCII: skip the normalization they do not need.
  const folded = isAscii.test(text) ? text.toLowerCase() : foldLetters(text);
  return folded.replace(spaces, ' ').trim();
}

function foldLetters(text: string): string {
  const folded = text.normalize('NFKD').replace(marks, '').toLowerCase().normalize('NFKC');
  return han.test(folded) ? simplify(folded) : folded;
}

const isAscii = /^[\x20-\x7e]*$/;
// Accents of Latin, Greek and Cyrillic. Vowel signs of other scripts are letters to their readers and stay.
const marks = /[\u0300-\u036f]/g;
const spaces = /\s+/g;
