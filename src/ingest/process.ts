/**
 * From a message on disk to resources in the store. This file decides order and fate: which messages share a transaction,
 * what happens when one fails. How a message becomes resources (`convert`) and how they are written (`apply`) is given by
 * the composition root.
 *
 * A failure of content (a Problem) is put aside at once with its step and reason: trying again cannot help. A failure of
 * ours is tried again after a growing wait, its lane waiting with it, and put aside after {@link attemptsMax} tries.
 */
import type { Database, Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import type { MappedMessage } from '../mapping/message/draft.ts';
import type { Lease, Leases } from '../jobs/lease.ts';
import type { Work } from '../jobs/worker.ts';
import type { Endpoint } from './contract.ts';
import {
  markForRetry,
  markHeld,
  markProcessed,
  markQuarantined,
  pickWaiting,
  type Failure,
  type QueuedMessage,
} from './queue.ts';
import { identifiersOf, patientsOf, type Mark } from './marks.ts';
import { entriesOf, type UnmappedEntry } from './unmapped.ts';

export interface Converted {
  readonly messageId: number;
  readonly endpoint: Endpoint;
  readonly receivedAt: Date;
  readonly mapped: MappedMessage;
}

export interface ProcessorOptions {
  readonly database: Database;
  readonly leases: Leases;
  readonly endpoint: (id: number) => Endpoint | undefined;
  /** Pure. @throws Problem for content that cannot become resources */
  readonly convert: (raw: Buffer, endpoint: Endpoint) => MappedMessage;
  /**
   * Writes what the messages say, in their order, within the transaction. Several messages at once, so that the store can
   * write them in few statements; two of them may be about the same resource, then the later one wins.
   */
  readonly apply: (tx: Tx, messages: readonly Converted[]) => Promise<void>;
  /** Of identifiers, so that a message is found by them; without it no message is. */
  readonly mark?: Mark;
  /** Identifiers of the patient in a message that could not be converted. Never throws. */
  readonly identify?: (raw: Buffer, endpoint: Endpoint) => readonly string[];
  readonly now?: () => Date;
  readonly onProcessed?: (event: ProcessedEvent) => void;
  readonly onError?: (error: unknown, messageId: number) => void;
}

export interface ProcessedEvent {
  readonly endpoint: Endpoint;
  readonly status: 'processed' | 'quarantined';
  /** From receipt to commit. */
  readonly lagSeconds: number;
  /** What no rule took, each entry once. */
  readonly unmapped: readonly UnmappedEntry[];
  /** What was converted; undefined for what could not be. */
  readonly converted?: Converted;
}

/** Tries of a message whose failure may pass; the waits between them add up to some four minutes. */
const attemptsMax = 8;
const retryMinMs = 1_000;
const retryMaxMs = 60_000;

export function processInbound(options: ProcessorOptions): Work<QueuedMessage> {
  return {
    pick: (slots, limit) => pickWaiting(options.database, slots, limit),
    handle: (items, leases) => new Batch(options, leases).run(items),
  };
}

type Step = 'convert' | 'apply';

interface Ready {
  readonly message: QueuedMessage;
  readonly converted: Converted;
  readonly unmapped: readonly UnmappedEntry[];
}

/** One batch of messages under one set of leases. */
class Batch {
  readonly #options: ProcessorOptions;
  readonly #leases: readonly Lease[];
  /** Lanes that stopped in this batch: what follows in them stays as it is. */
  readonly #stopped = new Set<number>();

  constructor(options: ProcessorOptions, leases: readonly Lease[]) {
    this.#options = options;
    this.#leases = leases;
  }

  async run(items: readonly QueuedMessage[]): Promise<void> {
    const held = items.filter(({ isHeld }) => isHeld);
    if (held.length > 0) await this.#commit((tx) => markHeld(tx, held));
    const messages = items.filter(({ isHeld }) => !isHeld);
    if (await this.#tryTogether(messages)) return;
    for (const message of messages) await this.#alone(message);
  }

  /** The usual case, one transaction for all. False when any of them needs to be looked at alone. */
  async #tryTogether(messages: readonly QueuedMessage[]): Promise<boolean> {
    const ready: Ready[] = [];
    for (const message of messages) {
      try {
        ready.push(this.#convert(message));
      } catch {
        return false;
      }
    }
    if (ready.length === 0) return true;
    try {
      await this.#apply(ready);
      return true;
    } catch {
      // Who failed, and why, is found out one by one. Without the database or the leases that fails too, and for good.
      return false;
    }
  }

  async #alone(message: QueuedMessage): Promise<void> {
    if (this.#stopped.has(message.laneKey)) return;
    let step: Step = 'convert';
    try {
      const ready = this.#convert(message);
      step = 'apply';
      await this.#apply([ready]);
    } catch (error) {
      await this.#fail(message, step, error);
    }
  }

  #convert(message: QueuedMessage): Ready {
    const { endpoint: find, convert } = this.#options;
    const endpoint = find(message.endpointId);
    if (endpoint === undefined) throw new Problem('transient', 'the endpoint is not known here yet');
    const mapped = convert(message.raw, endpoint);
    const converted = { messageId: message.id, endpoint, receivedAt: message.receivedAt, mapped };
    return { message, converted, unmapped: entriesOf(mapped.unmapped) };
  }

  async #apply(ready: readonly Ready[]): Promise<void> {
    const at = this.#now();
    await this.#commit(async (tx) => {
      await this.#options.apply(
        tx,
        ready.map(({ converted }) => converted),
      );
      const done = ready.map(({ message, converted, unmapped }) => ({
        id: message.id,
        mapVersion: converted.mapped.mapVersion,
        unmapped: unmapped.map(({ hash }) => hash),
        patients: patientsOf(converted.mapped),
        marks: this.#marksOf(identifiersOf(converted.mapped)),
      }));
      if ((await markProcessed(tx, done, at)) !== done.length)
        throw new Problem('lock-error', 'another worker was here');
    });
    for (const { converted, unmapped } of ready) {
      const { endpoint, receivedAt } = converted;
      this.#options.onProcessed?.({
        endpoint,
        status: 'processed',
        lagSeconds: this.#lag(receivedAt),
        unmapped,
        converted,
      });
    }
  }

  async #fail(message: QueuedMessage, step: Step, error: unknown): Promise<void> {
    const position = error instanceof Problem ? error.expression[0] : undefined;
    const endpoint = this.#options.endpoint(message.endpointId);
    const marks = this.#marksOf(endpoint === undefined ? [] : (this.#options.identify?.(message.raw, endpoint) ?? []));
    const failure: Failure = { message, step, reason: describe(error), position, marks };
    const isHolding = endpoint?.poisonPolicy === 'hold';
    const isFinal = !mayPass(error) || message.attempts + 1 >= attemptsMax;
    const at = this.#now();
    this.#options.onError?.(error, message.id);
    if (isFinal) {
      await this.#commit((tx) => markQuarantined(tx, failure, isHolding, at));
      if (endpoint !== undefined) {
        const lagSeconds = this.#lag(message.receivedAt);
        this.#options.onProcessed?.({ endpoint, status: 'quarantined', lagSeconds, unmapped: [] });
      }
    } else {
      const waitMs = Math.min(retryMinMs * 2 ** message.attempts, retryMaxMs);
      await this.#commit((tx) => markForRetry(tx, failure, new Date(at.getTime() + waitMs)));
    }
    if (!isFinal || isHolding) this.#stopped.add(message.laneKey);
  }

  #marksOf(identifiers: readonly string[]): number[] {
    const { mark } = this.#options;
    return mark === undefined ? [] : [...new Set(identifiers.map(mark))];
  }

  /** A transaction that commits only while the slots are ours. */
  async #commit(work: (tx: Tx) => Promise<void>): Promise<void> {
    await this.#options.database.inTransaction(async (tx) => {
      await this.#options.leases.confirm(tx, this.#leases);
      await work(tx);
    });
  }

  #lag(receivedAt: Date): number {
    return (this.#now().getTime() - receivedAt.getTime()) / 1_000;
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }
}

const passing = new Set(['transient', 'timeout', 'lock-error', 'throttled', 'exception']);

/** Problems are about content unless they say otherwise; what is no Problem is our bug, and may depend on the moment. */
function mayPass(error: unknown): boolean {
  return !(error instanceof Problem) || passing.has(error.code);
}

/** The text of a Problem is ours; that of any other error may quote the message, so only its kind is kept. */
function describe(error: unknown): string {
  if (error instanceof Problem) return `${error.code}: ${error.message}`;
  const code = error instanceof Error && 'code' in error ? ` ${String(error.code)}` : '';
  return `exception: ${error instanceof Error ? error.name : typeof error}${code}`;
}
