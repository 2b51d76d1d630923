/**
 * jobs/ is work on PostgreSQL: who does it (leases) and in which rhythm (worker). What the work is, its caller knows.
 *
 * Work is divided into slots. A worker holds a slot for a few seconds and renews it; when it dies, others take the slot
 * over. Each new holder gets a larger fence, and a transaction commits only under the fence it began with, so a worker that
 * was merely slow cannot write after its successor.
 *
 * @see https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html fencing tokens
 */
import type { Database, Tx } from '../db.ts';
import { raw, sql, type Sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';

export interface Lease {
  readonly slot: number;
  readonly fence: number;
}

/** What is leased: lanes of what arrives, destinations of what is sent, exports, the watch. Each has a table of slots and one of workers. */
export type LeaseKind = 'lane' | 'destination' | 'export' | 'watch';

export interface LeaseOptions {
  readonly database: Database;
  readonly kind?: LeaseKind;
  /** Unique among all processes and starts. */
  readonly worker: string;
  readonly leaseMs?: number;
  readonly onError?: (error: unknown) => void;
}

export interface Leases {
  held(): readonly Lease[];
  /** Keeps a slot from being given away while work on it is under way. */
  setBusy(slots: readonly number[], isBusy: boolean): void;
  /**
   * Inside the transaction that writes: nobody else can take these slots until it ends.
   * @throws Problem lock-error when one of them is no longer ours
   */
  confirm(tx: Tx, leases: readonly Lease[]): Promise<void>;
  /** Gives all slots back, so that others need not wait for them to expire. */
  close(): Promise<void>;
}

const tables = {
  lane: { slots: raw('lane_slot'), workers: raw('lane_worker') },
  destination: { slots: raw('destination_slot'), workers: raw('destination_worker') },
  export: { slots: raw('export_slot'), workers: raw('export_worker') },
  watch: { slots: raw('watch_slot'), workers: raw('watch_worker') },
};

/** How long work stands still after a worker died; long beside a pause for garbage collection or a slow disk. */
const leaseMsDefault = 6_000;

export async function openLeases(options: LeaseOptions): Promise<Leases> {
  const keeper = new LeaseKeeper(options);
  await keeper.renew();
  return keeper;
}

class LeaseKeeper implements Leases {
  readonly #options: LeaseOptions;
  readonly #leaseMs: number;
  readonly #slots: Sql;
  readonly #workers: Sql;
  #held: readonly Lease[] = [];
  readonly #busy = new Set<number>();
  #timer: NodeJS.Timeout;
  #renewing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? leaseMsDefault;
    ({ slots: this.#slots, workers: this.#workers } = tables[options.kind ?? 'lane']);
    // Three tries before a lease runs out.
    this.#timer = setInterval(() => {
      this.#renewing ??= this.renew()
        .catch((error: unknown) => options.onError?.(error))
        .finally(() => {
          this.#renewing = undefined;
        });
    }, this.#leaseMs / 3).unref();
  }

  held(): readonly Lease[] {
    return this.#held;
  }

  setBusy(slots: readonly number[], isBusy: boolean): void {
    for (const slot of slots)
      if (isBusy) this.#busy.add(slot);
      else this.#busy.delete(slot);
  }

  async confirm(tx: Tx, leases: readonly Lease[]): Promise<void> {
    // Key share: lets our own renewal through, and makes a claimant's `for update skip locked` pass the slot by.
    const rows = await tx.query(sql`
      select s.slot from ${this.#slots} s
      join unnest(${leases.map(({ slot }) => slot)}::smallint[], ${leases.map(({ fence }) => fence)}::bigint[])
        as held (slot, fence) on held.slot = s.slot and held.fence = s.fence
      where s.worker = ${this.#options.worker}
      order by s.slot
      for key share of s`);
    if (rows.length !== leases.length) throw new Problem('lock-error', 'another worker has taken over');
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#renewing;
    this.#held = [];
    await this.#options.database.inTransaction(async (tx) => {
      await tx.query(sql`
        update ${this.#slots} set worker = null, expires_at = null where worker = ${this.#options.worker}`);
      await tx.query(sql`delete from ${this.#workers} where worker = ${this.#options.worker}`);
    });
  }

  /** Extends what is held, gives back what is more than this worker's share, and takes what is free up to it. */
  async renew(): Promise<void> {
    const { database, worker } = this.#options;
    const leases = await database.inTransaction(async (tx) => {
      const share = await this.#share(tx);
      const kept = await tx.query<Lease>(sql`
        update ${this.#slots} set expires_at = now() + ${this.#leaseMs} * interval '1 ms'
        where worker = ${worker} and expires_at > now()
        returning slot, fence`);
      const surplus = kept.filter(({ slot }) => !this.#busy.has(slot)).slice(0, Math.max(0, kept.length - share));
      if (surplus.length > 0) {
        // At once: work that begins while they are given back would be refused at its end.
        this.#held = this.#held.filter(({ slot }) => !surplus.some((given) => given.slot === slot));
        await tx.query(sql`
          update ${this.#slots} set worker = null, expires_at = null
          where worker = ${worker} and slot = any(${surplus.map(({ slot }) => slot)}::smallint[])`);
      }
      const taken = kept.length < share ? await this.#claim(tx, share - kept.length) : [];
      return [...kept.filter((lease) => !surplus.includes(lease)), ...taken];
    });
    if (!this.#isClosed) this.#held = leases;
  }

  /** An equal part of the slots for each worker alive. */
  async #share(tx: Tx): Promise<number> {
    const { worker } = this.#options;
    await tx.query(sql`
      insert into ${this.#workers} (worker, expires_at) values (${worker}, now() + ${this.#leaseMs} * interval '1 ms')
      on conflict (worker) do update set expires_at = excluded.expires_at`);
    const [count] = await tx.query<{ slots: number; workers: number }>(sql`
      select (select count(*) from ${this.#slots}) as slots,
        (select count(*) from ${this.#workers} where expires_at > now()) as workers`);
    return Math.ceil((count?.slots ?? 0) / Math.max(1, count?.workers ?? 1));
  }

  async #claim(tx: Tx, count: number): Promise<Lease[]> {
    // After a pause of the whole machine each worker renews its own row and finds the others' gone: none waits for another.
    await tx.query(sql`
      delete from ${this.#workers} where worker in (
        select worker from ${this.#workers} where expires_at < now() - interval '1 minute' for update skip locked)`);
    return tx.query<Lease>(sql`
      update ${this.#slots} s
      set worker = ${this.#options.worker}, fence = s.fence + 1,
        expires_at = now() + ${this.#leaseMs} * interval '1 ms'
      from (
        select slot from ${this.#slots} where worker is null or expires_at <= now()
        order by slot limit ${count} for update skip locked
      ) free
      where s.slot = free.slot
      returning s.slot, s.fence`);
  }
}
