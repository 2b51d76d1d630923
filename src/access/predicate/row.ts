/** What a row is: its type, what it contains of a patient's record, whether it is published, whether Consent may open it. */
import { raw, shared, sql, textArray, type Sql } from '../../db/sql.ts';
import { patientCompartment } from '../../fhir/definitions.ts';
import { containsRecord } from '../../fhir/index/entry.ts';
import { resourceTypes, typeCode } from '../../fhir/types.ts';
import { publisher } from '../../store/terminology/owners.ts';
import { deletionCode } from '../erasure/task.ts';
import { isPayment, type Principal } from '../principal/principal.ts';
import { financialTypes, neverByConsent } from './minimum.ts';

export function isOfType(row: Sql, types: Iterable<string>): Sql {
  return sql`${row}.type = any(${typeCodes(types)}::smallint[])`;
}

export function typeCodes(types: Iterable<string>): string {
  return `{${Array.from(types, typeCode).join(',')}}`;
}

/** By the number of a type; '' for those that are nobody's record, as in the tokens (store/index-columns.ts). */
const recordTypes = resourceTypes.map((type) => (Object.hasOwn(patientCompartment(), type) ? type : ''));

/** Numbers of the types of a patient's record that an older version contained. Hardly one does: the text tells without being read. */
export function containedThen(version: Sql): Sql {
  return sql`(case when position('"contained":' in ${version}.body) > 0 then array(
    select array_position(${shared(textArray(recordTypes))}::text[], part ->> 'resourceType')
    from json_array_elements(${version}.body::json -> 'contained') part
    where part ->> 'resourceType' = any(${shared(textArray(recordTypes))}::text[])) else '{}'::int[] end)`;
}

const typesMax = raw(String(Math.max(...resourceTypes.map((type) => typeCode(type) as number))));

/** What the row contains of a patient's record is of these types. */
export function containsOnly(row: Sql, types: Sql): Sql {
  return sql`(not ${raw(String(containsRecord))} = any(${row}.tokens) or not exists (
    select from unnest(${row}.tokens) part (type) where part.type between 1 and ${typesMax} and part.type <> all(${types}::bigint[])))`;
}

/** What defines and is of no patient. A token bound to a patient sees their record alone, and asks by the operations. */
export const publishedTypes = (
  'CapabilityStatement CodeSystem CompartmentDefinition ConceptMap ImplementationGuide NamingSystem OperationDefinition ' +
  'SearchParameter StructureDefinition StructureMap ValueSet'
).split(' ');

const publishedCodes = raw(`'${typeCodes(publishedTypes)}'::smallint[]`);

/** What the operator loads is read by everybody whose scope covers it; no token names its owner (token/token.ts: `Organization/x`). */
export function isPublished(row: Sql): Sql {
  return sql`(${row}.owner = ${publisher} and ${row}.patient is null and not ${row}.is_deleted
    and ${row}.type = any(${publishedCodes}))`;
}

/** Types no Consent opens, and the minimum of payment. */
export function isGrantable(row: Sql, principal: Principal): Sql {
  // A Patient inside of another resource is not trimmed.
  return isPayment(principal)
    ? sql`${row}.type = any(${paymentTypes}) and ${containsOnly(row, financialCodes)}`
    : sql`${row}.type <> all(${neverTypes}) and not ${isDeletionTask(row)}`;
}

const paymentTypes = raw(`'${typeCodes(['Patient', ...financialTypes])}'::smallint[]`);
export const financialCodes = raw(`'${typeCodes(financialTypes)}'::smallint[]`);
const neverTypes = raw(`'${typeCodes(neverByConsent)}'::smallint[]`);

const taskType = raw(String(typeCode('Task')));
const deletionTokens = raw(`'{${deletionCode}}'::bigint[]`);

/** LEAKS 20: that a Consent has ended, and whose, is told to nobody but whom it let see, and the patient. */
export function isDeletionTask(row: Sql): Sql {
  return sql`(${row}.type = ${taskType} and ${row}.tokens @> ${deletionTokens})`;
}
