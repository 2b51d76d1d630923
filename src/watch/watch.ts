/**
 * watch/ is how the sources are doing and who is told: the health of each feed, what is wrong with it or with the hub, from its start to its
 * end, and telling people of both once. It reads what the rooms to its left write, and leaves pages and commands to those to its right.
 *
 * One process at a time watches, under a lease with a fence; what it knows is in tables, so that another goes on when it dies. Each round looks
 * at what came since the last one, judges, and writes both in one transaction.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Database, Tx } from '../db.ts';
import type { Endpoint } from '../ingest/contract.ts';
import { openLeases, type Lease, type Leases } from '../jobs/lease.ts';
import { readOpen, settle, type Alert } from './alerts/alert.ts';
import { backlog, feedConditions, type OpenSince } from './alerts/condition.ts';
import { networkOf } from './alerts/group.ts';
import {
  certificateConditions,
  outboundConditions,
  pullConditions,
  storageConditions,
  type Disk,
} from './alerts/surroundings.ts';
import { markWritten, readFeeds, writeFeeds } from './feed-rows.ts';
import type { Feed } from './feed.ts';
import { gatherMessages, readProgress, settleMsDefault, writeProgress } from './gather.ts';
import {
  followClocks,
  followRules,
  followStates,
  look,
  noticeBlindness,
  readClocks,
  take,
  turnAll,
  type Known,
} from './known.ts';
import { deliverDue, queueNotices, type ObserveDelivery } from './tell/deliver.ts';
import type { Target } from './tell/target.ts';

export interface WatchOptions {
  readonly database: Database;
  /** As they are registered now. */
  readonly endpoints: () => readonly Endpoint[];
  /** Unique among all processes and starts. */
  readonly worker: string;
  readonly leaseMs?: number;
  readonly tickMs?: number;
  readonly settleMs?: number;
  readonly now?: () => Date;
  /** Who is told of alerts. */
  readonly targets?: readonly Target[];
  /** The time in the beginning of a message, where it has one with a zone. */
  readonly readClock?: (head: Buffer, endpoint: Endpoint) => Date | undefined;
  /** File systems of this machine that the hub writes to. */
  readonly disks?: () => Promise<readonly Disk[]>;
  /** Told after each round; undefined when another process watches. */
  readonly observe?: (seen: Seen | undefined) => void;
  readonly observeDelivery?: ObserveDelivery;
  readonly onError?: (error: unknown) => void;
}

/** What a round found. */
export interface Seen {
  readonly at: Date;
  readonly endpoints: readonly Endpoint[];
  readonly feeds: ReadonlyMap<number, Feed>;
  /** Alerts that are open. */
  readonly open: readonly Pick<Alert, 'kind' | 'groupId'>[];
  readonly disks: readonly Disk[];
}

export interface Watch {
  /** A round now, and what is due is told. `busy`: another process watches. */
  evaluate(): Promise<'done' | 'busy'>;
  close(): Promise<void>;
}

/** Alerts are about minutes: often enough to be in time, seldom enough to cost nothing. */
const tickMsDefault = 15_000;
export async function startWatching(options: WatchOptions): Promise<Watch> {
  const { database, worker, leaseMs, onError, tickMs = tickMsDefault } = options;
  const leases = await openLeases({ database, kind: 'watch', worker, leaseMs, onError });
  const rounds = new Rounds(options, leases);
  const closing = new AbortController();
  const running = (async () => {
    while (!closing.signal.aborted) {
      await rounds.run().catch((error: unknown) => onError?.(error));
      await sleep(tickMs, undefined, { signal: closing.signal, ref: false }).catch(() => undefined);
    }
  })();
  return {
    evaluate: async () => {
      const outcome = await rounds.run();
      await rounds.delivered();
      return outcome;
    },
    close: async () => {
      closing.abort();
      await running;
      await rounds.delivered();
      await leases.close();
    },
  };
}

class Rounds {
  readonly #options: WatchOptions;
  readonly #leases: Leases;
  #known: Known | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #delivering: Promise<void> | undefined;

  constructor(options: WatchOptions, leases: Leases) {
    this.#options = options;
    this.#leases = leases;
  }

