/**
 * Group commit of independent writes: what arrives while a transaction is under way goes into the next one, together.
 * Nobody waits for a timer; a lone write goes at once. One insert of 20 rows costs a third of 20 transactions of one, in
 * statements, in round trips and in flushes of the log.
 *
 * For writes that are complete by themselves. What must commit with other work (a message's state, a Consent's rules) calls
 * `commit` in a transaction of its own.
 */
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { commit } from './commit.ts';
import type { Write, Written } from './row.ts';

export interface GroupCommit<Entry = never> {
  /**
   * Commits these writes together, whatever becomes of others.
   * @param entriesOf what stands or falls with them: the transaction keeps it as it is told to
   * @throws Problem as `commit`; transient when more is waiting than can be written soon
   */
  write(writes: readonly Write[], entriesOf?: (written: Written[]) => readonly Entry[]): Promise<Written[]>;
}

/** Runs work in a transaction, and keeps there what the work says to keep (the audit trail, to which the store is blind). */
export type Transact<Entry> = <T>(
  work: (tx: Tx) => Promise<{ readonly value: T; readonly entries: readonly Entry[] }>,
) => Promise<T>;

export interface GroupCommitOptions {
  readonly clock: () => Date;
}

interface Waiting<Entry> {
  readonly writes: readonly Write[];
  readonly entriesOf: ((written: Written[]) => readonly Entry[]) | undefined;
  readonly resolve: (written: Written[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Two, so that one gathers its rows while the other waits for the disk. */
const transactionsMax = 2;
/** Larger groups gain nothing and make the first of them wait for the last. */
const groupWritesMax = 200;
/** About two seconds of writing; more would only time out in the queue. */
const waitingMax = 5_000;

export function openGroupCommit<Entry = never>(
  transact: Transact<Entry>,
  { clock }: GroupCommitOptions,
): GroupCommit<Entry> {
  const queue: Waiting<Entry>[] = [];
  let running = 0;

  /** @returns what became of each one's writes */
  const commitTogether = (group: readonly Waiting<Entry>[]): Promise<Written[][]> =>
    transact(async (tx) => {
      const written = await commit(
        tx,
        group.flatMap(({ writes }) => writes),
        { at: clock() },
      );
      let from = 0;
      const value = group.map(({ writes }) => written.slice(from, (from += writes.length)));
      return { value, entries: group.flatMap(({ entriesOf }, index) => entriesOf?.(value[index] as Written[]) ?? []) };
    });

  const commitGroup = async (group: readonly Waiting<Entry>[]): Promise<void> => {
    try {
      const written = await commitTogether(group);
      for (const [index, { resolve }] of group.entries()) resolve(written[index] as Written[]);
    } catch (error) {
      const isLost = error instanceof Problem && error.code === 'transient';
      if (isLost || group.length === 1) for (const { reject } of group) reject(error);
      // One was refused and undid the others: each for itself, so that an error meets only who caused it.
      else for (const waiting of group) await commitGroup([waiting]);
    }
  };

  const next = async (): Promise<void> => {
    while (queue.length > 0) {
      let size = 0;
      const count = queue.findIndex(({ writes }) => (size += writes.length) > groupWritesMax);
      await commitGroup(queue.splice(0, count < 0 ? queue.length : Math.max(count, 1)));
    }
  };

  return {
    write: (writes, entriesOf) =>
      new Promise((resolve, reject) => {
        if (queue.length >= waitingMax) {
          reject(new Problem('transient', 'too many writes are waiting', { hint: 'Send it again in a few seconds.' }));
          return;
        }
        queue.push({ writes, entriesOf, resolve, reject });
        if (running >= transactionsMax) return;
        running++;
        // After this turn of the event loop, so that what arrived in one read of the sockets goes together.
        setImmediate(() => {
          void next().finally(() => running--);
        });
      }),
  };
}
