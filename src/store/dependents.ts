/** What would be left behind. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';
import { typeCode } from '../fhir/types.ts';
import type { Visibility } from './visibility.ts';

/**
 * Whether the record of one of these patients still holds anything. Their Consents do not count: they are the patient's, who
 * alone may delete them, and say what holds should the record come back.
 */
export async function hasRecord(tx: Tx, visibility: Visibility, patients: readonly string[]): Promise<boolean> {
  if (patients.length === 0) return false;
  const found = await tx.query(sql`
    select from unnest(${patients.map(ownBucket)}::int[], ${patients}::text[]) p (bucket, id)
    join resource r on r.bucket = p.bucket and r.patient = p.id
    where not r.is_deleted and r.type not in (${typeCode('Patient')}, ${typeCode('Consent')}) and ${visibility.where('r')}
    limit 1`);
  return found.length > 0;
}