  /** One at a time. */
  run(): Promise<'done' | 'busy'> {
    const next = this.#last.then(() => this.#round());
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** Nobody is being told at the moment. */
  async delivered(): Promise<void> {
    await this.#delivering;
  }

  async #round(): Promise<'done' | 'busy'> {
    const [lease] = this.#leases.held();
    if (lease === undefined) {
      this.#known = undefined;
      this.#options.observe?.(undefined);
      return 'busy';
    }
    try {
      await this.#watch(lease);
      return 'done';
    } catch (error) {
      // What is in memory may be ahead of the tables: read again.
      this.#known = undefined;
      throw error;
    }
  }

  async #watch(lease: Lease): Promise<void> {
    const { database, settleMs = settleMsDefault } = this.#options;
    const known = await this.#knownUnder(lease);
    const now = this.#options.now?.() ?? new Date();
    noticeBlindness(known, now);
    const open = await readOpen(database);
    const alarming = new Set(open.flatMap((one) => (one.kind === 'silence' && !one.isExpected ? [one.subject] : [])));
    const names = new Map(this.#options.endpoints().map(({ id, name }) => [id, name]));
    const isAlarming = (endpointId: number): boolean => alarming.has(names.get(endpointId) ?? '');
    for (let isMore = true; isMore;) {
      const gathered = await gatherMessages(database, known.progress, now, settleMs);
      const until = settleMs === 0 ? now : known.progress.horizonAt;
      await take(known, gathered, now, isAlarming);
      await readClocks(known, gathered.samples, this.#options);
      if (gathered.progress.horizonAt !== known.progress.horizonAt) turnAll(known, until, isAlarming);
      known.progress = gathered.progress;
      ({ isMore } = gathered);
      if (isMore) await this.#write(known);
    }
    followStates(known, this.#options.endpoints(), now);
    await followRules(known, database);
    await followClocks(known, database);
    await look(known, database, now);
    known.progress = { ...known.progress, evaluatedAt: now };
    await this.#judge(known, open, now);
  }

  /** What is wrong, written with what was seen, and told. */
  async #judge(known: Known, open: readonly Alert[], now: Date): Promise<void> {
    const { database, disks: readDisks, targets = [], observe, observeDelivery, onError } = this.#options;
    const endpoints = this.#options.endpoints();
    const since = new Map(open.map(({ kind, subject, startedAt }) => [`${kind} ${subject}`, startedAt]));
    const openSince: OpenSince = (kind, subject) => since.get(`${kind} ${subject}`);
    const [disks, ...around] = await Promise.all([
      readDisks?.() ?? [],
      outboundConditions(database, now),
      pullConditions(database, now),
      certificateConditions(database, now),
    ]);
    const conditions = [
      ...feedConditions(endpoints, known.feeds, now, openSince),
      ...backlog(known.feeds.values(), now, openSince),
      ...storageConditions(disks, openSince),
      ...around.flat(),
    ];
    const byName = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]));
    const networkOfName = (name: string): string | undefined => {
      const endpoint = byName.get(name);
      return endpoint === undefined ? undefined : networkOf(endpoint);
    };
    await this.#write(known, async (tx) => {
      const { told } = await settle(tx, conditions, networkOfName, now);
      await queueNotices(tx, told, targets, now);
    });
    observe?.({ at: now, endpoints, feeds: known.feeds, open: await readOpen(database), disks });
    // A target that is slow keeps no round from its time.
    this.#delivering ??= deliverDue(database, targets, now, observeDelivery)
      .catch((error: unknown) => onError?.(error))
      .finally(() => {
        this.#delivering = undefined;
      });
  }

  async #knownUnder(lease: Lease): Promise<Known> {
    const { database } = this.#options;
    const known =
      this.#known?.lease.fence === lease.fence
        ? this.#known
        : { lease, feeds: await readFeeds(database), progress: await readProgress(database) };
    this.#known = known;
    return known;
  }

  async #write({ lease, feeds, progress }: Known, more?: (tx: Tx) => Promise<void>): Promise<void> {
    await this.#options.database.inTransaction(async (tx) => {
      await this.#leases.confirm(tx, [lease]);
      await writeFeeds(tx, feeds.values());
      await writeProgress(tx, progress);
      await more?.(tx);
    });
    markWritten(feeds.values());
  }
}
