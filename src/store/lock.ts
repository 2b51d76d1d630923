/**
 * Locks on things that have no row: a person's rights, a number that several records show, what a condition describes. Held
 * until the transaction ends, and taken in one order by everybody.
 */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';

/** @param names each with its kind before it (`patient 123`), so that things of two kinds never share a lock by name */
export async function lockNames(tx: Tx, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  // unnest keeps the order of its array, and the lock is taken row by row.
  const sorted = [...new Set(names)].toSorted();
  await tx.query(sql`select pg_advisory_xact_lock(hashtextextended(name, 0)) from unnest(${sorted}::text[]) as name`);
}

/**
 * The same lock, shared: any number hold it together, and whoever calls {@link lockNames} waits for all of them. For what must
 * not outlive a right that is being taken away: a notification on its way.
 */
export async function shareNames(tx: Tx, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  const sorted = [...new Set(names)].toSorted();
  await tx.query(sql`
    select pg_advisory_xact_lock_shared(hashtextextended(name, 0)) from unnest(${sorted}::text[]) as name`);
}
