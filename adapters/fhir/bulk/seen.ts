/** Ids that a pass over files has shown, eight bytes each: what a whole export of millions shows is told from what the hub knows. */
import { hash } from 'node:crypto';
import type { Seen } from '../rest/missing.ts';

/** More ids than may be held: they are looked at in more parts. */
export class TooManyIds extends Error {}

const lengthMin = 1_024;

/**
 * Of one part of all ids. Two ids that share 52 bits are one: of a million that are shown, one of ten thousand that are not is taken for shown
 * once in a million comparisons, and stays.
 */
export class SeenIds implements Seen {
  readonly #part: number;
  readonly #parts: number;
  readonly #max: number;
  #hashes = new Float64Array(lengthMin);
  #length = 0;
  #isSorted = true;

  constructor({ part, parts, max }: { readonly part: number; readonly parts: number; readonly max: number }) {
    this.#part = part;
    this.#parts = parts;
    this.#max = max;
  }

  /** @throws TooManyIds */
  add(id: string): void {
    const number = numberOf(id);
    if (number % this.#parts !== this.#part) return;
    if (this.#length >= this.#max) throw new TooManyIds();
    if (this.#length === this.#hashes.length) {
      const grown = new Float64Array(this.#length * 2);
      grown.set(this.#hashes);
      this.#hashes = grown;
    }
    this.#hashes[this.#length++] = number;
    this.#isSorted = false;
  }

  covers(id: string): boolean {
    return numberOf(id) % this.#parts === this.#part;
  }

  has(id: string): boolean {
    if (!this.#isSorted) this.#hashes.subarray(0, this.#length).sort();
    this.#isSorted = true;
    const wanted = numberOf(id);
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#hashes[middle] as number) < wanted) low = middle + 1;
      else high = middle;
    }
    return low < this.#length && this.#hashes[low] === wanted;
  }
}

/** 52 bits: exact as a number. */
const digits = 13;

function numberOf(id: string): number {
  return Number.parseInt(hash('sha1', id, 'hex').slice(0, digits), 16);
}
