/**
 * What came in one frame, body or file: a message, or a batch of them. Each message of a batch is taken as if it had come alone, in order, so
 * a batch that breaks off has lost nothing that was answered. The endpoint says whether the answers come one by one or as a batch.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html HL7 v2.5.1 section 2.10.3
 */
import type { Connection } from '../../src/ingest/contract.ts';
import { answerMessage, answerProblem, type Answer, type AnswerOptions } from './answer.ts';
import { checkBatch, hasEnvelope, isBatch, splitMessages } from './batch.ts';

/** Never rejects: whatever happens becomes an Answer. */
export async function answerFrame(bytes: Buffer, connection: Connection, options: AnswerOptions): Promise<Answer> {
  // In an MLLP frame two messages without an envelope are a sender's lost end of block, not a batch.
  const isMany = connection.kind === 'hl7v2-mllp' ? hasEnvelope(bytes) : isBatch(bytes);
  if (!isMany) return answerMessage(bytes, connection, options);
  const problem = checkBatch(bytes);
  if (problem !== undefined) return answerProblem(bytes, problem, options);
  const messages = splitMessages(bytes).map((message) => Buffer.from(message));
  const answers: Answer[] = [];
  for (let at = 0; at < messages.length; at += atOnce) {
    const some = messages.slice(at, at + atOnce);
    // Together, so that they share a commit; their order is kept by the order in which they are handed over.
    answers.push(...(await Promise.all(some.map((message) => answerMessage(message, connection, options)))));
    if (answers.some(({ isLost }) => isLost)) break;
  }
  return together(answers, options);
}

/** As many messages of a batch are on their way to the disk at a time. */
const atOnce = 256;

function together(answers: readonly Answer[], options: AnswerOptions): Answer {
  const acks = answers.flatMap((answer) => answer.acks);
  const isOne = answers.some(({ endpoint }) => endpoint?.batchAck === 'batch');
  return {
    acks: isOne && acks.length > 0 ? [asBatch(acks, options)] : acks,
    problem: answers.find(({ problem }) => problem !== undefined)?.problem,
    isLost: answers.some(({ isLost }) => isLost),
    later: answers.flatMap((answer) => answer.later),
    endpoint: answers[0]?.endpoint,
  };
}

/** Acknowledgments between a batch header and a trailer that counts them. */
function asBatch(acks: readonly Buffer[], { now, nextControlId }: AnswerOptions): Buffer {
  const time = now().toISOString().replace(/\D/g, '').slice(0, 14);
  const header = Buffer.from(`BHS|^~\\&|HUB||||${time}||||${nextControlId()}\r`);
  return Buffer.concat([header, ...acks, Buffer.from(`BTS|${acks.length}\r`)]);
}
