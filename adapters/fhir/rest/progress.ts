/** What a run has: the source, the settings, the mark that moves with each page, and what is left of its budget. */
import type { Pulled, PullRun } from '../../../src/ingest/contract.ts';
import type { FhirSource } from '../ask.ts';
import { Budget, bytesOf } from '../budget.ts';
import { RunClock } from '../clock.ts';
import { Contents } from '../contents.ts';
import { readMark, writeMark, type RestMark, type TypeMark } from './mark.ts';
import type { RestSettings } from './settings.ts';

export class Progress {
  readonly run: PullRun;
  readonly source: FhirSource;
  readonly settings: RestSettings;
  readonly mark: RestMark;
  readonly contents: Contents;
  readonly #clock: RunClock;
  readonly notes = new Set<string>();
  readonly #budget: Budget;

  constructor(run: PullRun, source: FhirSource, settings: RestSettings) {
    this.run = run;
    this.source = source;
    this.settings = settings;
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

  typeMark(type: string): TypeMark {
    return (this.mark.types[type] ??= {});
  }

  /** The page and the mark as it is now, in one transaction; then the content of its documents. */
  async take(page: readonly Pulled[]): Promise<void> {
    await this.contents.expect(page);
    await this.#write(page);
    await this.contents.fetch();
  }

  note(text: string): void {
    this.notes.add(text);
  }

  /** In the words of an operator. */
  get told(): string[] {
    return [...this.notes, ...this.contents.notes];
  }

  async #write(page: readonly Pulled[]): Promise<void> {
    await this.run.take(page, { ...writeMark(this.mark), ...this.#clock.mark() });
    this.#budget.spend(page.length, bytesOf(page));
  }

  /** Also what is only looked at costs the source. */
  spend(resources: number, bytes: number): void {
    this.#budget.spend(resources, bytes);
  }

  get isSpent(): boolean {
    return this.#budget.isSpent;
  }

  now(): string {
    return this.run.now().toISOString();
  }

  /** Milliseconds since a time of ours; a clock that was set back since makes it long ago. */
  since(at: string | undefined): number {
    const ms = at === undefined ? Infinity : this.run.now().getTime() - Date.parse(at);
    return ms < 0 ? Infinity : ms;
  }
}
