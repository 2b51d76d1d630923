/** Rows of person_member: who belongs to which person now, with a log of every change. Rights move with them. */
import { separateRules, spreadDenies } from '../access/consent/write.ts';
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';

/**
 * Makes one person of the group, under the person one of them has already or `newPerson`. Permits stay with the records they
 * were given for, denies hold for all.
 * @returns false when they are one person already
 */
export async function connect(
  tx: Tx,
  group: readonly string[],
  newPerson: string,
  evidence: object,
  at: Date,
): Promise<boolean> {
  const current = await tx.query<{ patient: string; person: string }>(sql`
    select patient, person::text as person from person_member where patient = any(${group}::text[]) order by person`);
  const person = current[0]?.person ?? newPerson;
  const settled = new Set(current.filter((row) => row.person === person).map((row) => row.patient));
  const moving = group.filter((patient) => !settled.has(patient));
  if (moving.length === 0) return false;
  const rows = moving.map((patient) => ({ patient, bucket: ownBucket(patient) }));
  await tx.query(sql`
    insert into person_member (patient, bucket, person, evidence, linked_at)
    select patient, bucket, ${person}::uuid, ${JSON.stringify(evidence)}::jsonb, ${at.toISOString()}::timestamptz
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as moving (patient text, bucket int)
    on conflict (patient) do update
      set person = excluded.person, evidence = excluded.evidence, linked_at = excluded.linked_at`);
  await log(tx, 'link', moving, person, evidence, at);
  await spreadDenies(tx, group);
  return true;
}

/** Takes one patient out; what either side consented to no longer touches the other's records. */
export async function leave(
  tx: Tx,
  patient: string,
  others: readonly string[],
  evidence: object,
  at: Date,
): Promise<void> {
  const [left] = await tx.query<{ person: string }>(sql`
    delete from person_member where patient = ${patient} returning person::text as person`);
  // Somebody who is alone is no person of several records any more.
  if (others.length === 1) await tx.query(sql`delete from person_member where patient = any(${others}::text[])`);
  await separateRules(tx, [patient], others);
  await log(tx, 'unlink', [patient], left?.person ?? null, evidence, at);
}

export async function log(
  tx: Tx,
  action: 'link' | 'unlink' | 'veto',
  patients: readonly string[],
  person: string | null,
  evidence: object,
  at: Date,
): Promise<void> {
  await tx.query(sql`
    insert into person_link_log (at, action, patient, person, evidence)
    select ${at.toISOString()}::timestamptz, ${action}, patient, ${person}::uuid, ${JSON.stringify(evidence)}::jsonb
    from unnest(${patients}::text[]) as patient`);
}
