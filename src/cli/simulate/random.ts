/**
 * Repeatable randomness: the same keys give the same sequence on every machine and in every run, so message 4,711 of
 * seed 7 can be made without making the 4,710 before it.
 */

export interface Random {
  /** A whole number from 0 to `limit - 1`. */
  below(limit: number): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  pick<T>(list: readonly T[]): T;
  /** True in `percent` of a hundred cases. */
  chance(percent: number): boolean;
  digits(count: number): string;
}

/** @see https://github.com/skeeto/hash-prospector for the constants of the 32-bit mixer */
function mix(value: number): number {
  let hash = value >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** One number of 32 bits from several; the order of the keys counts. */
export function hashOf(...keys: readonly number[]): number {
  let hash = 0x9e3779b9;
  for (const key of keys) hash = mix((Math.imul(hash, 31) + key) >>> 0);
  return hash;
}

export function randomOf(...keys: readonly number[]): Random {
  let state = hashOf(...keys);
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    return mix(state);
  };
  const below = (limit: number): number => Math.floor((next() / 2 ** 32) * limit);
  return {
    below,
    between: (low, high) => low + below(high - low + 1),
    pick: <T>(list: readonly T[]): T => list[below(list.length)] as T,
    chance: (percent) => below(100) < percent,
    digits: (count) => Array.from({ length: count }, () => String(below(10))).join(''),
  };
}
