/**
 * What a proxy may do for a patient at this moment, as SQL: part of every statement a proxy's token makes, so a period that
 * ends, a birthday, an inactive RelatedPerson and an operator's word hold from the next one (LEAKS 29, 31).
 */
import { raw, sql, type Sql } from '../../db/sql.ts';
import { typeCode } from '../../fhir/types.ts';
import type { MinorAges } from './minor.ts';

/** A token's `fhirUser` and its launch context. */
export interface ActingProxy {
  /** RelatedPerson.id. */
  readonly relatedPerson: string;
  readonly ages: MinorAges;
}

/** What is true of `proxy related` now, or at another time: somebody vouches for it, and it is in its period. */
export function isInForce(at: Sql): Sql {
  return sql`(related.trusted_by is not null and related.refused_by is null
    and ${at} >= related.valid_from and ${at} < related.valid_to)`;
}

/**
 * Of a row of `proxy related` that is in force, with its `resource child`: `whole`, all of the record; `ordinary`, without what is
 * private to a minor; null, nothing.
 *
 * A birth date known by year or month counts from its first day: rights end early rather than late. One that is not known is
 * none of a child: parents and guardians then have no rights. The guardian of an adult is appointed when they are of age: a
 * guardianship that began before, or does not say when, was that of a child.
 */
export function standingOf(at: Sql, ages: MinorAges): Sql {
  const birthday = (edge: 'date_low' | 'date_high', years: number): Sql =>
    sql`child.${raw(edge)} + make_interval(years => ${years}::int)`;
  return sql`case
    when related.relationship = 'caregiver' then 'whole'
    when related.relationship = 'none' then null
    when ${at} < ${birthday('date_low', ages.private)} then 'whole'
    when ${at} < ${birthday('date_low', ages.full)} then 'ordinary'
    when related.relationship = 'guardian' and related.valid_from >= ${birthday('date_high', ages.full)} then 'whole' end`;
}

/** The Patient a relation is about. */
export const childOf = sql`left join resource child on child.bucket = related.bucket and child.type = ${typeCode('Patient')}
  and child.id = related.patient and not child.is_deleted`;

// The statement's own time: now() would stand still in a long transaction.
const clock = raw('statement_timestamp()');

/** @param records the person's, as the token names them: a subselect. Found once a statement. */
export function standing({ relatedPerson, ages }: ActingProxy, records: Sql): Sql {
  return sql`(select ${standingOf(clock, ages)} from proxy related ${childOf}
    where related.related_person = ${relatedPerson} and related.patient = any(${records}) and ${isInForce(clock)})`;
}

/** Whether Consents may be written in the patient's name: by a caregiver with a power for it, by parents until the child decides. */
export function mayConsent({ relatedPerson, ages }: ActingProxy, records: Sql): Sql {
  return sql`(select related.may_consent and ${standingOf(clock, ages)} = 'whole' from proxy related ${childOf}
    where related.related_person = ${relatedPerson} and related.patient = any(${records}) and ${isInForce(clock)})`;
}
