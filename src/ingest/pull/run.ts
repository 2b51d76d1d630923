/** One run of one source: what its adapter is given, when it must end, and what is made of how it ended. */
import type { Database } from '../../db.ts';
import { Problem } from '../../fhir/problem.ts';
import { sourceOf } from '../../fhir/ids.ts';
import type { Endpoint, PullEnd, Puller, PullRun, Taken } from '../contract.ts';
import type { RunEnd } from './breaker.ts';
import type { Claimed } from './claim.ts';
import { findSource, readHeld, readKnown, readNews } from './memory.ts';
import type { PullSettings } from './settings.ts';
import { takePage } from './take.ts';
import { forAdapter } from '../registry/settings.ts';

/**
 * Why a run must end before its source does. `lost`: another process has it; `late`: its time is up; `window`: it is not to be asked
 * now; `silent`: it failed before, and nothing came of it again; `paused` by a person; `closing`: the hub stops.
 */
export type StopReason = 'lost' | 'late' | 'window' | 'silent' | 'paused' | 'closing';

export interface RunOptions {
  readonly database: Database;
  readonly endpoint: Endpoint;
  readonly puller: Puller;
  readonly claimed: Claimed;
  readonly settings: PullSettings;
  readonly secretsOf: (endpoint: Endpoint) => Promise<Readonly<Record<string, string>>>;
  readonly now: () => Date;
  /** Milliseconds of a clock that nobody sets. */
  readonly elapsed: () => number;
  readonly graceMs: number;
  /** After each page that is on disk. */
  readonly onTaken: (taken: Taken) => void;
}

/** The hub's own database was away: it is no fault of the source. */
const oursWaitMs = 10_000;

export class Run {
  readonly #options: RunOptions;
  readonly #abort = new AbortController();
  readonly total = { received: 0, unchanged: 0 };
  /** When it last got on, by `elapsed`. */
  movedAt: number;
  #stop: StopReason | undefined;
  /** What the hub's own database said; the adapter may have put it into words of its own. */
  #ours: unknown;
  #takes = 0;

  constructor(options: RunOptions) {
    this.#options = options;
    this.movedAt = options.elapsed();
  }

  get claimed(): Claimed {
    return this.#options.claimed;
  }

  /** Whether a page or a step was ever taken in it. */
  get hasTaken(): boolean {
    return this.#takes > 0;
  }

  stop(reason: StopReason): void {
    if (this.#stop !== undefined) return;
    this.#stop = reason;
    this.#abort.abort(new Problem('timeout', endWords[reason]));
  }

  /** Never rejects. @returns undefined when another process has taken over */
  async execute(): Promise<RunEnd | undefined> {
    try {
      const end = await this.#race(this.#ask());
      if (this.#stop === undefined || this.#stop === 'silent') return this.#endOf(end);
      return this.#stopped();
    } catch (error) {
      return this.#stop === undefined ? this.#failed(error) : this.#stopped();
    }
  }

  async #ask(): Promise<PullEnd> {
    const { database, endpoint, puller, claimed, secretsOf, now } = this.#options;
    const [source, secrets] = await Promise.all([
      this.#own(() => findSource(database, sourceOf(endpoint))),
      secretsOf(endpoint),
    ]);
    const run: PullRun = {
      endpoint: forAdapter(endpoint),
      secrets,
      watermark: claimed.watermark,
      signal: this.#abort.signal,
      now,
      budget: this.#options.settings.budget,
      take: async (page, watermark) => {
        const taken = await this.#own(() =>
          takePage({ database, endpoint, source, hold: claimed, at: now() }, page, watermark),
        );
        this.#takes++;
        this.movedAt = this.#options.elapsed();
        this.total.received += taken.received;
        this.total.unchanged += taken.unchanged;
        this.#options.onTaken(taken);
        return taken;
      },
      news: (page) => readNews(database, source, page),
      held: (type, ids) => readHeld(database, source, type, ids),
      known: (type) => readKnown(database, source, type),
    };
    return puller.run(run);
  }

  async #own<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Problem && error.code === 'lock-error') this.stop('lost');
      if (error instanceof Problem && isOurs.has(error.code)) this.#ours = error;
      throw error;
    }
  }

  /** With what the adapter answers, or, when it does not heed the signal, without it. */
  async #race(asked: Promise<PullEnd>): Promise<PullEnd> {
    const { signal } = this.#abort;
    let timer: NodeJS.Timeout | undefined;
    const ignored = new Promise<never>((_, reject) => {
      const wait = (): void => {
        timer = setTimeout(() => reject(signal.reason as Error), this.#options.graceMs);
      };
      signal.addEventListener('abort', wait, { once: true });
    });
    try {
      return await Promise.race([asked, ignored]);
    } finally {
      clearTimeout(timer);
    }
  }

  #endOf({ isMore = false, notes = [], notBefore }: PullEnd): RunEnd {
    const reason = notes.length === 0 ? {} : { reason: notes.join('; ') };
    return { outcome: isMore ? 'more' : 'done', ...reason, ...(notBefore && { notBefore }) };
  }

  #stopped(): RunEnd | undefined {
    const reason = this.#stop as StopReason;
    switch (reason) {
      case 'lost':
        return undefined;
      case 'late':
        // It got on, only not to its end: a large source is taken in several runs.
        return this.hasTaken
          ? { outcome: 'more', reason: endWords.late }
          : { outcome: 'failed', reason: `timeout: ${endWords.late}` };
      case 'silent':
        return { outcome: 'failed', reason: `timeout: ${endWords.silent}` };
      case 'window':
        return { outcome: 'more', reason: endWords.window };
      default:
        return { outcome: 'stopped', reason: endWords[reason] };
    }
  }

  #failed(error: unknown): RunEnd {
    if (this.#ours !== undefined) return { outcome: 'stopped', reason: describe(this.#ours), waitMs: oursWaitMs };
    const notBefore = notBeforeOf(error);
    return { outcome: 'failed', reason: describe(error), ...(notBefore && { notBefore }) };
  }
}

/** Of the database: away, or too slow now. What it refuses for its content is the page's fault. */
const isOurs: ReadonlySet<string> = new Set(['transient', 'too-costly', 'throttled']);

const endWords: Readonly<Record<StopReason, string>> = {
  lost: 'another process has taken over',
  late: 'the time of the run is up',
  window: 'a window in which it is not asked has begun',
  silent: 'it failed before, and nothing came of it again in time',
  paused: 'it was paused',
  closing: 'the hub stops',
};

/** A source that is busy may say when it will not be (Retry-After). */
function notBeforeOf(error: unknown): Date | undefined {
  return error instanceof Problem && 'notBefore' in error && error.notBefore instanceof Date
    ? error.notBefore
    : undefined;
}

/** The text of a Problem is ours; that of any other error may quote what the source said, so only its kind is kept. */
function describe(error: unknown): string {
  if (error instanceof Problem) return `${error.code}: ${error.message}`;
  const code = error instanceof Error && 'code' in error ? ` ${String(error.code)}` : '';
  return `exception: ${error instanceof Error ? error.name : typeof error}${code}`;
}
