/** The patient's own rows, for the patient and who acts for them; all source patients linked to a person are that person. */
import { sql, type Sql } from '../../db/sql.ts';
import type { Principal } from '../principal/principal.ts';
import { isSeenByProxy } from '../proxy/sight.ts';
import { denies, isAboutSource, isInForce, permits } from './rule.ts';

/** The patient and every source patient of the same person, read once a statement. */
export function linkedPatients(patient: string): Sql {
  return sql`array(
    select ${patient}::text union all
    select other.patient from person_member one join person_member other on other.person = one.person
    where one.patient = ${patient} and other.patient <> ${patient})`;
}

/** The patient sees everything of their own, and no deny locks them out; of a row about others too, only if all are them. */
export function isOwn(row: Sql, self: string): Sql {
  const own = linkedPatients(self);
  return sql`${row}.patient = any(${own}) and (${row}.other_patients is null or ${row}.other_patients <@ ${own})`;
}

/** Of the patient's own rows, what a proxy sees of them at this moment; absent for everybody else. */
export function ofProxy(row: Sql, { self, proxy }: Principal, about: (row: Sql) => Sql): Sql | undefined {
  if (self === undefined || proxy === undefined) return undefined;
  return isSeenByProxy(row, proxy, {
    records: linkedPatients(self),
    // What a deleted row was about is not known any more: a deny by class or code may have hidden it.
    applies: sql`${isInForce} and (${about(row)} or (rule.is_deny and ${row}.is_deleted and ${isAboutSource(row)}))`,
    permits: permits(row),
    denies: denies(row),
  });
}
