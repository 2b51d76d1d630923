/**
 * One message in, its acknowledgments out; the same for MLLP and HTTP. Reads the envelope, finds the endpoint that this
 * connection may speak for, hands the bytes to the hub and answers only after they are on disk.
 */
import { Problem } from '../../src/fhir/problem.ts';
import type { Connection, Door, Endpoint, Hl7Segment } from '../../src/ingest/contract.ts';
import { buildAck, isDue, planAcks, type Verdict } from './ack.ts';
import { findCharset } from './charset.ts';
import { facilityOf, readEnvelope, readMessage, type ReadMessage } from './read.ts';
import { guessSender, senderOf, type Sender } from './sender.ts';

export interface AnswerOptions {
  readonly door: Door;
  readonly now: () => Date;
  /** MSH-10 of the next acknowledgment. */
  readonly nextControlId: () => string;
}

export interface Answer {
  /** The acknowledgments to send now; none when the sender asked for none, or must send again (see `isLost`). */
  readonly acks: readonly Buffer[];
  /** Why the message was refused, for the log and for HTTP's status. */
  readonly problem?: Problem;
  /** The hub could not store it and does not know better: the transport must not confirm anything. */
  readonly isLost: boolean;
  /** Application acknowledgments that follow when the messages are processed. */
  readonly later: readonly Promise<Buffer | undefined>[];
  /** Undefined when no endpoint takes the message. */
  readonly endpoint?: Endpoint;
}

/** Never rejects: whatever happens becomes an Answer. */
export async function answerMessage(bytes: Buffer, connection: Connection, options: AnswerOptions): Promise<Answer> {
  let sender: Sender | undefined;
  let endpoint: Endpoint | undefined;
  try {
    const reading = await route(bytes, connection, options.door);
    const header = reading.message.first('MSH') as Hl7Segment;
    sender = senderOf(header, reading.charset);
    const code = header.field(9)[0]?.get(1) ?? '';
    // An acknowledgment is never acknowledged (HL7 v2.5.1 section 2.9.2).
    if (acknowledgments.has(code.split('_')[0] ?? '')) return { acks: [], isLost: false, later: [] };
    const envelope = readEnvelope(reading.message);
    endpoint = reading.endpoint;
    if (endpoint === undefined) throw unknownFacility();
    if (isQuery(code)) throw notAnswered();
    const receipt = await options.door.receive({ endpoint, envelope, bytes });
    return answer(sender, endpoint, undefined, options, receipt.messageId);
  } catch (error) {
    const problem = asProblem(error);
    return answer(sender ?? guessSender(bytes), endpoint, problem, options);
  }
}

/** General acknowledgments: ACK, and MCF of the delayed mode of old versions. */
const acknowledgments = new Set(['ACK', 'MCF']);

/** Messages that ask for data (HL7 v2.8 chapter 5): QBP, QRY, QSB, QVR, QCN, and the queries of other chapters. */
function isQuery(code: string): boolean {
  return queries.has(code.split('_')[0] ?? '');
}
const queries = new Set(
  'QBP QRY QRF QSB QVR QCN QSX SQM SPQ VQQ VXQ RQQ EQQ OSQ RQI RQC RQP RER RDR RGR ROR'.split(' '),
);

function notAnswered(): Problem {
  return new Problem('not-supported', 'queries are not answered over HL7v2', {
    expression: 'MSH-9.1',
    hint: 'Ask over FHIR: what leaves the hub needs a token that says who asks and why.',
  });
}

/** What as a whole cannot be taken, whatever it holds. */
export function answerProblem(bytes: Buffer, problem: Problem, options: AnswerOptions): Answer {
  return answer(guessSender(bytes), undefined, problem, options);
}

/** The verdict on a batch itself. */
export function answerBatch(sender: Sender, verdict: Verdict, options: AnswerOptions): Answer {
  return answer(sender, undefined, verdict, options);
}

/** A frame that is too long to be taken, answered by its beginning. */
export function answerTooLong(head: Buffer, frameBytesMax: number, options: AnswerOptions): Answer {
  const problem = new Problem('too-long', `the message is longer than ${frameBytesMax} bytes`, {
    hint: 'Send large documents in parts, or by reference.',
  });
  return answerProblem(head, problem, options);
}

function answer(
  sender: Sender,
  endpoint: Endpoint | undefined,
  verdict: Verdict,
  options: AnswerOptions,
  messageId?: number,
): Answer {
  const plan = planAcks(sender.header, endpoint?.ackMode ?? 'auto', verdict);
  const build = (kind: 'application' | 'accept', result: Verdict): Buffer =>
    buildAck({ sender, kind, verdict: result, at: options.now(), controlId: options.nextControlId() });
  return {
    acks: plan.immediate === undefined ? [] : [build(plan.immediate, verdict)],
    problem: verdict,
    isLost: verdict !== undefined && lost.has(verdict.code),
    later:
      plan.isLater && messageId !== undefined
        ? [
            applicationAck(messageId, sender.header?.text(16) ?? '', options.door, (result) =>
              build('application', result),
            ),
          ]
        : [],
    endpoint,
  };
}

/** A passing trouble of the hub: the message may be fine, and comes again when nobody answers it. */
const lost = new Set(['transient', 'timeout', 'throttled']);

async function applicationAck(
  messageId: number,
  condition: string,
  door: Door,
  build: (result: Verdict) => Buffer,
): Promise<Buffer | undefined> {
  const { status, problem } = await door.outcome(messageId);
  if (status === 'waiting' || status === 'held') return undefined;
  const verdict = status === 'processed' ? undefined : (problem ?? new Problem('exception', 'it was not processed'));
  return isDue(condition, verdict === undefined) ? build(verdict) : undefined;
}

interface Routed extends ReadMessage {
  readonly endpoint: Endpoint | undefined;
}

/** Reads the message and finds its endpoint, asking the registry again once when the facility is new. */
async function route(bytes: Buffer, connection: Connection, door: Door): Promise<Routed> {
  const first = readFor(bytes, connection, door);
  if (first.endpoint !== undefined) return first;
  await door.refresh();
  return readFor(bytes, connection, door);
}

/** Without MSH-18 the endpoint says the charset, and the charset may say the endpoint: both must agree. */
function readFor(bytes: Buffer, connection: Connection, door: Door): Routed {
  const reach = door.reach(connection);
  const read = (charset?: string): Routed => {
    const reading = readMessage(bytes, charset);
    return { ...reading, endpoint: reach.find(facilityOf(reading.message.first('MSH') as Hl7Segment)) };
  };
  const plain = read();
  if (plain.origin === 'MSH-18' || plain.charset.name === 'ASCII') return plain;
  const preset = plain.endpoint?.charset;
  if (preset !== undefined) {
    const again = read(preset);
    return again.endpoint === plain.endpoint ? again : { ...again, endpoint: undefined };
  }
  if (plain.endpoint !== undefined) return plain;
  for (const charset of reach.charsets) {
    const text = findCharset(charset)?.decode(bytes);
    const again = text === undefined ? undefined : read(charset);
    if (again?.endpoint?.charset === charset) return again;
  }
  return plain;
}

function unknownFacility(): Problem {
  return new Problem('forbidden', 'MSH-4 names no facility that this connection may speak for', {
    expression: 'MSH-4',
    hint: 'Register the facility with `hub endpoint add`, or send from the connection it is bound to.',
  });
}

function asProblem(error: unknown): Problem {
  return error instanceof Problem
    ? error
    : new Problem('exception', 'the hub failed to take the message', { cause: error });
}
