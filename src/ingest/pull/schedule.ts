/**
 * Asking the sources that do not come by themselves. Once a second a process claims what is due and asks it, any number side by side:
 * a run waits for the network nearly all of its time. Several processes share the sources by leases (claim.ts); one that dies is
 * followed by the others, one that stops gives back what it has not finished.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { startTicking, type Ticking } from '../../jobs/schedule.ts';
import type { Endpoint, Taken } from '../contract.ts';
import type { RunEnd } from './breaker.ts';
import { blackoutEnd, blackoutStart } from './calendar.ts';
import { claimDue, type Claimed, type ClaimOptions } from './claim.ts';
import { databaseClock, heedClock, type ReadClock } from './clock.ts';
import { endRun, forgetRuns, renewHolds } from './lease.ts';
import { freePlaces, isFailing, pullLimits, type PullLimits } from './limits.ts';
import { Run } from './run.ts';
import type { PullSettings } from './settings.ts';
import { Sources, type PullSource, type SourcesOptions } from './sources.ts';

export interface PullEvent {
  readonly endpoint: Endpoint;
  /** `lost`: another process has taken over. */
  readonly outcome: RunEnd['outcome'] | 'lost';
  readonly reason: string | undefined;
  readonly received: number;
  readonly unchanged: number;
  /** From when it should have begun to when it did. */
  readonly lagSeconds: number;
  readonly seconds: number;
}

export interface PullingOptions extends SourcesOptions {
  readonly database: Database;
  /** Unique among all processes and starts. */
  readonly worker: string;
  readonly secretsOf: (endpoint: Endpoint) => Promise<Readonly<Record<string, string>>>;
  readonly onStarted?: (endpoint: Endpoint, lagSeconds: number) => void;
  /** A page is on disk: there may be new messages. */
  readonly onTaken?: (endpoint: Endpoint, taken: Taken) => void;
  readonly onEnded?: (event: PullEvent) => void;
  readonly limits?: Partial<PullLimits>;
  /** Time of slots and leases. Default the database's. */
  readonly now?: () => Date;
  /** Milliseconds of a clock that nobody sets. */
  readonly elapsed?: () => number;
  /** False: the caller ticks and renews. */
  readonly isTicking?: boolean;
}

export interface Pulling {
  /** Claims what is due and starts it. */
  tick(): Promise<void>;
  /** Renews what is held, and ends what was lost or paused. */
  renew(): Promise<void>;
  /** Runs under way. */
  running(): number;
  /** Claims no more; ends what is under way and gives the rest back. */
  close(): Promise<void>;
}

export function startPulling(options: PullingOptions): Pulling {
  return new Scheduler(options);
}

/** Tries before a lease runs out. */
const renewals = 3;
const tidyMs = 10_000;
/** A source that this process does not know yet, or cannot read: another one may, and a person is told. */
const giveBackMs = 10_000;
/** That a run has ended is told so often, with such a pause: a database that is away for a moment makes no source be asked anew. */
const endAttempts = 3;
const endPauseMs = 1_000;

class Scheduler implements Pulling {
  readonly #options: PullingOptions;
  readonly #limits: PullLimits;
  readonly #holder: Pick<ClaimOptions, 'worker' | 'leaseMs' | 'readClock'>;
  readonly #elapsed: () => number;
  readonly #now: () => Date;
  readonly #sources: Sources;
  readonly #runs = new Map<Run, Promise<void>>();
  readonly #ticking: Ticking | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #renewing: Promise<void> | undefined;
  #tidiedAt = -Infinity;
  #isClosing = false;

