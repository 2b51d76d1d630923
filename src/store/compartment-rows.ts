/**
 * A compartment as rows: those that refer to its focus by one of the parameters of their type. Of a patient most of them live
 * together (place.ts), and some elsewhere: what the patient performed for another one.
 *
 * @see https://hl7.org/fhir/R4/compartmentdefinition.html
 */
import { join, raw, sql, type Sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';
import type { CompartmentFilter } from '../fhir/search-request.ts';
import { typeCode } from '../fhir/types.ts';
import { livesWith, rowsWithKey, type Subject } from './search/chain.ts';
import { isAmong } from './locate.ts';
import { keyHash } from './params/columns.ts';
import type { Aliases } from './params/reference.ts';

/** A condition: the row is in the compartment. */
export function isMember(filter: CompartmentFilter, { alias, aliases }: Subject): Sql {
  const row = raw(alias);
  const ids = idsOf(filter, aliases);
  const ways = filter.members.map(({ types, params }) => {
    const hashes = params.flatMap((code) => hashesOf(filter, code, ids));
    return sql`(${row}.type = any(${types.map(typeCode)}::smallint[]) and ${row}.tokens && ${`{${hashes.join(',')}}`}::bigint[])`;
  });
  if (filter.includesFocus) ways.push(isFocus(filter, ids, alias));
  return sql`(${join([raw('false'), ...ways], ' or ')})`;
}

/** A query for `bucket, type, id` of rows that may be in it: none of the compartment is missing. */
export function membersOf(filter: CompartmentFilter, { aliases }: Subject): Sql {
  const { param, members } = filter;
  const ids = idsOf(filter, aliases);
  const columns = raw('r.bucket, r.type, r.id');
  const parts: Sql[] = [];
  if (param.code === 'Patient') {
    parts.push(sql`
      select ${columns} from unnest(${ids.map(ownBucket)}::int[], ${ids}::text[]) c (bucket, patient)
      join resource r on r.bucket = c.bucket and r.patient = c.patient
      where r.type = any(${members.flatMap(({ types }) => types.map(typeCode))}::smallint[])`);
  }
  const keyed = members.flatMap(({ types, params }) =>
    params.filter((code) => !types.every((type) => livesWith(type, code, param.code))),
  );
  const hashes = [...new Set(keyed)].flatMap((code) => hashesOf(filter, code, ids));
  if (hashes.length > 0) {
    parts.push(sql`select ${columns} from ${rowsWithKey(sql`${`{${hashes.join(',')}}`}::bigint[]`, 'r')}`);
  }
  if (filter.includesFocus) parts.push(sql`select ${columns} from resource r where ${isFocus(filter, ids, 'r')}`);
  return join(parts, ' union ');
}

/** A patient is a person: their other records are of the same compartment. */
function idsOf({ param, id }: CompartmentFilter, aliases: Aliases): readonly string[] {
  return param.code === 'Patient' ? (aliases.get(id) ?? [id]) : [id];
}

function hashesOf({ param }: CompartmentFilter, code: string, ids: readonly string[]): bigint[] {
  return ids.map((id) => keyHash('reference', code, `${param.code}/${id}`));
}

function isFocus({ param }: CompartmentFilter, ids: readonly string[], alias: string): Sql {
  return sql`(${raw(alias)}.type = ${typeCode(param.code)} and ${isAmong([param.code], ids, alias)})`;
}
