/**
 * feeds/ is what leaves after a commit. The outbox says what changed; the store writes it in the commit's transaction.
 *
 * A reader must not step over a transaction that took its number early and commits late. So entries are ordered by
 * transaction id, and only those below the oldest transaction still running are read: nothing can appear behind them.
 * A long transaction anywhere in the database delays readers; it never makes them lose an entry.
 *
 * @see https://www.postgresql.org/docs/15/functions-info.html#FUNCTIONS-PG-SNAPSHOT
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { typeName } from '../fhir/types.ts';

export interface Change {
  readonly bucket: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
}

/** What one commit changed. */
export interface OutboxEntry {
  readonly committedAt: Date;
  readonly changes: readonly Change[];
  /** Where reading goes on after this entry. */
  readonly cursor: string;
}

/** The start of the outbox. */
export const outboxStart = '0/0';

interface OutboxRow {
  transaction_id: string;
  sequence: number;
  committed_at: Date;
  buckets: number[];
  types: number[];
  ids: string[];
  versions: number[];
}

/**
 * Entries after the cursor, oldest first; empty when there is nothing that is safe to read yet.
 * @throws Problem value for a cursor that is none
 */
export async function readOutbox(db: Tx, after: string, entriesMax: number): Promise<OutboxEntry[]> {
  const [, transactionId, sequence] = /^(\d{1,20})\/(\d{1,15})$/.exec(after) ?? [];
  if (transactionId === undefined) throw new Problem('value', 'not a cursor of the outbox');
  const rows = await db.query<OutboxRow>(sql`
    select transaction_id::text, sequence, committed_at, buckets, types, ids, versions
    from outbox
    where (transaction_id, sequence) > (${transactionId}::xid8, ${sequence}::bigint)
      and transaction_id < pg_snapshot_xmin(pg_current_snapshot())
    order by transaction_id, sequence limit ${entriesMax}`);
  return rows.map((row) => ({
    committedAt: row.committed_at,
    changes: row.ids.map((id, index) => ({
      bucket: row.buckets[index] as number,
      type: typeName(row.types[index] as number),
      id,
      version: row.versions[index] as number,
    })),
    cursor: `${row.transaction_id}/${row.sequence}`,
  }));
}

/** Of one statement: some tens of milliseconds. */
const sweptRows = 10_000;
/** Of one sweep; what is left goes in the next. */
const sweepsMax = 1_000;

/** What all subscriptions were told of, after a week: by then nobody looks why something was told. */
export async function sweepOutbox(db: Tx): Promise<void> {
  for (let sweep = 0; sweep < sweepsMax; sweep++) {
    const gone = await db.query(sql`
      delete from outbox o using (
        select transaction_id, sequence from outbox
        where committed_at < now() - interval '7 days'
          and (transaction_id, sequence) <= (select transaction_id, sequence from subscription_feed)
        order by transaction_id, sequence limit ${sweptRows}) past
      where o.transaction_id = past.transaction_id and o.sequence = past.sequence returning o.sequence`);
    if (gone.length < sweptRows) return;
  }
}
