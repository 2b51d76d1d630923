/**
 * Works the queue off: for each destination its messages one after the other, each answered (and the answer on disk) before
 * the next is sent. A destination that does not answer waits and is called again, ever less often; others are not held up.
 * One process at a time sends to a destination: the one that holds the lease of its slot.
 */
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { openLeases, type Lease, type Leases } from '../jobs/lease.ts';
import { slotOf, type Destination } from './destination.ts';
import { findReady, nextMessage, recordAttempt, type Decision, type QueuedMessage } from './queue.ts';
import { judge, reasonOf, type Answer } from './verdict.ts';

/** A way to one destination. */
export interface Transport {
  /** @returns the answer to this message @throws Problem transient when there was none; the message may have arrived */
  send(message: Uint8Array): Promise<Answer>;
  close(): Promise<void>;
  /** Breaks it off: what is unanswered counts as not answered. */
  destroy(): void;
}

export interface SendingEvent {
  readonly destination: string;
  readonly outcome: 'accepted' | 'refused' | 'retried';
}

export interface SendingOptions {
  readonly database: Database;
  /** Unique among all processes and starts. */
  readonly worker: string;
  readonly open: (destination: Destination) => Transport;
  readonly now?: () => Date;
  readonly limits?: Partial<SendingLimits>;
  readonly onEvent?: (event: SendingEvent) => void;
  readonly onError?: (error: unknown) => void;
}

export interface SendingLimits {
  /** How late a message queued by another process is seen. */
  readonly pollMs: number;
  /** The first wait after no answer; it doubles up to the longest. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** Answers "not now" after which a message counts as refused: half an hour at the longest wait. */
  readonly rejectionsMax: number;
  /** Destinations at work at a time: each has a socket, and most of them wait for an answer. */
  readonly runningMax: number;
  readonly leaseMs: number;
  /** When the hub stops: the longest wait for an answer. A message without one is sent again after the start. */
  readonly closeMs: number;
}

const defaultLimits: SendingLimits = {
  pollMs: 500,
  retryMinMs: 1_000,
  retryMaxMs: 300_000,
  rejectionsMax: 14,
  runningMax: 256,
  leaseMs: 6_000,
  closeMs: 5_000,
};

export interface Sending {
  /** There is a new message. */
  wake(): void;
  /** Finishes what is under way and gives the destinations back. */
  close(): Promise<void>;
}

export async function startSending(options: SendingOptions): Promise<Sending> {
  const { database, worker, onError } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const leases = await openLeases({ database, kind: 'destination', worker, leaseMs: limits.leaseMs, onError });
  const sender = new Sender(options, limits, leases);
  sender.start();
  return sender;
}

class Sender implements Sending {
  readonly #options: SendingOptions;
  readonly #limits: SendingLimits;
  readonly #leases: Leases;
  readonly #now: () => Date;
  /** Destinations at work, by id. */
  readonly #running = new Map<number, Promise<void>>();
  readonly #transports = new Map<number, { readonly destination: Destination; readonly transport: Transport }>();
  #looping: Promise<void> = Promise.resolve();
  #isClosed = false;
  #wakeUp: (() => void) | undefined;

  constructor(options: SendingOptions, limits: SendingLimits, leases: Leases) {
    this.#options = options;
    this.#limits = limits;
    this.#leases = leases;
    this.#now = options.now ?? (() => new Date());
  }

  start(): void {
    this.#looping = this.#loop();
  }

