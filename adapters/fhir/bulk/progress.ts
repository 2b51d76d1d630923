/** What a run has: the source, the settings, the mark that moves with each page, and what is left of its budget. */
import type { Pulled, PullRun } from '../../../src/ingest/contract.ts';
import type { FhirSource } from '../ask.ts';
import { Budget, bytesOf } from '../budget.ts';
import { RunClock } from '../clock.ts';
import { Contents } from '../contents.ts';
import { readVersion, type FhirVersion } from '../versions/version.ts';
import { readMark, writeMark, type BulkMark } from './mark.ts';
import type { BulkSettings } from './settings.ts';

export class Progress {
  readonly run: PullRun;
  readonly source: FhirSource;
  readonly settings: BulkSettings;
  readonly version: FhirVersion;
  readonly mark: BulkMark;
  readonly contents: Contents;
  readonly #clock: RunClock;
  readonly #notes = new Map<string, number>();
  readonly #budget: Budget;

  constructor(run: PullRun, source: FhirSource, settings: BulkSettings) {
    this.run = run;
    this.source = source;
    this.settings = settings;
    this.version = readVersion(settings.version);
    this.mark = readMark(run.watermark);
    this.#clock = new RunClock(run.watermark, source);
    this.#budget = new Budget(run.budget);
    this.contents = new Contents({
      run,
      source,
      settings,
      expected: (this.mark.contents ??= []),
      write: (page) => this.#write(page),
      isSpent: () => this.isSpent,
    });
  }

  /** The page and the mark as it is now, in one transaction. What its documents name beside is expected from then on. */
  async take(page: readonly Pulled[] = []): Promise<void> {
    await this.contents.expect(page);
    await this.#write(page);
  }

  async #write(page: readonly Pulled[]): Promise<void> {
    await this.run.take(page, { ...writeMark(this.mark), ...this.#clock.mark() });
    this.#budget.spend(page.length, bytesOf(page));
  }

  get isSpent(): boolean {
    return this.#budget.isSpent;
  }

  /** @param times of the same: told with their number */
  note(text: string, times = 1): void {
    if (this.#notes.has(text) || this.#notes.size < notesMax)
      this.#notes.set(text, (this.#notes.get(text) ?? 0) + times);
  }

  get notes(): string[] {
    const told = Array.from(this.#notes, ([text, times]) => (times === 1 ? text : `${text} (${times})`));
    return [...told, ...this.contents.notes];
  }
}

/** More than a person reads. */
const notesMax = 20;
