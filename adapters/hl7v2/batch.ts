/** Files of several messages: the batch protocol (FHS, BHS) and plain concatenation. */
import { Problem } from '../../src/fhir/problem.ts';

const carriageReturn = 13;
const lineFeed = 10;
/** Message Transport blocks written to a file as they were on the wire. */
const framing = new Set([0x0b, 0x1c]);
const nameBytes = 3;
/** Of MSH, FHS and FTS, BHS and BTS. */
const beginnings = new Set(Array.from('MFB', (letter) => letter.charCodeAt(0)));

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

/**
 * What a batch says of itself against what it holds: BTS-1 counts the messages of a batch, FTS-1 the batches of a file; what BHS or FHS begins,
 * BTS or FTS ends. A count that does not fit, or an end that is not there, means that something was lost on the way, so nothing of it is
 * taken.
 * @returns undefined when it is whole
 * @see HL7 v2.5.1 section 2.10.3
 */
export function checkBatch(bytes: Uint8Array): Problem | undefined {
  let [messages, batches] = [0, 0];
  // What was begun and not ended yet.
  let [isBatchOpen, isFileOpen] = [false, false];
  for (const line of linesOf(bytes)) {
    const name = nameAt(line, 0, line.length);
    if (name === 'MSH') messages++;
    else if (name === 'FHS') isFileOpen = true;
    else if (name === 'BHS') {
      if (isBatchOpen) return endless('BHS', 'BTS');
      isBatchOpen = true;
      messages = 0;
      batches++;
    } else if (name === 'BTS' || name === 'FTS') {
      if (name === 'FTS' && isBatchOpen) return endless('BHS', 'BTS');
      const [what, found] = name === 'BTS' ? ['batch', messages] : ['file', batches];
      const counted = countOf(line);
      if (counted !== undefined && counted !== found) {
        return new Problem('value', `${name}-1 counts ${counted}, the ${what} holds ${found}`, {
          expression: `${name}-1`,
          hint: sendAgain,
        });
      }
      if (name === 'BTS') isBatchOpen = false;
      else isFileOpen = false;
    }
  }
  if (isBatchOpen) return endless('BHS', 'BTS');
  if (isFileOpen) return endless('FHS', 'FTS');
  if (readEnvelopeOf(bytes).messages > messagesMax) {
    return new Problem('too-long', `more than ${messagesMax} messages at once`, {
      hint: 'Send them in several files.',
    });
  }
  return undefined;
}

function endless(header: string, trailer: string): Problem {
  return new Problem('required', `there is no ${trailer} to the ${header}`, { expression: trailer, hint: sendAgain });
}
const sendAgain = 'Nothing of it was taken; send it again whole.';

/** Far more than a day of a hospital's largest interface; each is answered, so a frame of bare headers would fill the memory. */
const messagesMax = 100_000;

/** The first header of a file or batch, and how many messages follow; the header is undefined where there is no envelope. */
export function readEnvelopeOf(bytes: Uint8Array): { readonly header: string | undefined; readonly messages: number } {
  let header: string | undefined;
  let messages = 0;
  for (const line of linesOf(bytes)) {
    const name = nameAt(line, 0, line.length);
    if (name === 'MSH') messages++;
    else if (header === undefined && (name === 'FHS' || name === 'BHS')) {
      header = Buffer.from(line.subarray(0, headerBytesMax))
        .toString('latin1')
        .replace(/^[^FB]*/, '');
    }
  }
  return { header, messages };
}
/** Names and a control id. */
const headerBytesMax = 2_048;

/** Those that are long enough for the name of a segment. */
function* linesOf(bytes: Uint8Array): Generator<Uint8Array> {
  let start = 0;
  for (let at = 0; at <= bytes.length; at++) {
    if (at < bytes.length && bytes[at] !== carriageReturn && bytes[at] !== lineFeed) continue;
    if (at - start >= nameBytes) yield bytes.subarray(start, at);
    start = at + 1;
  }
}

/** The first field of a trailer, where it is a number; its separator is the sign after its name. */
function countOf(line: Uint8Array): number | undefined {
  const text = Buffer.from(line.subarray(0, trailerBytesMax)).toString('latin1').trim();
  const count = text.slice(4).split(text.charAt(3), 1)[0]?.trim() ?? '';
  return /^\d{1,9}$/.test(count) ? Number(count) : undefined;
}
/** A count and its separators; comments behind it are not read. */
const trailerBytesMax = 64;

/** True when the bytes hold more than one message, or a batch envelope. */
export function isBatch(bytes: Uint8Array): boolean {
  return hasEnvelope(bytes) || splitMessages(bytes).length > 1;
}

/** True when the bytes begin with the header of a file or batch. */
export function hasEnvelope(bytes: Uint8Array): boolean {
  return isEnvelope(nameAt(bytes, 0, bytes.length));
}

function isEnvelope(name: string): boolean {
  return name === 'FHS' || name === 'BHS' || name === 'BTS' || name === 'FTS';
}

/** The name of the segment that begins a message or a batch; '' for any other line, of which a text may have ten million. */
function nameAt(bytes: Uint8Array, from: number, end: number): string {
  let start = from;
  if (bytes[start] === 0xef && bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf) start += 3;
  while (start < end && ((bytes[start] as number) <= 32 || framing.has(bytes[start] as number))) start++;
  if (end - start < nameBytes || !beginnings.has(bytes[start] as number)) return '';
  return String.fromCharCode(bytes[start] as number, bytes[start + 1] as number, bytes[start + 2] as number);
}

function withoutFraming(bytes: Uint8Array): Uint8Array {
  let [start, end] = [0, bytes.length];
  while (start < end && framing.has(bytes[start] as number)) start++;
  while (end > start && (framing.has(bytes[end - 1] as number) || bytes[end - 1] === carriageReturn)) end--;
  return bytes.subarray(start, end);
}
