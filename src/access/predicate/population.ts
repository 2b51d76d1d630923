/**
 * Whose records a principal may see anything of: candidates, in an order that can be gone on with. Who really may see what is
 * decided for each row by the predicate; a patient who is not listed here has no row that would pass it.
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { typeCode } from '../../fhir/types.ts';
import { isSource, recipientsOf, type Principal } from '../principal/principal.ts';

/** The place behind the last patient of a page. */
export interface PopulationPosition {
  readonly bucket: number;
  readonly patient: string;
}

export const populationStart: PopulationPosition = { bucket: -1, patient: '' };

/** Patients whose record the principal's organization keeps itself. */
export async function ownPatients(
  db: Tx,
  principal: Principal,
  after: PopulationPosition,
  limit: number,
): Promise<PopulationPosition[]> {
  if (!isSource(principal)) return [];
  return db.query<PopulationPosition>(sql`
    select r.bucket, r.id as patient from resource r
    where r.owner = ${principal.organization} and r.type = ${typeCode('Patient')} and (r.patient is null or r.patient = r.id)
      and (r.bucket, r.id) > (${after.bucket}::int, ${after.patient}::text)
    order by r.bucket, r.id limit ${limit}`);
}

/** A patient whose consent names the principal; of one of its own the record has been listed already. */
export interface Granting {
  readonly patient: string;
  readonly isOwn: boolean;
}

/** By name: buckets follow from it. */
export async function grantingPatients(
  db: Tx,
  principal: Principal,
  after: string,
  limit: number,
): Promise<Granting[]> {
  const source = isSource(principal) ? principal.organization : null;
  return db.query<Granting>(sql`
    select named.patient, exists (
      select from resource r where r.bucket = named.bucket and r.type = ${typeCode('Patient')} and r.id = named.patient
        and r.owner = ${source}::text) as "isOwn"
    from (
      select distinct page.patient, page.bucket from unnest(${recipientsOf(principal)}::text[]) recipient (name)
      cross join lateral (
        -- By the index: its order needs no sort of all that follow.
        select distinct on (rule.patient) rule.patient, rule.bucket from consent_rule rule
        where rule.recipient = recipient.name and not rule.is_deny and rule.patient > ${after}
        order by rule.patient limit ${limit}) page
      order by page.patient limit ${limit}) named
    order by named.patient`);
}
