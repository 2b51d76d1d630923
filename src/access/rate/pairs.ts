/**
 * How often each client asked about each patient of late, in a fixed table of counters. A name of a pair falls on one of them by its
 * hash; pairs that share one count together, so a count is never too low, and too high by what others of the same counter
 * asked: with 360,000 pairs in a window five each.
 *
 * Not the library that counts clients: with a record and a timer for each pair, 6,000 patients a second for a minute were
 * 360,000 of both. This is 256 kB and 0.1 us whatever comes.
 */
const slots = 65_536;

export class PairCounts {
  readonly #counts = new Uint32Array(slots);
  readonly #windowMs: number;
  #endsAt = Number.NEGATIVE_INFINITY;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Counts one more. @returns how many there were in this window, and when it ends */
  add(client: number, patient: string, now: number): { readonly count: number; readonly endsAt: number } {
    if (now >= this.#endsAt) {
      this.#counts.fill(0);
      this.#endsAt = now + this.#windowMs;
    }
    const slot = mix(client, patient) & (slots - 1);
    const count = (this.#counts[slot] as number) + 1;
    this.#counts[slot] = count;
    return { count, endsAt: this.#endsAt };
  }
}

/** FNV-1a over the patient, begun with the client. @see https://datatracker.ietf.org/doc/html/draft-eastlake-fnv */
export function mix(seed: number, text: string): number {
  let hash = seed ^ 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  // The low bits of FNV mix least.
  return (hash ^ (hash >>> 15)) >>> 0;
}
