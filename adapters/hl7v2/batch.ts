/** Files of several messages: the batch protocol (FHS, BHS) and plain concatenation. */

const carriageReturn = 13;
const lineFeed = 10;
/** Message Transport blocks written to a file as they were on the wire. */
const framing = new Set([0x0b, 0x1c]);

/**
 * The messages of a file, as bytes, in order: each may be in a charset of its own. Batch headers and trailers and framing
 * bytes are left out. A text without any MSH comes back whole, so that its reader can say what is wrong.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html HL7 v2.5.1 section 2.10.3
 */
export function splitMessages(bytes: Uint8Array): Uint8Array[] {
  const messages: Uint8Array[] = [];
  let start: number | undefined;
  let line = 0;
  while (line < bytes.length) {
    // CR and LF are never part of a longer character, whatever the charset: a line starts where it seems to.
    let end = line;
    while (end < bytes.length && bytes[end] !== carriageReturn && bytes[end] !== lineFeed) end++;
    const name = nameAt(bytes, line, end);
    if (name === 'MSH' || isEnvelope(name)) {
      if (start !== undefined) messages.push(withoutFraming(bytes.subarray(start, line)));
      start = name === 'MSH' ? line : undefined;
    }
    line = end + 1;
  }
  if (start !== undefined) messages.push(withoutFraming(bytes.subarray(start)));
  return messages.length > 0 ? messages : [bytes];
}

/** True when the bytes hold more than one message, or a batch envelope. */
export function isBatch(bytes: Uint8Array): boolean {
  const messages = splitMessages(bytes);
  return messages.length > 1 || isEnvelope(nameAt(bytes, 0, bytes.length));
}

function isEnvelope(name: string): boolean {
  return name === 'FHS' || name === 'BHS' || name === 'BTS' || name === 'FTS';
}

function nameAt(bytes: Uint8Array, from: number, end: number): string {
  let start = from;
  if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) start += 3;
  while (start < end && ((bytes[start] as number) <= 32 || framing.has(bytes[start] as number))) start++;
  return String.fromCharCode(...bytes.subarray(start, Math.min(start + 3, end)));
}

function withoutFraming(bytes: Uint8Array): Uint8Array {
  let [start, end] = [0, bytes.length];
  while (start < end && framing.has(bytes[start] as number)) start++;
  while (end > start && (framing.has(bytes[end - 1] as number) || bytes[end - 1] === carriageReturn)) end--;
  return bytes.subarray(start, end);
}
