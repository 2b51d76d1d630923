/** The rows of some people's records as the source of a statement: one walk of the btree (bucket, patient, ...) each. */
import { raw, sql, type Sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';

/** For a `from`: rows of these source patients, or all rows. */
export function inCompartments(patients: readonly string[] | undefined, alias: string): Sql {
  const row = raw(alias);
  if (patients === undefined) return sql`resource ${row}`;
  return sql`unnest(${patients.map(ownBucket)}::int[], ${patients}::text[]) c (bucket, patient)
    join resource ${row} on ${row}.bucket = c.bucket and ${row}.patient = c.patient`;
}
