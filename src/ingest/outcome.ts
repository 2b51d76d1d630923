/** Waiting for the fate of a message: for senders that ask, in MSH-16, to be told when it has been processed. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem, type ProblemCode } from '../fhir/problem.ts';
import type { Outcome } from './contract.ts';
import { statuses } from './status.ts';

export interface Outcomes {
  wait(messageId: number): Promise<Outcome>;
  close(): void;
}

/** One look for all that wait. */
const lookMs = 50;
/** A sender that waits longer has given up. */
const waitMs = 30_000;
/** Beyond this, senders are told nothing; they can ask again by sending the message once more. */
const waitersMax = 10_000;

interface Waiter {
  readonly until: number;
  readonly resolve: (outcome: Outcome) => void;
}

export function openOutcomes(db: Tx): Outcomes {
  const waiters = new Map<number, Waiter[]>();
  let timer: NodeJS.Timeout | undefined;

  const settle = (id: number, outcome: Outcome): void => {
    for (const { resolve } of waiters.get(id) ?? []) resolve(outcome);
    waiters.delete(id);
  };

  const look = async (): Promise<void> => {
    const rows = await readFates(db, [...waiters.keys()]).catch(() => []);
    for (const row of rows) {
      const status = statuses[row.status] ?? 'waiting';
      const isOld = (waiters.get(row.id)?.[0]?.until ?? 0) < Date.now();
      if (status === 'processed' || status === 'quarantined' || isOld) {
        settle(row.id, { status, ...(status === 'quarantined' ? { problem: problemOf(row) } : {}) });
      }
    }
    timer = waiters.size > 0 ? setTimeout(() => void look(), lookMs) : undefined;
  };

  return {
    wait: async (messageId) => {
      if (waiters.size >= waitersMax) return { status: 'waiting' };
      return new Promise<Outcome>((resolve) => {
        const list = waiters.get(messageId) ?? [];
        list.push({ until: Date.now() + waitMs, resolve });
        waiters.set(messageId, list);
        timer ??= setTimeout(() => void look(), lookMs);
      });
    },
    close: () => {
      clearTimeout(timer);
      for (const id of waiters.keys()) settle(id, { status: 'waiting' });
    },
  };
}

interface Fate {
  id: number;
  status: number;
  reason: string | null;
  position: string | null;
}

function readFates(db: Tx, ids: readonly number[]): Promise<Fate[]> {
  return db.query<Fate>(sql`select id, status, reason, position from message where id = any(${ids}::bigint[])`);
}

/** The reason is kept as `code: text`. */
function problemOf({ reason, position }: Fate): Problem {
  const [, code = 'exception', text = 'it could not be processed'] = /^([a-z-]+): (.*)$/s.exec(reason ?? '') ?? [];
  return new Problem(code as ProblemCode, text, position === null ? {} : { expression: position });
}
