/**
 * What came in one frame, body or file: a message, or a batch of them. Each message of a batch is taken as if it had come alone, in order, so
 * a batch that breaks off has lost nothing that was answered. The endpoint says whether the answers come one by one or as a batch.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html HL7 v2.5.1 section 2.10.3
 */
import type { Connection } from '../../src/ingest/contract.ts';
import { answerBatch, answerMessage, answerProblem, type Answer, type AnswerOptions } from './answer.ts';
import { checkBatch, hasEnvelope, isBatch, readEnvelopeOf, splitMessages } from './batch.ts';
import { ackHeader, guessSender, type Sender } from './sender.ts';

/** Never rejects: whatever happens becomes an Answer. */
export async function answerFrame(bytes: Buffer, connection: Connection, options: AnswerOptions): Promise<Answer> {
  // In an MLLP frame two messages without an envelope are a sender's lost end of block, not a batch.
  const isMany = connection.kind === 'hl7v2-mllp' ? hasEnvelope(bytes) : isBatch(bytes);
  if (!isMany) return answerMessage(bytes, connection, options);
  const problem = checkBatch(bytes);
  const { header, messages: count } = readEnvelopeOf(bytes);
  const sender = header === undefined ? undefined : batchSender(header);
  if (problem !== undefined) {
    return sender === undefined ? answerProblem(bytes, problem, options) : answerBatch(sender, problem, options);
  }
  // A batch of nothing, as some send every hour: there is nothing to answer but the batch.
  if (count === 0 && sender !== undefined) return answerBatch(sender, undefined, options);
  const messages = splitMessages(bytes).map((message) => Buffer.from(message));
  const answers: Answer[] = [];
  for (let at = 0; at < messages.length; at += atOnce) {
    const some = messages.slice(at, at + atOnce);
    // Together, so that they share a commit; their order is kept by the order in which they are handed over.
    answers.push(...(await Promise.all(some.map((message) => answerMessage(message, connection, options)))));
    if (answers.some(({ isLost }) => isLost)) break;
  }
  return together(answers, sender, options);
}

/** As many messages of a batch are on their way to the disk at a time. */
const atOnce = 256;

function together(answers: readonly Answer[], sender: Sender | undefined, options: AnswerOptions): Answer {
  const acks = answers.flatMap((answer) => answer.acks);
  const isOne = answers.some(({ endpoint }) => endpoint?.batchAck === 'batch');
  return {
    acks: isOne && acks.length > 0 ? [asBatch(acks, sender, options)] : acks,
    problem: answers.find(({ problem }) => problem !== undefined)?.problem,
    isLost: answers.some(({ isLost }) => isLost),
    later: answers.flatMap((answer) => answer.later),
    endpoint: answers[0]?.endpoint,
  };
}

/** Who sent a batch, read as the MSH that its header is like: BHS-3 to BHS-6 name the parties, BHS-11 is its control id. */
function batchSender(header: string): Sender {
  const separator = header.charAt(3);
  const fields = header.split(separator);
  const [encoding = '', ...parties] = fields.slice(1, 6);
  const likeMessage = [`MSH`, encoding, ...parties, '', '', 'ACK', fields[10] ?? '', 'P', ''].join(separator);
  return guessSender(Buffer.from(likeMessage, 'latin1'));
}

/** Acknowledgments between a batch header, which names the batch it answers in BHS-12, and a trailer that counts them. */
function asBatch(acks: readonly Buffer[], sender: Sender | undefined, { now, nextControlId }: AnswerOptions): Buffer {
  const answered = sender ?? guessSender(Buffer.alloc(0));
  const { field } = answered.delimiters;
  const controlId = nextControlId();
  const [, encoding, ...parties] = ackHeader(answered, now(), controlId).split(field).slice(0, 7);
  const header = ['BHS', encoding, ...parties, '', '', '', controlId, answered.controlId].join(field);
  const trailer = ['BTS', acks.length].join(field);
  return Buffer.concat([Buffer.from(`${header}\r`, 'latin1'), ...acks, Buffer.from(`${trailer}\r`)]);
}
