/**
 * A parsed message back as text. Segments are written as they were read, so for well-formed input (CR after every segment,
 * nothing before MSH) parse and serialise give the same bytes. With other separators the text between them stays the same:
 * what becomes ambiguous is escaped, what was escaped and no longer needs it is not.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html HL7 v2.5.1 sections 2.5.4 (delimiters), 2.7 (escape sequences)
 */
import type { Hl7Message } from '../../src/ingest/contract.ts';
import { readDelimiters, type Delimiters } from './delimiters.ts';

export function serialise(message: Hl7Message, delimiters?: Delimiters): string {
  const raw = message.segments.map((segment) => segment.raw);
  if (delimiters === undefined) return `${raw.join('\r')}\r`;
  const sent = readDelimiters(raw[0] ?? '');
  return `${raw.map((segment) => translate(segment, sent, delimiters)).join('\r')}\r`;
}

const headers = new Set(['MSH', 'BHS', 'FHS']);

function translate(segment: string, from: Delimiters, to: Delimiters): string {
  if (!headers.has(segment.slice(0, 3))) return translateText(segment, from, to);
  // What a header declares is no text: after it come the fields.
  const end = segment.indexOf(from.field, 4);
  const rest = end < 0 ? '' : translateText(segment.slice(end), from, to);
  return `${segment.slice(0, 3)}${to.field}${encodingCharacters(to)}${rest}`;
}

/** MSH-2. */
export function encodingCharacters({ component, repetition, escape, subcomponent, truncation }: Delimiters): string {
  return [component, repetition, escape, subcomponent, truncation].join('');
}

/** The letter by which an escape sequence names a separator. */
const letters = {
  F: 'field',
  S: 'component',
  R: 'repetition',
  T: 'subcomponent',
  E: 'escape',
  P: 'truncation',
} as const;
type Letter = keyof typeof letters;

function translateText(text: string, from: Delimiters, to: Delimiters): string {
  const separators = new Map<string, string>();
  for (const name of ['field', 'component', 'repetition', 'subcomponent'] as const) {
    const sign = from[name];
    if (sign !== undefined) separators.set(sign, to[name] ?? '');
  }
  let result = '';
  for (let at = 0; at < text.length; at++) {
    const sign = text[at] as string;
    const sequence = sign === from.escape ? sequenceAt(text, at, from) : undefined;
    if (sequence !== undefined) {
      result +=
        sequence.plain === undefined ? `${to.escape}${sequence.text}${to.escape}` : escapeText(sequence.plain, to);
      at += sequence.text.length + 1;
    } else result += separators.get(sign) ?? escapeText(sign, to);
  }
  return result;
}

/** The escape sequence that begins here: its text, and the separator it stands for, if it stands for one. */
function sequenceAt(text: string, at: number, from: Delimiters): { text: string; plain?: string } | undefined {
  const end = text.indexOf(from.escape as string, at + 1);
  const sequence = end < 0 ? '' : text.slice(at + 1, end);
  if (Object.hasOwn(letters, sequence)) return { text: sequence, plain: from[letters[sequence as Letter]] };
  return /^(X([0-9A-Fa-f]{2})+|\.(br|sp\+?\d*))$/.test(sequence) ? { text: sequence } : undefined;
}

/** Text as it stands between these separators. A separator that the message has no escape for cannot be said: it is left out. */
export function escapeText(text: string, delimiters: Delimiters): string {
  let result = '';
  for (const sign of text) {
    const letter = (Object.keys(letters) as Letter[]).find((key) => delimiters[letters[key]] === sign);
    if (letter === undefined) result += sign;
    else if (delimiters.escape !== undefined) result += `${delimiters.escape}${letter}${delimiters.escape}`;
  }
  return result;
}
