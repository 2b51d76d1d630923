/** From ids to buckets: a minted id carries its own, a Patient has that of its id, any other may have a locator row. */
import { raw, sql, type Sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';
import { typeCode } from '../fhir/types.ts';
import { needsLocator } from './place.ts';

/** The row of one id, by primary key. */
export function isRow(type: string, id: string, alias: string): Sql {
  const row = raw(alias);
  const key = sql`${row}.type = ${typeCode(type)} and ${row}.id = ${id}`;
  const own = ownBucket(id);
  if (!needsLocator(type, id)) return sql`${row}.bucket = ${own} and ${key}`;
  return sql`${row}.bucket = coalesce(
    (select l.bucket from locator l where l.id_bucket = ${own} and l.type = ${typeCode(type)} and l.id = ${id}),
    ${own}::int) and ${key}`;
}

/** The rows of several ids, of any of these types; which of them is asked beside. */
export function isAmong(types: readonly string[], ids: readonly string[], alias: string): Sql {
  const row = raw(alias);
  const own = ids.map(ownBucket);
  const located = types.filter((type) => ids.some((id) => needsLocator(type, id)));
  const buckets =
    located.length === 0
      ? sql`${own}::int[]`
      : sql`array(
        select unnest(${own}::int[]) union all
        select l.bucket from locator l join unnest(${own}::int[], ${ids}::text[]) k (bucket, id)
          on l.id_bucket = k.bucket and l.id = k.id
        where l.type = any(${located.map(typeCode)}::smallint[]))`;
  return sql`(${row}.bucket = any(${buckets}) and ${row}.id = any(${ids}::text[]))`;
}
