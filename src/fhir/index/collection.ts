/**
 * The search values of a resource as they are collected. The limit is looked at with each of them: what has too many is
 * refused before they cost anything.
 */
import type { Problem } from '../problem.ts';
import type { IndexEntry } from './entry.ts';

/** Of one resource, with what it contains and what its composites hold together. */
export interface ValueLimit {
  readonly max: number;
  used: number;
  /** @param entries those there were room for */
  readonly refuse: (entries: readonly IndexEntry[]) => Problem;
}

export class Collection {
  readonly entries: IndexEntry[] = [];
  readonly #limit: ValueLimit | undefined;

  constructor(limit?: ValueLimit) {
    this.#limit = limit;
  }

  /** @throws Problem as the limit says */
  push(entry: IndexEntry): void {
    if (this.#limit !== undefined && ++this.#limit.used > this.#limit.max) throw this.#limit.refuse(this.entries);
    this.entries.push(entry);
  }

  /** What belongs together (`Observation.component`): entries of their own, under the same limit. */
  part(): Collection {
    return new Collection(this.#limit);
  }
}
