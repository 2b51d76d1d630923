/**
 * Which rows of the record a proxy sees, as SQL over a row that is the patient's own. What is private to a minor is hidden from
 * parents and guardians unless the minor's Consent names them; what a Consent denies them by name is hidden from every proxy.
 * A deny to everybody is none to a proxy: it would shut out the parents of a small child, who may have written it.
 */
import { raw, sql, type Sql } from '../../db/sql.ts';
import { typeCode } from '../../fhir/types.ts';
import { deletionCode } from '../erasure/task.ts';
import { purpose } from '../principal/purpose.ts';
import { privateLabels } from './minor.ts';
import { standing, type ActingProxy } from './standing.ts';

export interface Sight {
  /** The person's records: a subselect. */
  readonly records: Sql;
  /** Over `consent_rule rule` and the row: it is in force, and it is about the row. */
  readonly applies: Sql;
  readonly permits: Sql;
  readonly denies: Sql;
}

const consentType = raw(String(typeCode('Consent')));
const taskType = raw(String(typeCode('Task')));
const deletionTokens = raw(`'{${deletionCode}}'::bigint[]`);
const privateBits = raw(String(privateLabels));
const askedFor = raw(String(purpose.patientRequest | purpose.familyRequest));

export function isSeenByProxy(row: Sql, proxy: ActingProxy, { records, applies, permits, denies }: Sight): Sql {
  const named = sql`rule.recipient = ${`RelatedPerson/${proxy.relatedPerson}`} and rule.purposes & ${askedFor} <> 0 and ${applies}`;
  // A minor's Consents tell what is private by what they open, and so does what follows from their end.
  return sql`(case ${standing(proxy, records)}
      when 'whole' then true
      when 'ordinary' then ${row}.type <> ${consentType}
        and not (${row}.type = ${taskType} and ${row}.tokens @> ${deletionTokens}) and (${row}.labels & ${privateBits} = 0 or exists (
        select from consent_rule rule where rule.patient = ${row}.patient and ${named} and ${permits}))
      else false end
    and not exists (
      select from consent_rule rule
      where rule.patient = any(${row}.other_patients || ${row}.patient) and ${named} and ${denies}))`;
}
