/**
 * transaction: all entries or none. What can be refused without the database is refused first, with all that is wrong; then the
 * writes are one commit, and reads see what it wrote.
 *
 * @see https://hl7.org/fhir/R4/http.html#trules
 */
import { setImmediate as breathe } from 'node:timers/promises';
import type { AuditEntry } from '../../access/audit/audit.ts';
import type { Tx } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { planBatch } from './batch.ts';
import { namesOf } from '../write/condition.ts';
import {
  answeredBundle,
  answeredEntry,
  entryCallOf,
  inEntry,
  readBundle,
  type EntryCall,
  type SentEntry,
} from './entry.ts';
import { carryOut, type Intent, type Outcome } from '../write/intent.ts';
import type { Call, Interaction, Plan, Result } from '../interaction.ts';
import { admitEntry, contextOf, entriesOf, recordRefusal, requireType, type Trail, weighEntry } from '../pipeline.ts';
import { addDecided } from '../receipt.ts';
import { HttpProblem, ProblemList } from '../respond.ts';
import { Links, type Linked } from './rewrite.ts';
import { requireValid } from '../write.ts';
import { resultOf } from '../write/written.ts';

/** Both kinds of Bundle come to the base; what it is, its type says. */
export const bundle: Interaction = {
  code: 'transaction',
  also: ['batch'],
  isWrite: true,
  prepare: async (call) => {
    const { type, entries } = await readBundle(call);
    return type === 'batch' ? planBatch(call, entries) : planTransaction(call, entries);
  },
};

/** As many as a person mends in one go. */
const problemsMax = 50;
/** Entries between two turns of the event loop: others are answered while a large Bundle is read. */
const breathAfter = 25;

interface Prepared extends EntryCall {
  readonly trail: Trail;
  /** A write waits for all others; anything else is run after them. */
  readonly intent?: Intent;
  readonly plan?: Plan;
}

async function planTransaction(call: Call, sent: readonly SentEntry[]): Promise<Plan> {
  const entries = await eachEntry(sent, async (entry, index): Promise<Prepared> => prepare(call, entry, index));
  const writes = entries.flatMap(({ intent, call: { incoming } }, index): Linked[] => {
    const fullUrl = sent[index]?.fullUrl;
    const one = { index, fullUrl: typeof fullUrl === 'string' ? fullUrl : undefined };
    return intent === undefined ? [] : [{ ...one, intent, sent: incoming.resource as object | undefined }];
  });
  const links = new Links(writes, call.facade);
  links.fillProvisionally();
  await eachEntry(entries, async ({ intent }) => {
    if (intent?.resource !== undefined) requireValid(intent.resource, call.facade.profiles);
  });
  await links.find(call);
  return { isTransaction: true, run: (tx) => run(tx, call, { entries, writes, links }) };
}

/** Entry by entry; every error of all of them is told at once. */
async function eachEntry<From, To>(
  items: readonly From[],
  work: (item: From, index: number) => Promise<To>,
): Promise<To[]> {
  const done: To[] = [];
  const problems: Problem[] = [];
  for (const [index, item] of items.entries()) {
    if (index % breathAfter === breathAfter - 1) await breathe();
    try {
      done.push(await work(item, index));
    } catch (error) {
      const problem = inEntry(index, error);
      if (!(problem instanceof Problem)) throw problem;
      problems.push(...(problem instanceof ProblemList ? problem.all : [problem]));
      if (problems.length >= problemsMax) break;
    }
  }
  const [first] = problems;
  if (first !== undefined) throw problems.length === 1 ? first : new ProblemList(problems.slice(0, problemsMax));
  return done;
}

async function prepare(call: Call, entry: SentEntry, index: number): Promise<Prepared> {
  const { interaction, call: inner } = entryCallOf(call, entry);
  try {
    requireType(inner.incoming.type);
    if (interaction.intend === undefined) {
      const plan = await interaction.prepare(inner);
      admitEntry(inner, plan);
      return { interaction, call: inner, trail: plan, plan };
    }
    const intent = await interaction.intend(inner);
    const trail = intent.condition === undefined ? {} : { query: namesOf(intent.condition) };
    return { interaction, call: inner, trail, intent };
  } catch (error) {
    throw await recordRefusal(inner, contextOf(interaction, inner), undefined, inEntry(index, error));
  }
}

interface Transaction {
  readonly entries: readonly Prepared[];
  readonly writes: readonly Linked[];
  readonly links: Links;
}

async function run(tx: Tx, call: Call, { entries, writes, links }: Transaction): Promise<Result> {
  const results = new Map<number, Result>();
  const outcomes = await write(tx, call, { entries, writes, links });
  for (const [at, { index, intent }] of writes.entries()) {
    results.set(index, resultOf((entries[index] as Prepared).call, intent, outcomes[at] as Outcome));
  }
  for (const [index, entry] of entries.entries()) {
    if (entry.intent === undefined) results.set(index, await read(tx, entry, index));
  }
  const inOrder = entries.map((entry, index) => ({ entry, result: results.get(index) as Result }));
  return {
    answer: answeredBundle(
      'transaction',
      inOrder.map(({ entry, result }) => answeredEntry(result.answer, entry.call.incoming.method === 'HEAD')),
    ),
    shown: [],
    decided: new Set(inOrder.flatMap(({ result }) => [...(addDecided(undefined, result.shown) ?? [])])),
    entries: inOrder.flatMap(({ entry, result }) => trailOf(entry, result)),
  };
}

async function write(tx: Tx, call: Call, { entries, writes, links }: Transaction): Promise<Outcome[]> {
  try {
    return await carryOut(
      tx,
      call,
      writes.map(({ intent }) => intent),
      (ids) => links.settle(ids),
    );
  } catch (error) {
    const index = error instanceof Problem && error.index !== undefined ? writes[error.index]?.index : undefined;
    throw index === undefined ? error : await refused(entries[index] as Prepared, index, error);
  }
}

async function read(tx: Tx, entry: Prepared, index: number): Promise<Result> {
  try {
    const plan = entry.plan as Plan;
    const result = await plan.run(tx, (one) => trailOf(entry, one));
    await weighEntry(entry.call, contextOf(entry.interaction, entry.call), plan, result);
    if (result.parts !== undefined || result.answer.chunks !== undefined) {
      throw new HttpProblem(400, 'not-supported', 'an answer in parts has no place in a transaction', {
        hint: 'Ask for it in a request of its own.',
      });
    }
    return result;
  } catch (error) {
    throw await refused(entry, index, error);
  }
}

/** Who was refused what is kept for the entry too. @returns the error to answer with */
async function refused({ interaction, call, trail }: Prepared, index: number, error: unknown): Promise<unknown> {
  return recordRefusal(call, contextOf(interaction, call), trail, inEntry(index, error));
}

function trailOf({ interaction, call, trail }: Prepared, result: Result): readonly AuditEntry[] {
  return entriesOf(contextOf(interaction, call), trail, result);
}
