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
  const folded = normalize(text, 'NFKD').replace(marks, '').toLowerCase().normalize('NFKC');
  return han.test(folded) ? simplify(folded) : folded;
}

/**
 * A run of marks on one letter is put in order by insertion, so a million of them, which one string of FHIR may hold, would
 * take four minutes. No language has more than a handful; what follows the thirtieth is left out.
 * @see https://www.unicode.org/reports/tr15/#Stream_Safe_Text_Format
 */
export function normalize(text: string, form: 'NFC' | 'NFKC' | 'NFKD'): string {
  return text.replace(longRuns, '$1').normalize(form);
}

/** All marks as PostgreSQL's patterns take them, which know no `\\p{M}`: between brackets. */
export function markRanges(): string {
  if (ranges !== undefined) return ranges;
  const isMark = (code: number): boolean => /\p{M}/u.test(String.fromCodePoint(code));
  ranges = '';
  for (let low = 0; low <= lastMark; low++) {
    if (!isMark(low)) continue;
    let high = low;
    while (isMark(high + 1)) high++;
    ranges += `${String.fromCodePoint(low)}-${String.fromCodePoint(high)}`;
    low = high;
  }
  return ranges;
}
let ranges: string | undefined;
// Beyond are the selectors of variants alone, which are put in no order.
const lastMark = 0x1ffff;

const longRuns = /(\p{M}{30})\p{M}+/gu;
const isAscii = /^[\x20-\x7e]*$/;
// Accents of Latin, Greek and Cyrillic. Vowel signs of other scripts are letters to their readers and stay.
const marks = /[\u0300-\u036f]/g;
const spaces = /\s+/g;
