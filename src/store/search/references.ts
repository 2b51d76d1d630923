/**
 * References in SQL, for statements that follow them from row to row. A row keeps its references as hashes under their
 * parameter (params/reference.ts) and, as text, in its body: the body says where a reference leads, the hash which
 * parameter it stands under. Each fragment here is the twin of a function in TypeScript; test/store/references.test.ts
 * holds them equal.
 */
import { raw, sql, type Sql } from '../../db/sql.ts';
import { typeCode } from '../../fhir/types.ts';
import { needsLocator } from '../place.ts';

/** `keyHash('reference', param, target)`. */
export function referenceHash(param: string, target: Sql): Sql {
  return referenceHashOf(sql`${referenceHead(param)}::text`, target);
}

/** What the texts hashed for a parameter begin with: for statements that hold several in a table. */
export function referenceHead(param: string): string {
  return `!reference${param.length}:${param}`;
}

export function referenceHashOf(head: Sql, target: Sql): Sql {
  const text = sql`${head} || length(${target}) || ':' || ${target}`;
  return sql`('x' || encode(substring(sha256(convert_to(${text}, 'UTF8')) from 1 for 8), 'hex'))::bit(64)::bigint`;
}

/** `ownBucket(id)`. */
export function ownBucketOf(id: Sql): Sql {
  return sql`case when ${isMinted(id)} then ('x' || left(${id}, 4))::bit(16)::int
    else ('x' || encode(substring(sha256(convert_to(${id}, 'UTF8')) from 1 for 2), 'hex'))::bit(16)::int end`;
}

function isMinted(id: Sql): Sql {
  return sql`${id} ~ '^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'`;
}

/** Where the row of this type and id lives, as `isRow` finds it. */
export function bucketOf(type: string, id: Sql): Sql {
  // Any id of the type may need one but a Patient's, which lives in the bucket of its own id.
  return needsLocator(type, 'assigned') ? bucketOfReference(sql`${typeCode(type)}`, id) : ownBucketOf(id);
}

/** The same when the type is a value of the statement. */
export function bucketOfReference(code: Sql, id: Sql): Sql {
  return sql`coalesce(
    (select l.bucket from locator l
     where not ${isMinted(id)} and l.id_bucket = ${ownBucketOf(id)} and l.type = ${code} and l.id = ${id}),
    ${ownBucketOf(id)})`;
}

/** The same, where it is most likely in the bucket of the row that refers: one look there costs less than to work it out. */
export function bucketNear(bucket: Sql, type: string, id: Sql): Sql {
  // No `case when exists`: PostgreSQL 18 hashes such a subquery and keeps the hash when `bucket` is another (a wrong answer).
  return sql`coalesce(
    (select near.bucket from resource near
     where near.bucket = ${bucket} and near.type = ${typeCode(type)} and near.id = ${id}),
    ${bucketOf(type, id)})`;
}

// Bodies are written by JSON.stringify: a reference has no space before its value, and a text that looks like one has its
// quotes escaped. The piece before the first is none.
const pieces = (body: Sql): Sql =>
  sql`string_to_table(${body}, '"reference":"') with ordinality as pieces (piece, place)`;
const address = sql`split_part(piece, '"', 1)`;

/** What the body of a row refers to, wherever it stands: a table `name (type, id)` of relative references. */
export function references(body: Sql, name: string): Sql {
  return sql`(
    select distinct split_part(${address}, '/', 1) as type, split_part(${address}, '/', 2) collate "C" as id
    from ${pieces(body)} where place > 1) ${raw(name)}`;
}

/** Those of one type, each as often as it stands there: a table `name (id)`. */
export function referencesOf(body: Sql, type: string, name: string): Sql {
  return sql`(
    select split_part(${address}, '/', 2) collate "C" as id
    from ${pieces(body)} where place > 1 and starts_with(piece, ${`${type}/`})) ${raw(name)}`;
}
