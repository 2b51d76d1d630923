/** Messages by an identifier of a patient: those that carry it, and those that name the patient otherwise. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import type { Mark } from './marks.ts';

/** Patients that share an identifier: at hospitals that number alike. */
const patientsMax = 200;

/**
 * A result from a source that speaks FHIR names its patient by id alone; the id is known from the message that brought the Patient.
 * @returns the mark itself, and those of the patients' ids
 */
export async function findMarked(db: Tx, marked: number, mark: Mark): Promise<number[]> {
  const rows = await db.query<{ patient: string }>(sql`
    select distinct patient
    from message m, unnest(m.patients) as patient
    where m.marks && ${[marked]}::bigint[]
    limit ${patientsMax}`);
  // Of a message about many (a list, a merge) only the one whose identifier it is would be wanted; the others are not told apart here.
  return [...new Set([marked, ...rows.map(({ patient }) => mark(patient))])];
}
