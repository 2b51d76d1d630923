/** The clock of a source, by the dates of its answers; kept in its watermark, from where the watch reads it. */
import type { Watermark } from '../../src/ingest/contract.ts';
import type { FhirSource } from './ask.ts';

/** One answer may be a balancer's, or of one machine among several. */
const runsMax = 3;

/** Of the runs before, and of this one as far as it is. */
export class RunClock {
  readonly #before: readonly number[];
  readonly #source: Pick<FhirSource, 'aheadSeconds'>;

  constructor(watermark: Watermark | undefined, source: Pick<FhirSource, 'aheadSeconds'>) {
    const before: unknown = watermark?.aheadSeconds;
    this.#before = Array.isArray(before) ? before.filter((one): one is number => typeof one === 'number') : [];
    this.#source = source;
  }

  /** To be kept with the page that is taken. */
  mark(): Pick<Watermark, 'aheadSeconds'> {
    const ahead = this.#source.aheadSeconds();
    const all = ahead === undefined ? this.#before : [...this.#before, Math.round(ahead * 10) / 10];
    return all.length === 0 ? {} : { aheadSeconds: all.slice(-runsMax) };
  }
}
