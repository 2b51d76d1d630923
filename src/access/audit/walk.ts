/**
 * One hash chain, walked row by row: what was written holds, or it is said which row is another. After an edited or a removed row
 * the walk goes on from the hash that stands there, so that one find does not hide the next.
 */
import type { Tx } from '../../db.ts';
import type { PlacedRow } from './block.ts';
import { chainHash, genesis, rowText, type StoredRow } from './chain.ts';
import { readPage } from './pages.ts';

export type FindingKind =
  /** The row is not what was written. */
  | 'edited'
  /** Rows were removed; or one was, and the others numbered anew. */
  | 'deleted'
  /** A row that was not written: between others, or outside of the chain. */
  | 'inserted'
  /** From here on nothing is what was written. */
  | 'rewritten'
  /** The chain ended later than it does. */
  | 'cut short'
  /** The chain holds and is not the one that was signed. */
  | 'replaced';

/** What is wrong, and where. */
export interface Finding {
  readonly kind: FindingKind;
  readonly shard: number;
  readonly seq: number;
  /** One sentence. */
  readonly text: string;
}

/** Of one chain: a person looks at the first ones. */
const findingsMax = 20;

export class ChainWalk {
  readonly findings: Finding[] = [];
  readonly #db: Tx;
  readonly #shard: number;
  #page: PlacedRow[] = [];
  #at = 0;
  #seq: number;
  #hash: string;
  #rows = 0;
  /** Nothing more can be said of this chain. */
  #isLost = false;

  /** @param from a position that is trusted; the beginning of the chain when there is none */
  constructor(
    db: Tx,
    shard: number,
    from: { readonly seq: number; readonly hash: string } = { seq: 0, hash: genesis },
  ) {
    this.#db = db;
    this.#shard = shard;
    this.#seq = from.seq;
    this.#hash = from.hash;
  }

  /** The last row walked. */
  get position(): { readonly seq: number; readonly hash: string } {
    return { seq: this.#seq, hash: this.#hash };
  }

  /** Rows walked. */
  get rows(): number {
    return this.#rows;
  }

  get isLost(): boolean {
    return this.#isLost || this.findings.length >= findingsMax;
  }

  /** Walks up to the row with this number, or beyond it where it was deleted. @returns false when the rows end before it */
  async advanceTo(seq: number): Promise<boolean> {
    for (;;) {
      // Beyond it only what claims a place once more: it is on the same page.
      const row = this.#seq < seq ? await this.#peek(0) : this.#page[this.#at];
      if (this.isLost || (this.#seq >= seq && (row?.seq ?? Number.POSITIVE_INFINITY) > this.#seq)) return true;
      if (row === undefined) return false;
      await this.#take(row);
    }
  }

  add(kind: FindingKind, seq: number, text: string): void {
    this.findings.push({ kind, shard: this.#shard, seq, text });
  }

  /** A find after which nothing more can be said of this chain. */
  lose(kind: FindingKind, seq: number, text: string): void {
    this.add(kind, seq, text);
    this.#isLost = true;
  }

  async #take(row: PlacedRow): Promise<void> {
    const expected = this.#seq + 1;
    if (row.seq < expected) {
      this.add('inserted', row.seq, `more than one row claims to be row ${row.seq}`);
      this.#at++;
      return;
    }
    if (row.seq > expected) {
      const last = row.seq - 1;
      this.add(
        'deleted',
        expected,
        last === expected ? `row ${expected} was deleted` : `rows ${expected} to ${last} were deleted`,
      );
    } else if (chainHash(this.#hash, rowText(row)) !== row.hash) {
      await this.#explain(row);
      if (this.#isLost) return;
    } else if (row.isOdd === true) {
      this.add('edited', row.seq, `what stands beside row ${row.seq}, and finds it, was edited`);
    }
    this.#seq = row.seq;
    this.#hash = row.hash;
    this.#rows++;
    this.#at++;
  }

  /** A row does not follow from what stands before it; the one after it tells why. */
  async #explain(row: StoredRow): Promise<void> {
    const { seq } = row;
    const next = await this.#peek(1);
    const follows = (hash: string, as: StoredRow | undefined, numbered: number): boolean =>
      as !== undefined && chainHash(hash, rowText({ ...as, seq: numbered })) === as.hash;
    if (follows(this.#hash, next, seq)) {
      this.lose('inserted', seq, `row ${seq} was inserted, and the rows after it numbered anew`);
    } else if (follows(row.hash, next, seq + 2)) {
      this.lose('deleted', seq, `row ${seq} was deleted, and the rows after it numbered anew`);
    } else if (next === undefined || follows(row.hash, next, seq + 1)) {
      this.add('edited', seq, `row ${seq} was edited, or the one before it together with its hash`);
    } else {
      this.lose('rewritten', seq, `from row ${seq} on nothing is what was written`);
    }
  }

  /** The row that many places after the current one. */
  async #peek(ahead: number): Promise<PlacedRow | undefined> {
    if (this.#at + ahead >= this.#page.length) {
      const kept = this.#page.slice(this.#at);
      const after = kept.at(-1)?.seq ?? this.#seq;
      this.#page = [...kept, ...(await readPage(this.#db, this.#shard, after))];
      this.#at = 0;
    }
    return this.#page[this.#at + ahead];
  }
}
