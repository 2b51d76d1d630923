/** What of erasures and deletions has served. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { ownBucket } from '../../fhir/ids.ts';
import { eraseKeys } from '../../store/erase.ts';

/** Of one sweep. */
const tasksMax = 1_000;

/**
 * Requests for erasure that nobody confirmed, and those that were taken back, for a day; recipients of Consents that ended and were dealt with,
 * for a year; Tasks about a person who was erased, for a year after they were to be done.
 */
export async function sweepErasures(db: Tx): Promise<void> {
  await db.query(sql`
    delete from erasure where state in ('asked', 'cancelled') and due_at < statement_timestamp() - interval '1 day'
      and requested_at < statement_timestamp() - interval '1 day'`);
  await db.query(sql`
    delete from consent_receiver where asked_at < statement_timestamp() - interval '1 year'
      and ends_at < statement_timestamp() - interval '1 year'`);
  const gone = await db.query<{ id: string }>(sql`
    select task.id from deletion_task task join erased_patient on erased_patient.patient = task.patient
    where task.erase_by < statement_timestamp() - interval '1 year' order by task.id limit ${tasksMax}`);
  if (gone.length === 0) return;
  const ids = gone.map(({ id }) => id);
  await eraseKeys(
    db,
    // The hub minted them: they lie in the bucket that they say.
    ids.map((id) => ({ bucket: ownBucket(id), type: 'Task', id })),
  );
  await db.query(sql`delete from deletion_task where id = any(${ids}::text[])`);
}
