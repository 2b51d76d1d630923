/** What an acknowledgment takes over from the message it answers, and the MSH it opens with. */
import type { Hl7Segment } from '../../src/ingest/contract.ts';
import { findCharset, type Charset } from './charset.ts';
import { readDelimiters, type Delimiters } from './delimiters.ts';
import { parseMessage } from './message.ts';

export interface Sender {
  readonly header: Hl7Segment | undefined;
  readonly delimiters: Delimiters;
  readonly charset: Charset;
  /** MSH-10 exactly as sent, escapes and all. */
  readonly controlId: string;
  /** Versions before 2.5 have no ERR-2 to ERR-8. */
  readonly isBeforeErr3: boolean;
}

/** Answers to senders whose separators could not be read use these. */
const usual = readDelimiters('MSH|^~\\&|');

export function senderOf(header: Hl7Segment, charset: Charset): Sender {
  return {
    header,
    delimiters: readDelimiters(header.raw),
    charset,
    controlId: rawOf(header, 10),
    isBeforeErr3: /^2\.[0-4]/.test(header.text(12)),
  };
}

/** The sender of bytes that are no readable message: what its first line gives away, or nothing. */
export function guessSender(bytes: Uint8Array): Sender {
  const latin = findCharset('8859/1') as Charset;
  try {
    const line = latin.decode(bytes)?.split(/[\r\n]/, 1)[0] ?? '';
    return senderOf(parseMessage(line).segments[0] as Hl7Segment, latin);
  } catch {
    return { header: undefined, delimiters: usual, charset: latin, controlId: '', isBeforeErr3: false };
  }
}

/** MSH of the answer: names swapped, type ACK with the sender's event, its processing id, version and charset. */
export function ackHeader(sender: Sender, at: Date, controlId: string): string {
  const { header, delimiters: d } = sender;
  const field = (number: number): string => (header === undefined ? '' : rawOf(header, number));
  const event = header?.field(9)[0]?.get(2) ?? '';
  const type = event === '' || d.component === undefined ? 'ACK' : ['ACK', event, 'ACK'].join(d.component);
  const encoding = header?.text(2) ?? '^~\\&';
  const fields = [
    `MSH${d.field}${encoding}`,
    field(5),
    field(6),
    field(3),
    field(4),
    timestamp(at),
    '',
    type,
    controlId,
    field(11) || 'P',
    field(12) || '2.5.1',
  ];
  // An acknowledgment asks for none itself: MSH-15 and MSH-16 stay out, or say NE in enhanced mode.
  const charset = field(18);
  const isEnhanced = field(15) !== '' || field(16) !== '';
  if (isEnhanced) fields.push('', '', 'NE', 'NE');
  if (charset !== '') fields.push(...Array.from({ length: 16 - fields.length }, () => ''), charset);
  return fields.join(d.field);
}

function rawOf(header: Hl7Segment, field: number): string {
  return header.field(field)[0]?.raw ?? '';
}

/** `YYYYMMDDHHMMSS+0000` */
function timestamp(at: Date): string {
  const second = Math.trunc(at.getTime() / 1_000);
  if (second !== latest.second) latest = { second, text: formatSecond(at) };
  return latest.text;
}

/** Thousands of answers a second share it. */
let latest = { second: -1, text: '' };

function formatSecond(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace(/[-:T]/g, '')}+0000`;
}
