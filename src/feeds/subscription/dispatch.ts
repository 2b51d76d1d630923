/**
 * The rhythm of subscriptions in one process: look through the outbox, claim what has something to do, tell it, several at a
 * time. Any number of processes share the work; each looks by itself, seldom when there is no subscription at all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { claimDue, type Claimed } from './claim.ts';
import { deliver, type DeliverOptions } from './deliver.ts';
import { followLinks, matchOutbox, pendingMaxDefault } from './match.ts';
import { postpone } from './progress.ts';

export interface DispatchOptions extends DeliverOptions {
  /** This process looks through the outbox, and sends rest-hooks. */
  readonly isWorker: boolean;
  /** Websockets that this process holds. */
  readonly bindings?: () => readonly string[];
  /** Beyond what a receiver may take to answer: after so long others take over from a process that was killed. */
  readonly leaseMs?: number;
  readonly entriesMax?: number;
  readonly onError?: (error: unknown) => void;
}

export interface Dispatching {
  /** There is something to do now. */
  wake(): void;
  /** Finishes what is being told. */
  close(): Promise<void>;
}

/** Told at a time: each waits for its receiver, and holds a connection to the database while its message leaves. */
const concurrency = 8;
const leaseMsDefault = 15_000;
const idleMs = { min: 10, max: 250 };
/** Without a subscription, the next is noticed after this. */
const emptyMs = 1_000;
const errorMs = 500;
/** Links that an operator makes are followed after this. */
const personsMs = 60_000;
/** Looked back so far, so that no link falls between two looks. */
const linksMinutes = 3;

export function startDispatching(options: DispatchOptions): Dispatching {
  const dispatcher = new Dispatcher(options);
  dispatcher.start();
  return dispatcher;
}

class Dispatcher implements Dispatching {
  readonly #options: DispatchOptions;
  readonly #running = new Set<Promise<void>>();
  #looping: Promise<void> = Promise.resolve();
  #personsAt = Date.now();
  #alarm = new AbortController();
  #isClosed = false;

  constructor(options: DispatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#looping = this.#loop();
  }

  wake(): void {
    this.#alarm.abort();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.wake();
    await this.#looping;
    await Promise.all(this.#running);
  }

  async #loop(): Promise<void> {
    let pauseMs = idleMs.min;
    while (!this.#isClosed) {
      this.#alarm = new AbortController();
      try {
        const hasFound = await this.#look();
        if (hasFound) pauseMs = 0;
        else pauseMs = pauseMs === 0 ? idleMs.min : Math.min(pauseMs * 2, idleMs.max);
        if (pauseMs >= idleMs.max && !(await isAny(this.#options.database))) pauseMs = emptyMs;
      } catch (error) {
        this.#report(error);
        pauseMs = errorMs;
      }
      if (pauseMs > 0)
        await sleep(pauseMs, undefined, { signal: this.#alarm.signal, ref: false }).catch(() => undefined);
    }
  }

  /** @returns whether there was anything */
  async #look(): Promise<boolean> {
    const { database, base, isWorker, bindings = () => [], entriesMax, leaseMs = leaseMsDefault } = this.#options;
    const { pendingMax = pendingMaxDefault } = this.#options.limits ?? {};
    const held = bindings();
    if (!isWorker && held.length === 0) return false;
    let hasFound = false;
    if (isWorker) {
      const options = { base, now: Date.now(), pendingMax, ...(entriesMax === undefined ? {} : { entriesMax }) };
      const { entries } = await database.inTransaction((tx) => matchOutbox(tx, options));
      hasFound = entries > 0;
      if (Date.now() - this.#personsAt >= personsMs) {
        this.#personsAt = Date.now();
        await database.inTransaction((tx) => followLinks(tx, options, linksMinutes));
      }
    }
    const room = concurrency - this.#running.size;
    if (room === 0) return hasFound;
    const claimed = await claimDue(database, { limit: room, isRestHook: isWorker, bindings: held, leaseMs });
    for (const one of claimed) {
      const task = this.#run(one).finally(() => this.#running.delete(task));
      this.#running.add(task);
    }
    return hasFound || claimed.length > 0;
  }

  async #run(claimed: Claimed): Promise<void> {
    try {
      await deliver(claimed, this.#options);
    } catch (error) {
      // Somebody else's by now, as a rule: nothing is wrong.
      if (!(error instanceof Problem && error.code === 'lock-error')) this.#report(error);
      // Changes nothing of what is no longer ours. If it fails as well, the claim runs out.
      await postpone(this.#options.database, claimed).catch(() => undefined);
    } finally {
      this.wake();
    }
  }

  #report(error: unknown): void {
    this.#options.onError?.(error);
  }
}

async function isAny(tx: Tx): Promise<boolean> {
  const [row] = await tx.query<{ is_any: boolean }>(sql`
    select exists (select from subscription where status <> 'off') as is_any`);
  return row?.is_any === true;
}
