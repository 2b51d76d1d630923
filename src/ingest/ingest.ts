/**
 * ingest/ is what arrives: sources and what they may speak for, messages on disk before anybody is told so, their fate,
 * and processing them again. It leaves wire formats to adapters, and what a message means to mapping and store.
 *
 * This file joins the parts: `openDoor` is the side that adapters call, `startProcessing` the side that works the queue.
 */
import type { Database, Tx } from '../db.ts';
import { openLeases } from '../jobs/lease.ts';
import { startWorker } from '../jobs/worker.ts';
import type { Door } from './contract.ts';
import type { Registry } from './endpoint.ts';
import { openOutcomes } from './outcome.ts';
import { processInbound, type ProcessorOptions } from './process.ts';
import { openReceiver } from './receive.ts';
import { countUnmapped, flushMs } from './unmapped.ts';

export interface DoorOptions {
  readonly registry: Registry;
  /** For storing messages; preferably with a connection of its own. */
  readonly database: Tx;
  readonly onStored?: () => void;
}

export interface OpenDoor extends Door {
  /** Stores what was received; call after the listeners have closed. */
  close(): Promise<void>;
}

export function openDoor({ registry, database, onStored }: DoorOptions): OpenDoor {
  const receiver = openReceiver({ database, onStored });
  const outcomes = openOutcomes(database);
  return {
    ports: () => registry.ports(),
    folders: () => registry.folders(),
    reach: (connection) => registry.reach(connection),
    refresh: () => registry.refresh(),
    receive: (inbound) => receiver.receive(inbound),
    outcome: (messageId) => outcomes.wait(messageId),
    close: async () => {
      outcomes.close();
      await receiver.close();
    },
  };
}

export interface ProcessingOptions extends Omit<ProcessorOptions, 'leases' | 'endpoint' | 'onError'> {
  readonly database: Database;
  readonly registry: Registry;
  /** Unique among all processes and starts. */
  readonly worker: string;
  readonly leaseMs?: number;
  readonly concurrency?: number;
  readonly batchMax?: number;
  /** Resolves when conversion knows the maps of this revision (overlays.ts); asked for with every batch, so cheap when it does. */
  readonly catchUp?: (mapRevision: number) => Promise<void>;
  /** Told of failures; `messageId` when it was about one message. */
  readonly onError?: (error: unknown, messageId?: number) => void;
}

export interface Processing {
  /** There is a new message. */
  wake(): void;
  /** Finishes what is under way and gives the slots back. */
  close(): Promise<void>;
}

export async function startProcessing(options: ProcessingOptions): Promise<Processing> {
  const { database, registry, worker: name, leaseMs, onError, onProcessed, now = () => new Date() } = options;
  const leases = await openLeases({ database, worker: name, leaseMs, onError });
  const counts = countUnmapped(database);
  const inbound = processInbound({
    ...options,
    leases,
    endpoint: (id) => registry.byId(id),
    onProcessed: (event) => {
      const { endpoint, converted, unmapped } = event;
      if (converted !== undefined) {
        const { messageId, mapped } = converted;
        counts.add({ endpointId: endpoint.id, messageId, drafts: mapped.drafts, entries: unmapped });
      }
      onProcessed?.(event);
    },
  });
  const work: typeof inbound = {
    ...inbound,
    pick: async (slots, limit) => {
      const messages = await inbound.pick(slots, limit);
      // Through an endpoint that another thread or process learned of a moment ago.
      if (messages.some(({ endpointId }) => registry.byId(endpointId) === undefined)) await registry.refresh();
      const [first] = messages;
      if (first !== undefined) await options.catchUp?.(first.mapRevision);
      return messages;
    },
  };
  const worker = startWorker({ leases, work, concurrency: options.concurrency, batchMax: options.batchMax, onError });
  const flush = (): Promise<void> => counts.flush(now()).catch((error: unknown) => onError?.(error));
  const timer = setInterval(() => void flush(), flushMs).unref();
  return {
    wake: () => worker.wake(),
    close: async () => {
      clearInterval(timer);
      await worker.close();
      await flush();
      await leases.close();
    },
  };
}
