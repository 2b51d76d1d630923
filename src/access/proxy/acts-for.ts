/** Whose records a person may open: their own, and those of patients whom they may act for at this moment. */
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { minorAges, type MinorAges } from './minor.ts';
import type { Relationship } from './relation.ts';
import { childOf, isInForce, standingOf } from './standing.ts';

/** A record that can be chosen: a token of `fhirUser` with the launch context `patient` opens it. */
export interface ActsFor {
  /** Patient.id. */
  readonly patient: string;
  readonly fhirUser: string;
  readonly relationship: 'self' | Relationship;
}

/** More than anybody cares for; a list to choose from ends somewhere. */
const actsForMax = 50;

/**
 * A RelatedPerson is the person who signs in when it is their `fhirUser`, or shows the same checksummed national identifier as
 * their Patient or RelatedPerson does. Names prove nothing.
 *
 * @param fhirUser `Patient/x` or `RelatedPerson/y`; anybody else acts for nobody
 */
export async function actsFor(db: Tx, fhirUser: string, now: Date, ages: MinorAges = minorAges): Promise<ActsFor[]> {
  const [type, id = ''] = fhirUser.split('/');
  if (type !== 'Patient' && type !== 'RelatedPerson') return [];
  const self: ActsFor[] = type === 'Patient' ? [{ patient: id, fhirUser, relationship: 'self' }] : [];
  const at = sql`${now.toISOString()}::timestamptz`;
  // One row a person: of a child with two records, the one that opens more, then by name, so that the choice stays the same.
  const rows = await db.query<{ patient: string; relatedPerson: string; relationship: Relationship }>(sql`
    with own as (
      select ${id}::text as patient where ${type} = 'Patient' union
      select other.patient from person_member one join person_member other on other.person = one.person
      where one.patient = ${id} and ${type} = 'Patient'),
    shown as (
      select hash from person_identifier where patient in (select patient from own) union
      select hash from proxy_identifier where related_person = ${id} and ${type} = 'RelatedPerson'),
    me as (
      select related_person from proxy_identifier where hash in (select hash from shown) union
      select ${id}::text where ${type} = 'RelatedPerson'),
    relation as (
      select related.patient, related.related_person, related.relationship, ${standingOf(at, ages)} as standing
      from proxy related ${childOf}
      where related.related_person in (select related_person from me) and ${isInForce(at)}
        and related.patient not in (select patient from own))
    select distinct on (coalesce(member.person::text, relation.patient))
      relation.patient, relation.related_person as "relatedPerson", relation.relationship
    from relation left join person_member member on member.patient = relation.patient
    where relation.standing is not null
    order by coalesce(member.person::text, relation.patient), relation.standing desc, relation.patient, relation.related_person
    limit ${actsForMax}`);
  return [
    ...self,
    ...rows.map(({ relatedPerson, ...row }) => ({ ...row, fhirUser: `RelatedPerson/${relatedPerson}` })),
  ];
}
