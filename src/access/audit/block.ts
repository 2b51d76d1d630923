/**
 * The rows of one commit of the trail as one row of `audit_block`: each as a line of its canonical text with a hash of its own, so that they
 * are found, shown and checked one by one, and are written at once.
 */
import { textArray } from '../../db/sql.ts';
import { chainHash, rowOf, rowText, type AuditRow, type StoredRow } from './chain.ts';

/** A row before it has a place in a chain. */
export type Unplaced = Omit<AuditRow, 'shard' | 'seq'>;

/** What is written of a block, and where the chain ends with it. */
export interface PackedBlock {
  /** Of its last row. */
  readonly seq: number;
  readonly hash: string;
  /** Epoch milliseconds. */
  readonly atFrom: number;
  readonly atTo: number;
  /** An array as PostgreSQL reads it. */
  readonly patients: string;
  /** A line each. */
  readonly entries: string;
  /** 32 bytes each. */
  readonly hashes: Buffer;
}

/** Where a chain ends. */
interface End {
  readonly shard: number;
  readonly seq: number;
  readonly hash: string;
}

/** @param end of the chain that the rows extend */
export function packBlock(end: End, rows: readonly Unplaced[]): PackedBlock {
  const block = pack(end, rows);
  // JSON writes so whatever is not plain. Most of it may stay, and it hardly happens: looking once a block is enough.
  return block.entries.includes(String.raw`\u`) ? pack(end, rows.map(storable)) : block;
}

function pack({ shard, ...end }: End, rows: readonly Unplaced[]): PackedBlock {
  let { seq, hash } = end;
  let [atFrom, atTo] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const patients: (string | null)[] = [];
  const lines: string[] = [];
  const hashes: string[] = [];
  for (const row of rows) {
    const { at } = row;
    const text = rowText({ ...row, shard, seq: ++seq });
    hash = chainHash(hash, text);
    lines.push(`${text}]`);
    hashes.push(hash);
    patients.push(row.patient);
    if (at < atFrom) atFrom = at;
    if (at > atTo) atTo = at;
  }
  return {
    seq,
    hash,
    atFrom,
    atTo,
    patients: textArray(patients),
    entries: lines.join('\n'),
    hashes: Buffer.from(hashes.join(''), 'hex'),
  };
}

/** What no text of PostgreSQL can hold is U+FFFD: it would be kept as JSON, and no log that has it could be read. */
function storable(row: Unplaced): Unplaced {
  const values = Object.entries(row).map(([name, value]: [string, unknown]) => [
    name,
    typeof value === 'string' ? value.toWellFormed().replaceAll('\0', '\u{FFFD}') : value,
  ]);
  return Object.fromEntries(values) as Unplaced;
}

/** A row of `audit_block`. */
export interface StoredBlock {
  readonly first: number;
  readonly atFrom: number;
  readonly atTo: number;
  readonly patients: readonly (string | null)[];
  readonly entries: string;
  /** In hex. */
  readonly hashes: string;
}

/** A row with its place in its chain, as a check of the chain meets it. */
export interface PlacedRow extends StoredRow {
  /** What stands beside the row does not fit it, or it cannot be read: somebody else wrote there. */
  readonly isOdd?: boolean;
}

const hashDigits = 64;

/** The rows of a block, whatever stands in it. */
export function unpackBlock(
  shard: number,
  { first, atFrom, atTo, patients, entries, hashes }: StoredBlock,
): PlacedRow[] {
  const lines = entries.split('\n');
  const isWhole = patients.length === lines.length && hashes.length === lines.length * hashDigits;
  return lines.map((line, index): PlacedRow => {
    const [seq, patient] = [first + index, patients[index] ?? null];
    const hash = hashes.slice(index * hashDigits, (index + 1) * hashDigits);
    const row = readLine(line);
    if (row === undefined) return { ...unreadable, shard, seq, patient, hash, isOdd: true };
    const placed = { ...row, shard, seq, patient, hash };
    const fits = `${rowText(placed)}]` === line && row.at >= atFrom && row.at <= atTo;
    // What is missing at the end of one of them is told of the last row.
    return { ...placed, isOdd: !fits || (!isWhole && index === lines.length - 1) };
  });
}

function readLine(line: string): AuditRow | undefined {
  try {
    return rowOf(line);
  } catch {
    return undefined;
  }
}

/** In place of a line that is none. */
const unreadable: Omit<StoredRow, 'shard' | 'seq' | 'patient' | 'hash'> = {
  at: Number.NaN,
  client: null,
  subject: null,
  organization: null,
  purposes: 0,
  interaction: '',
  type: null,
  resourceId: null,
  rows: 0,
  decidedBy: null,
  outcome: 0,
  query: null,
  jti: null,
  correlationId: null,
  address: null,
  version: null,
  reason: null,
};