  wake(): void {
    this.#wakeUp?.();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.wake();
    await this.#looping;
    const timer = setTimeout(() => {
      for (const { transport } of this.#transports.values()) transport.destroy();
    }, this.#limits.closeMs);
    await Promise.all(this.#running.values());
    clearTimeout(timer);
    await Promise.all(Array.from(this.#transports.values(), ({ transport }) => transport.close()));
    await this.#leases.close();
  }

  async #loop(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#look();
      } catch (error) {
        // The database is away, most likely; it is asked again at the next look.
        this.#options.onError?.(error);
      }
      await this.#sleep();
    }
  }

  async #look(): Promise<void> {
    const held = this.#leases.held();
    await this.#hangUp(new Set(held.map(({ slot }) => slot)));
    const room = this.#limits.runningMax - this.#running.size;
    if (held.length === 0 || room <= 0) return;
    const ready = await findReady(
      this.#options.database,
      held.map(({ slot }) => slot),
      this.#now(),
    );
    for (const { destination, slot } of ready
      .filter(({ destination: { id } }) => !this.#running.has(id))
      .slice(0, room)) {
      const lease = held.find((one) => one.slot === slot) as Lease;
      this.#running.set(
        destination.id,
        this.#serve(destination, lease)
          .catch((error: unknown) => this.#options.onError?.(error))
          .finally(() => this.#running.delete(destination.id)),
      );
    }
  }

  /** Connections to destinations that another process serves now. */
  async #hangUp(slots: ReadonlySet<number>): Promise<void> {
    for (const [id, { transport }] of this.#transports) {
      if (slots.has(slotOf(id)) || this.#running.has(id)) continue;
      this.#transports.delete(id);
      await transport.close();
    }
  }

  /** Until nothing waits, the destination does not answer, or it is no longer ours. */
  async #serve(destination: Destination, lease: Lease): Promise<void> {
    const transport = this.#transportTo(destination);
    this.#leases.setBusy([lease.slot], true);
    try {
      while (
        !this.#isClosed &&
        this.#leases.held().some((one) => one.slot === lease.slot && one.fence === lease.fence)
      ) {
        const message = await nextMessage(this.#options.database, destination);
        if (message === undefined) return;
        const decision = await this.#attempt(destination, transport, message);
        await this.#options.database.inTransaction(async (tx) => {
          await this.#leases.confirm(tx, [lease]);
          await recordAttempt(tx, message.id, decision);
        });
        this.#tell(destination, decision);
        if (decision.status === 'waiting' || decision.status === 'refused') return;
      }
    } finally {
      const isShared = [...this.#running.keys()].some((id) => id !== destination.id && slotOf(id) === lease.slot);
      if (!isShared) this.#leases.setBusy([lease.slot], false);
    }
  }

  async #attempt(destination: Destination, transport: Transport, message: QueuedMessage): Promise<Decision> {
    try {
      const answer = await transport.send(message.raw);
      return this.#decide(destination, message, answer);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== 'transient') throw error;
      return { status: 'waiting', at: this.#now(), reason: error.message, dueAt: this.#dueAt(message) };
    }
  }

  #decide({ refusalPolicy }: Destination, message: QueuedMessage, answer: Answer): Decision {
    const at = this.#now();
    const verdict = judge(answer);
    if (verdict === 'accepted') return { status: 'accepted', at, answer };
    const reason = reasonOf(answer);
    if (verdict === 'again' && message.rejections < this.#limits.rejectionsMax) {
      return { status: 'waiting', at, answer, reason, dueAt: this.#dueAt(message) };
    }
    return { status: refusalPolicy === 'park' ? 'parked' : 'refused', at, answer, reason };
  }

  #dueAt({ attempts }: QueuedMessage): Date {
    const { retryMinMs, retryMaxMs } = this.#limits;
    return new Date(this.#now().getTime() + Math.min(retryMinMs * 2 ** attempts, retryMaxMs));
  }

  #tell({ name }: Destination, { status }: Decision): void {
    const outcome = status === 'accepted' ? 'accepted' : status === 'waiting' ? 'retried' : 'refused';
    this.#options.onEvent?.({ destination: name, outcome });
  }

  /** A connection is kept between messages, as receivers expect; another address or port is another connection. */
  #transportTo(destination: Destination): Transport {
    const known = this.#transports.get(destination.id);
    if (known !== undefined) {
      const { host, port, isTls } = known.destination;
      if (host === destination.host && port === destination.port && isTls === destination.isTls) return known.transport;
      void known.transport.close();
    }
    const transport = this.#options.open(destination);
    this.#transports.set(destination.id, { destination, transport });
    return transport;
  }

  async #sleep(): Promise<void> {
    if (this.#isClosed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.#limits.pollMs);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wakeUp = undefined;
  }
}
