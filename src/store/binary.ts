/**
 * A Binary has no patient, no label and no date of its own. It is protected as what its `securityContext` names, "such that the
 * Binary should be considered to have the same access": whoever may read that document reads it, by the same predicate over
 * the document's row, in the same statement; so every rule (type, code, label, period, instance) holds for the content too.
 *
 * The document must be its owner's: naming somebody else's would otherwise open a Binary, or a door to it, by that other's
 * consents. It must live in the same bucket, which is where mapping and minted ids put it.
 *
 * @see https://hl7.org/fhir/R4/binary.html#security
 */
import { raw, sql, type Sql } from '../db/sql.ts';
import { typeCode } from '../fhir/types.ts';
import { isAmong, isRow } from './locate.ts';
import type { Visibility } from './visibility.ts';

/** What a Binary may be the content of. */
export const securityContexts: readonly string[] = ['DocumentReference'];

const contextType = raw(String(typeCode('DocumentReference')));
/** A tombstone has no body. */
const context = raw(`case when not r.is_deleted then r.body::jsonb #>> '{securityContext,reference}' end`);

export function compileBinaryRead(visibility: Visibility, id: string): Sql {
  return sql`
    select r.bucket, r.type, r.id, r.version, r.last_updated, r.is_deleted, r.owner, r.body,
      coalesce(r.patient, d.patient) as patient, coalesce(r.other_patients, d.other_patients) as other_patients,
      ${decidedBy(visibility)} as decided_by
    from resource r ${withContext}
    where ${isRow('Binary', id, 'r')} and ${isVisible(visibility)}`;
}

const withContext = sql`
  left join resource d on d.bucket = r.bucket and d.type = ${contextType} and d.owner = r.owner and not d.is_deleted
    and d.id = split_part(${context}, '/', 2) and ${context} like 'DocumentReference/%'`;

function isVisible(visibility: Visibility): Sql {
  return sql`(${visibility.where('r')} or (d.id is not null and ${visibility.where('d')}))`;
}

function decidedBy(visibility: Visibility): Sql {
  return sql`case when d.id is null or ${visibility.where('r')} then ${visibility.decidedBy('r')}
    else ${visibility.decidedBy('d')} end`;
}

/** Content of documents sent along, for all of one statement: bodies are kept in memory until the answer leaves. */
const contentCharsMax = 16_000_000;

/** Several, as they are read one by one. Those that no longer fit are left to be read by their URL. */
export function visibleBinaries(visibility: Visibility, ids: readonly string[]): Sql {
  return sql`
    select type, id, patient, other_patients, body, decided_by from (
      select r.type, r.id, coalesce(r.patient, d.patient) as patient,
        coalesce(r.other_patients, d.other_patients) as other_patients, r.body, ${decidedBy(visibility)} as decided_by,
        sum(length(r.body)) over (order by r.id) as chars
      from resource r ${withContext}
      where r.type = ${typeCode('Binary')} and ${isAmong(['Binary'], ids, 'r')} and not r.is_deleted
        and ${isVisible(visibility)}) b
    where chars <= ${contentCharsMax}`;
}
