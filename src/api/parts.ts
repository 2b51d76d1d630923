/**
 * Answers that are made while they leave. Of one part an answer goes out whole, with its length; of more, each part is on
 * record before it is sent, and forgotten before the next is made.
 */
import type { Part } from './interaction.ts';
import { addDecided, receipted, receiptHeader, receiptOf } from './receipt.ts';
import type { Answer } from './respond.ts';

export interface PartsOptions {
  /** Resolves when what the part shows is on record. */
  readonly record: (part: Part) => Promise<void>;
  /** What decided the answer that this one is part of. */
  readonly decided: Set<string> | undefined;
  /** An error after the status has left. */
  readonly failed: (error: unknown) => void;
}

/** What can be refused is refused before the status leaves: the first two parts are made here. */
export async function answerInParts(
  answer: Answer,
  parts: AsyncIterator<Part>,
  { decided: known, record, failed }: PartsOptions,
): Promise<Answer> {
  const first = await parts.next();
  if (first.done === true) return answer;
  await record(first.value);
  let decided = addDecided(known, first.value.shown);
  const second = await parts.next();
  if (second.done === true) return receipted({ ...answer, body: first.value.text }, decided);
  const { text } = first.value;
  async function* chunks(): AsyncGenerator<string> {
    yield text;
    try {
      for (let part = second; part.done !== true; part = await parts.next()) {
        if (part.value.shown.length > 0) await record(part.value);
        decided = addDecided(decided, part.value.shown);
        yield part.value.text;
      }
    } catch (error) {
      // That the answer ends too early is all that the caller can be told.
      failed(error);
      throw error;
    }
  }
  // Known when all has left.
  const trailers = (): Record<string, string> => (decided === undefined ? {} : { [receiptHeader]: receiptOf(decided) });
  return { ...answer, chunks: chunks(), trailers };
}
