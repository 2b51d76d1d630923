/** What is left of what a run may take from its source. */
import type { PullRun } from '../../src/ingest/contract.ts';

export class Budget {
  readonly #max: PullRun['budget'];
  #resources = 0;
  #bytes = 0;

  constructor(max: PullRun['budget']) {
    this.#max = max;
  }

  /** Also what is only looked at costs the source. */
  spend(resources: number, bytes: number): void {
    this.#resources += resources;
    this.#bytes += bytes;
  }

  get isSpent(): boolean {
    const { resources, bytes } = this.#max;
    return this.#resources >= resources || this.#bytes >= bytes;
  }
}

/** Of the content of all of them. */
export function bytesOf(page: readonly { readonly bytes: Uint8Array }[]): number {
  return page.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
