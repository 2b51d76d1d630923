/**
 * batch: entries that have nothing to do with each other, each with its own fate, answer and trail.
 *
 * @see https://hl7.org/fhir/R4/http.html#transaction
 */
import { Problem } from '../../fhir/problem.ts';
import { answeredBundle, answeredEntry, entryCallOf, inEntry, type SentEntry } from './entry.ts';
import type { Call, Plan } from '../interaction.ts';
import { inParallel } from '../parallel.ts';
import { perform } from '../pipeline.ts';
import { answerOf, type Answer } from '../respond.ts';

/** Enough to keep the writer's groups full, and few beside what other callers ask. */
const togetherMax = 16;
/** What one answer may hold in memory; a search of a thousand documents times five thousand entries would not fit. */
const answerCharsMax = 64_000_000;

export function planBatch(call: Call, entries: readonly SentEntry[]): Plan {
  return {
    run: async () => {
      const decided = new Set<string>();
      return {
        answer: answeredBundle('batch', await answerEach({ ...call, decided }, entries)),
        shown: [],
        decided,
        // Each entry has left its own.
        entries: [],
      };
    },
  };
}

async function answerEach(call: Call, entries: readonly SentEntry[]): Promise<string[]> {
  let chars = 0;
  return inParallel(entries, togetherMax, async (entry, index) => {
    const answer = chars > answerCharsMax ? tooLong(index) : await answerOne(call, entry, index);
    const text = answeredEntry(answer, entry.request?.['method'] === 'HEAD');
    chars += text.length;
    return text;
  });
}

async function answerOne(call: Call, entry: SentEntry, index: number): Promise<Answer> {
  try {
    const { interaction, call: inner } = entryCallOf(call, entry);
    const answer = await perform(interaction, inner);
    return answer.chunks === undefined ? answer : { ...answer, chunks: undefined, body: await gather(answer.chunks) };
  } catch (error) {
    return answerOf(inEntry(index, error), false, call.correlationId);
  }
}

function tooLong(index: number): Answer {
  const problem = new Problem('too-costly', 'the answers of the entries before this one fill the Bundle', {
    hint: 'Send the entry again, in a Bundle of its own.',
  });
  return answerOf(inEntry(index, problem), false, '');
}

async function gather(chunks: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) {
    text += chunk;
    if (text.length > answerCharsMax) throw new Problem('too-costly', 'the answer is too long for an entry');
  }
  return text;
}
