/**
 * Escape sequences of HL7v2 text. Undone after splitting, never before: `\F\` is a field separator in the text, not one
 * between fields.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading37 HL7 v2.5.1 section 2.7
 */
import type { Delimiters } from './delimiters.ts';

/** How `\Xhh..\` becomes text: its bytes are in the charset of the message. Undefined for bytes that are not. */
export type DecodeHex = (bytes: Uint8Array) => string | undefined;

/**
 * Text with its escapes undone. Sequences that only style (`\H\`, `\N\`), that are local (`\Z..\`) or that nobody
 * knows stay as they were sent: better odd than lost.
 */
export function unescape(text: string, delimiters: Delimiters, decodeHex: DecodeHex): string {
  const mark = delimiters.escape;
  if (mark === undefined) return text;
  let start = text.indexOf(mark);
  if (start < 0) return text;
  let result = '';
  let done = 0;
  while (start >= 0) {
    const end = text.indexOf(mark, start + 1);
    if (end < 0) break;
    const plain = translate(text.slice(start + 1, end), delimiters, decodeHex);
    if (plain === undefined) {
      // The closing mark may open the next sequence: `5\6\F\7`.
      start = end;
      continue;
    }
    result += text.slice(done, start) + plain;
    done = end + 1;
    start = text.indexOf(mark, done);
  }
  return result + text.slice(done);
}

function translate(sequence: string, delimiters: Delimiters, decodeHex: DecodeHex): string | undefined {
  switch (sequence) {
    case 'F':
      return delimiters.field;
    case 'S':
      return delimiters.component;
    case 'T':
      return delimiters.subcomponent;
    case 'R':
      return delimiters.repetition;
    case 'E':
      return delimiters.escape;
    case 'P':
      return delimiters.truncation;
    case '.br':
      return '\n';
    default:
      if (sequence.startsWith('X')) return fromHex(sequence.slice(1), decodeHex);
      return sequence.startsWith('.sp') ? lineBreaks(sequence.slice(3)) : undefined;
  }
}

function fromHex(digits: string, decodeHex: DecodeHex): string | undefined {
  if (digits.length === 0 || digits.length % 2 !== 0 || !/^[0-9A-Fa-f]+$/.test(digits)) return undefined;
  return decodeHex(Buffer.from(digits, 'hex'));
}

/** A vertical space of more lines than a page has is not formatting. */
const lineBreaksMax = 100;

/** `\.sp3\`: end the line and skip three (HL7 v2.5.1 section 2.7.6). */
function lineBreaks(count: string): string | undefined {
  if (!/^\+?\d{0,3}$/.test(count)) return undefined;
  const lines = count === '' ? 1 : Number(count);
  return lines <= lineBreaksMax ? '\n'.repeat(lines) : undefined;
}
