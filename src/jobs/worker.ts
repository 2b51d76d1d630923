/**
 * The rhythm of work: take what waits in the slots this worker holds, in batches that never share a slot, several batches
 * at a time. Woken by whoever adds work in this process; for work added elsewhere it looks by itself, less often the
 * longer nothing came.
 */
import type { Lease, Leases } from './lease.ts';

export interface Item {
  readonly slot: number;
}

export interface Work<T extends Item> {
  /** Waiting items of these slots: for each slot its oldest, in order. */
  pick(slots: readonly number[], limit: number): Promise<readonly T[]>;
  /** Does the items, in order, and records that they are done, all under these leases. */
  handle(items: readonly T[], leases: readonly Lease[]): Promise<void>;
}

export interface WorkerOptions<T extends Item> {
  readonly leases: Leases;
  readonly work: Work<T>;
  /** Batches at a time: one waits for the disk while another is computed. */
  readonly concurrency?: number;
  readonly batchMax?: number;
  readonly onError?: (error: unknown) => void;
}

export interface Worker {
  /** There is work now. */
  wake(): void;
  /** Finishes what is under way. */
  close(): Promise<void>;
}

const concurrencyDefault = 3;
/**
 * Reached only with a backlog. Large enough to share statements and a commit, small enough that a failure repeats little:
 * beside the hub's own time, PostgreSQL spends 0.56 at 64 messages, 0.47 at 128, 0.39 at 256 (one run each).
 */
const batchMaxDefault = 128;
/** The first look after work, and the longest wait between looks. */
const idleMinMs = 10;
const idleMaxMs = 500;
/** After a failure of the worker itself (the database is away). */
const errorMs = 500;

export function startWorker<T extends Item>(options: WorkerOptions<T>): Worker {
  const worker = new SlotWorker(options);
  worker.start();
  return worker;
}

class SlotWorker<T extends Item> implements Worker {
  readonly #options: WorkerOptions<T>;
  readonly #concurrency: number;
  readonly #batchMax: number;
  readonly #running = new Set<Promise<void>>();
  readonly #busy = new Set<number>();
  #looping: Promise<void> = Promise.resolve();
  #isClosed = false;
  #isWoken = false;
  #wakeUp: (() => void) | undefined;

  constructor(options: WorkerOptions<T>) {
    this.#options = options;
    this.#concurrency = options.concurrency ?? concurrencyDefault;
    this.#batchMax = options.batchMax ?? batchMaxDefault;
  }

  start(): void {
    this.#looping = this.#loop();
  }

  wake(): void {
    this.#isWoken = true;
    this.#wakeUp?.();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.wake();
    await this.#looping;
    await Promise.all(this.#running);
  }

  async #loop(): Promise<void> {
    let idleMs = idleMinMs;
    while (!this.#isClosed) {
      try {
        const hasFound = await this.#startBatches();
        idleMs = hasFound ? idleMinMs : Math.min(idleMs * 2, idleMaxMs);
        if (!hasFound) await this.#sleep(idleMs);
      } catch (error) {
        this.#options.onError?.(error);
        await pause(errorMs);
      }
    }
  }

  async #startBatches(): Promise<boolean> {
    const room = this.#concurrency - this.#running.size;
    const free = this.#options.leases.held().filter(({ slot }) => !this.#busy.has(slot));
    if (room === 0 || free.length === 0) return false;
    const slots = free.map(({ slot }) => slot);
    const picked = await this.#options.work.pick(slots, room * this.#batchMax);
    // Some may have been given to another worker meanwhile.
    const held = new Set(this.#options.leases.held().map(({ slot }) => slot));
    const items = picked.filter(({ slot }) => held.has(slot));
    for (const batch of divide(items, room, this.#batchMax)) {
      const task = this.#run(batch, free).finally(() => this.#running.delete(task));
      this.#running.add(task);
    }
    return items.length > 0;
  }

  async #run(items: readonly T[], free: readonly Lease[]): Promise<void> {
    const { leases, work, onError } = this.#options;
    const slots = [...new Set(items.map(({ slot }) => slot))];
    for (const slot of slots) this.#busy.add(slot);
    leases.setBusy(slots, true);
    try {
      await work.handle(
        items,
        free.filter(({ slot }) => slots.includes(slot)),
      );
    } catch (error) {
      onError?.(error);
      await pause(errorMs);
    } finally {
      for (const slot of slots) this.#busy.delete(slot);
      leases.setBusy(slots, false);
      this.wake();
    }
  }

  async #sleep(ms: number): Promise<void> {
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.#wakeUp = undefined;
    this.#isWoken = false;
  }
}

/** At most `batches` lists, each with whole slots, of about equal size. A slot's order is kept. */
export function divide<T extends Item>(items: readonly T[], batches: number, batchMax: number): T[][] {
  const bySlot = new Map<number, T[]>();
  for (const item of items) {
    const list = bySlot.get(item.slot);
    if (list === undefined) bySlot.set(item.slot, [item]);
    else list.push(item);
  }
  const size = Math.min(batchMax, Math.ceil(items.length / Math.max(1, batches)));
  const result: T[][] = [];
  for (const list of bySlot.values()) {
    const last = result.at(-1);
    if (last === undefined || (last.length >= size && result.length < batches)) result.push([...list]);
    else last.push(...list);
  }
  return result;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
