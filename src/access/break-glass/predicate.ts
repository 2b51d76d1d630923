/**
 * Which rows an open window shows, as SQL: part of every statement of a hospital in an emergency, so that a window that closes,
 * by the clock or by hand, closes with the next one (LEAKS 29, 32).
 *
 * It passes over what the patient has not consented to, and over what they have denied for ordinary purposes: a life comes
 * first (PIPL 13 (4), GDPR 6 (1) d and 9 (2) c). A deny that names ETREAT, and not TREAT of which it is a kind, is the patient's word about exactly
 * this, and holds.
 * Sensitive records stay hidden unless the window was opened for their labels by name.
 */
import { raw, sql, type Sql } from '../../db/sql.ts';
import type { Principal } from '../principal/principal.ts';
import { purpose } from '../principal/purpose.ts';

/** A registered hospital, for an emergency and nothing else. Never AI, payment or research, whatever their tokens say. */
export function mayBreakGlass({ kind, purposes, organization, self }: Principal): boolean {
  return kind === 'hospital' && purposes === purpose.emergency && organization !== undefined && self === undefined;
}

// The statement's own time: now() would stand still in a long transaction.
const isOpen = raw('glass.closes_at > statement_timestamp()');
const treatment = raw(String(purpose.treatment));

/**
 * The name of the window for the trail; null: none shows the row.
 * @param denies over `consent_rule rule` and the row: it is in force for this principal, about the row, and a deny of it
 */
export function openWindow(row: Sql, principal: Principal, denies: Sql): Sql {
  const { issuer, clientId, subject } = principal;
  const everyone = sql`(${row}.other_patients || ${row}.patient)`;
  return sql`(
    select 'break-glass:' || glass.id from break_glass glass
    where glass.client = ${clientId} and glass.issuer = ${issuer} and glass.subject = ${subject} and ${isOpen}
      and ${row}.labels & ~glass.labels = 0
      and ${everyone} <@ array(
        select glass.patient union all
        select other.patient from person_member one join person_member other on other.person = one.person
        where one.patient = glass.patient and other.patient <> glass.patient)
      and not exists (
        select from consent_rule rule
        where rule.patient = any(${everyone}) and rule.purposes & ${treatment} = 0 and ${denies})
    order by glass.opened_at limit 1)`;
}
