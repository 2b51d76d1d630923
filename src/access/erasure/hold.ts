/**
 * Organizations that are bound by law to keep here what they sent. Erasure leaves their records; with every Consent ended those are
 * seen by the organization, by the person, and in an emergency.
 */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { readRows } from '../../store/read.ts';
import { everything } from '../../store/visibility.ts';

export interface LegalHold {
  readonly organization: string;
  readonly reason: string;
  readonly placedBy: string;
  readonly placedAt: Date;
}

export async function placeHold(db: Tx, hold: Omit<LegalHold, 'placedAt'>): Promise<void> {
  if (!/^Organization\/[A-Za-z0-9\-.]{1,64}$/.test(hold.organization)) {
    throw new Problem('value', 'a legal hold names an organization', { hint: 'Organization/x' });
  }
  await db.query(sql`
    insert into legal_hold (organization, reason, placed_by) values (${hold.organization}, ${hold.reason}, ${hold.placedBy})
    on conflict (organization) do update set reason = excluded.reason, placed_by = excluded.placed_by`);
}

/** Erasures that left its records take them now. @returns how many there are. @throws Problem not-found */
export async function liftHold(tx: Tx, organization: string): Promise<number> {
  const gone = await tx.query(sql`delete from legal_hold where organization = ${organization} returning organization`);
  if (gone.length === 0) throw new Problem('not-found', 'there is no such hold', { hint: 'hub hold list' });
  const again = await tx.query(sql`
    insert into erasure (id, patients, state, requested_by, reason, due_at)
    select gen_random_uuid(), held, 'waiting', requested_by, reason, statement_timestamp()
    from erasure where state = 'done' and held <> '{}' returning id`);
  await tx.query(sql`update erasure set held = '{}' where state = 'done' and held <> '{}'`);
  return again.length;
}

export async function listHolds(db: Tx): Promise<LegalHold[]> {
  return db.query<LegalHold>(sql`
    select organization, reason, placed_by as "placedBy", placed_at as "placedAt" from legal_hold order by organization`);
}

/** Which of these records are of an organization under a hold. */
export async function heldPatients(tx: Tx, patients: readonly string[]): Promise<string[]> {
  const holds = new Set((await listHolds(tx)).map(({ organization }) => organization));
  if (holds.size === 0) return [];
  const keys = patients.map((id) => ({ type: 'Patient', id }));
  const rows = await readRows(tx, everything('whether a record is under a legal hold'), keys);
  return rows.filter(({ owner }) => holds.has(owner)).map(({ id }) => id);
}