  constructor(options: PullingOptions) {
    const { now, elapsed = () => performance.now(), worker, onError } = options;
    this.#options = options;
    this.#limits = { ...pullLimits, ...options.limits };
    this.#now = now ?? (() => new Date());
    this.#elapsed = elapsed;
    const readClock: ReadClock = now === undefined ? databaseClock : () => Promise.resolve(now());
    this.#holder = { worker, leaseMs: this.#limits.leaseMs, readClock };
    this.#sources = new Sources(options);
    if (options.isTicking === false) return;
    this.#ticking = startTicking({ name: 'pull', tick: () => this.tick(), onError });
    this.#timer = setInterval(() => {
      this.#renewing ??= this.renew()
        .catch((error: unknown) => onError?.(error))
        .finally(() => (this.#renewing = undefined));
    }, this.#limits.leaseMs / renewals).unref();
  }

  running(): number {
    return this.#runs.size;
  }

  async tick(): Promise<void> {
    if (this.#isClosing) return;
    const { database } = this.#options;
    const { readClock } = this.#holder;
    const sources = this.#sources.all();
    if (sources.length === 0) return;
    await this.#sources.register(database, sources, readClock);
    const runs = [...this.#runs.keys()];
    const since = this.#elapsed() - this.#limits.silentMs;
    for (const run of runs) if (isFailing(run.claimed) && run.movedAt < since) run.stop('silent');
    await this.#tidy();
    const free = freePlaces(runs, sources, this.#limits, this.#elapsed());
    for (const claimed of await claimDue(database, { ...this.#holder, ...free })) this.#start(claimed);
  }

  async renew(): Promise<void> {
    // Those of now: what is claimed while the statement is under way is not in its answer.
    const runs = [...this.#runs.keys()];
    const kept = await renewHolds(
      this.#options.database,
      this.#holder,
      runs.map(({ claimed }) => claimed),
    );
    const byId = new Map(kept.map((one) => [one.endpointId, one]));
    for (const run of runs) {
      const found = byId.get(run.claimed.endpointId);
      if (found?.fence !== run.claimed.fence) run.stop('lost');
      else if (!found.isEnabled) run.stop('paused');
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#ticking?.close();
    const timer = setTimeout(() => {
      for (const run of this.#runs.keys()) run.stop('closing');
    }, this.#limits.drainMs);
    await Promise.all(this.#runs.values());
    clearTimeout(timer);
    clearInterval(this.#timer);
    await this.#renewing;
  }

  #start(claimed: Claimed): void {
    const source = this.#sources.find(claimed.endpointId);
    if (source === undefined) {
      const end: RunEnd = { outcome: 'stopped', reason: 'its settings are not known here', waitMs: giveBackMs };
      void this.#end(claimed, end, { everyMs: giveBackMs, blackout: [] });
      return;
    }
    const { settings } = source;
    if (!claimed.isAsked && blackoutEnd(settings.blackout, this.#now()) !== undefined) {
      void this.#end(claimed, { outcome: 'stopped', reason: 'it is not to be asked at this time' }, settings);
      return;
    }
    const run = this.#runOf(source, claimed);
    this.#runs.set(
      run,
      this.#carryOut(run, source, claimed).finally(() => this.#runs.delete(run)),
    );
  }

  /** Now and then. */
  async #tidy(): Promise<void> {
    if (this.#elapsed() - this.#tidiedAt < tidyMs) return;
    this.#tidiedAt = this.#elapsed();
    const { database } = this.#options;
    const at = await this.#holder.readClock(database);
    await heedClock(database, at, this.#limits.leaseMs);
    await forgetRuns(database, at);
  }

  #runOf({ endpoint, puller, settings }: PullSource, claimed: Claimed): Run {
    const { database, secretsOf, onTaken } = this.#options;
    return new Run({
      database,
      endpoint,
      puller,
      claimed,
      settings,
      secretsOf,
      now: this.#now,
      elapsed: this.#elapsed,
      graceMs: this.#limits.graceMs,
      onTaken: (taken) => onTaken?.(endpoint, taken),
    });
  }

  /** Never rejects. */
  async #carryOut(run: Run, { endpoint, settings }: PullSource, claimed: Claimed): Promise<void> {
    const { onStarted, onEnded, onError } = this.#options;
    const lagSeconds = Math.max(0, (this.#now().getTime() - claimed.dueAt.getTime()) / 1_000);
    const started = this.#elapsed();
    const timers = this.#limitTime(run, claimed, settings);
    try {
      onStarted?.(endpoint, lagSeconds);
      const end = await run.execute();
      const isOurs = end !== undefined && (await this.#end(claimed, end, settings));
      onEnded?.({
        endpoint,
        outcome: isOurs ? end.outcome : 'lost',
        reason: end?.reason,
        ...run.total,
        lagSeconds,
        seconds: (this.#elapsed() - started) / 1_000,
      });
    } catch (error) {
      onError?.(error, endpoint);
    } finally {
      for (const timer of timers) clearTimeout(timer);
    }
  }

  #limitTime(run: Run, { isAsked }: Claimed, { budget, blackout }: PullSettings): NodeJS.Timeout[] {
    const now = this.#now();
    const window = isAsked ? undefined : blackoutStart(blackout, now);
    const late = setTimeout(() => run.stop('late'), budget.timeMs);
    if (window === undefined) return [late];
    return [late, setTimeout(() => run.stop('window'), window.getTime() - now.getTime())];
  }

  /** Never rejects. When the database does not take it for so long the lease runs out, and the slot goes on then. */
  async #end(claimed: Claimed, end: RunEnd, settings: Pick<PullSettings, 'everyMs' | 'blackout'>): Promise<boolean> {
    const { database, onError } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        return await endRun(database, claimed, end, settings, this.#holder.readClock);
      } catch (error) {
        onError?.(error);
        const isPassing = error instanceof Problem && error.code === 'transient';
        if (!isPassing || this.#isClosing || attempt === endAttempts) return false;
      }
      await pause(endPauseMs);
    }
  }
}
