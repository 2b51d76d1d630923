/**
 * The index columns of a row, filled entry by entry. Each kind of search parameter has one file here that says how it is
 * indexed and how it is matched, side by side, so the two cannot drift.
 *
 * | column | holds | asked by |
 * |---|---|---|
 * | tokens | hashes of tokens, references, URIs, exact strings; presence | membership |
 * | keys | the hashes worth an index across patients, prefixes of names among them | GIN |
 * | strings | parameter, separator, folded text | starts-with, contains |
 * | range_keys, _lows, _highs | dates (ms), numbers, quantities per unit | comparison |
 * | date_low, date_high | the type's main date | comparison and order, by btree |
 *
 * What a composite needs beyond that is in composite.ts.
 */
import { hash64 } from '../../fhir/hash.ts';

export class IndexColumns {
  /** Parameters that have any value. */
  readonly present = new Set<string>();
  readonly tokens = new Set<bigint>();
  readonly keys = new Set<bigint>();
  readonly strings = new Set<string>();
  readonly rangeKeys: bigint[] = [];
  readonly rangeLows: number[] = [];
  readonly rangeHighs: number[] = [];
  /** Epoch milliseconds; -Infinity with dateHigh undefined: undated. */
  dateLow = Number.NEGATIVE_INFINITY;
  dateHigh: number | undefined;
}

/**
 * 64 bits of SHA-256 over length-prefixed parts, case kept. Shares a column with `tokenHash`; the leading kind keeps
 * `keyHash('reference', ...)` apart from any token, whose first part is the name of a parameter.
 */
export function keyHash(kind: 'reference' | 'uri' | 'exact' | 'prefix' | 'range', ...parts: readonly string[]): bigint {
  return hash64(`!${kind}${parts.map((part) => `${part.length}:${part}`).join('')}`);
}
