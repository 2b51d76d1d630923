/** From bytes to a readable message: decode, then split. The way in for the listeners, `hub convert` and the preview. */
import { Problem } from '../../src/fhir/problem.ts';
import { checkNationalId } from '../../src/fhir/identifiers.ts';
import type { Envelope, Hl7Message, Hl7Segment, Hl7Value } from '../../src/ingest/contract.ts';
import { decodeMessage, type Decoded } from './charset.ts';
import { parseMessage } from './message.ts';

export interface ReadMessage extends Decoded {
  readonly message: Hl7Message;
}

/**
 * @param fallback charset of messages without MSH-18
 * @throws Problem structure when the bytes are no text of their charset, or the text is no HL7v2 message
 */
export function readMessage(bytes: Uint8Array, fallback?: string): ReadMessage {
  const decoded = decodeMessage(bytes, fallback);
  return { ...decoded, message: parseMessage(decoded.text, (hex) => decoded.charset.decode(hex)) };
}

/**
 * What the hub must know before it stores a message.
 * @throws Problem required without MSH-10 or MSH-9, structure when a second MSH would mix two messages
 */
export function readEnvelope(message: Hl7Message): Envelope {
  const header = message.first('MSH') as Hl7Segment;
  const controlId = header.text(10);
  if (controlId === '') {
    throw new Problem('required', 'MSH-10 is empty', {
      expression: 'MSH-10',
      hint: 'Give each message a control id of its own.',
    });
  }
  const type = messageType(header);
  if (type === '') throw new Problem('required', 'MSH-9 is empty', { expression: 'MSH-9' });
  if (message.segments.some(({ name, position }) => position > 1 && foreign.has(name))) {
    throw new Problem('structure', 'more than one message in a frame', {
      expression: 'MSH',
      hint: 'Send each message in a frame of its own.',
    });
  }
  const facility = facilityOf(header);
  for (const [expression, text] of [
    ['MSH-10', controlId],
    ['MSH-9', type],
    ['MSH-4', facility],
  ] as const) {
    if (text.length > keyCharsMax) throw new Problem('too-long', `${expression} is too long`, { expression });
    if (control.test(text)) throw new Problem('value', `${expression} has control characters`, { expression });
  }
  return { controlId, type, facility, patientKey: patientKey(message, facility) ?? unnamed };
}

/**
 * Messages in which nobody is named keep their order among themselves: the sender may name its patients where only its
 * overlay knows (ZPI-3), and then a replay must find them in one lane.
 */
const unnamed = 'unnamed';

/** MSH-10 has 20 characters by the standard (199 since v2.7); longer ones are seen. It must fit an index. */
const keyCharsMax = 256;
const control = /\p{Cc}/u;

const foreign = new Set(['MSH', 'FHS', 'BHS', 'FTS', 'BTS']);

function messageType(header: Hl7Segment): string {
  const value = header.field(9)[0];
  return [value?.get(1) ?? '', value?.get(2) ?? ''].filter((part) => part !== '').join('^');
}

/** MSH-4.1, or MSH-4.2 for senders that have only a universal id. */
export function facilityOf(header: Hl7Segment): string {
  const value = header.field(4)[0];
  return value?.get(1) || value?.get(2) || '';
}

/**
 * The identifier that names the record in the sender's system, chosen as the mapping chooses the Patient's: messages that
 * end in one Patient must share a lane. By type (HL70203), then the sender's own authority, then by text.
 */
function patientKey(message: Hl7Message, facility: string): string | undefined {
  const pid = message.first('PID');
  if (pid === undefined) return undefined;
  for (const field of [3, 2, 4]) {
    const best = pid
      .field(field)
      .filter((id) => !id.isNull && id.get(1).trim() !== '')
      .map((id) => rankedKey(id, facility))
      .reduce((one, other) => (isBetter(other, one) ? other : one), none);
    if (best !== none) return best.key;
  }
  const account = pid.text(18);
  return account === '' || account === '""' ? undefined : `account ${account}`;
}

interface RankedKey {
  readonly rank: number;
  readonly key: string;
}

const none: RankedKey = { rank: Infinity, key: '' };
const recordNumbers = ['MR', 'PI', 'PT', 'PN', ''];

function rankedKey(id: Hl7Value, facility: string): RankedKey {
  const value = id.get(1).trim();
  const national = value.length === nationalIdLength ? checkNationalId(value) : undefined;
  // The person's number, not the record's: only when there is no other.
  if (national !== undefined) return { rank: 100, key: `national ${national}` };
  const authority = id.get(4, 2) || id.get(4) || facility;
  const type = recordNumbers.indexOf(id.get(5));
  const rank = (type < 0 ? recordNumbers.length : type) * 2 + (authority === facility ? 0 : 1);
  return { rank, key: `${authority}|${value}` };
}

function isBetter(one: RankedKey, other: RankedKey): boolean {
  return one.rank < other.rank || (one.rank === other.rank && one.key < other.key);
}

/** GB 11643 */
const nationalIdLength = 18;
