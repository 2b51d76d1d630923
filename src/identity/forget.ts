/** Everything that says which records were one person's, and by which numbers. */
import type { Tx } from '../db.ts';
import { raw, sql, textArray } from '../db/sql.ts';

export async function forgetPerson(tx: Tx, patients: readonly string[]): Promise<void> {
  const ids = sql`${textArray(patients)}::text[]`;
  for (const table of ['person_identifier', 'person_member', 'person_link_log']) {
    await tx.query(sql`delete from ${raw(table)} where patient = any(${ids})`);
  }
  for (const table of ['person_split', 'person_assertion']) {
    await tx.query(sql`delete from ${raw(table)} where low = any(${ids}) or high = any(${ids})`);
  }
}
