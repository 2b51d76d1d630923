/**
 * The rows of an export: their keys as they were at one instant, and their content when it is sent. The instant is read from
 * the history: a row that was changed since is taken in the version it had, one that was made since is left out.
 *
 * Both pass a Visibility, the first of who asked for the export, the second of who downloads it.
 */
import type { Tx } from '../db.ts';
import { join, raw, sql, type Sql } from '../db/sql.ts';
import type { SearchRequest } from '../fhir/search-request.ts';
import { typeCode, typeName } from '../fhir/types.ts';
import { inCompartments } from './compartment.ts';
import { timestampOf } from './params/date.ts';
import type { Aliases } from './params/reference.ts';
import { resolveSearch } from './search/resolve.ts';
import { compileSearch } from './search.ts';
import type { FoundRow } from './select.ts';
import type { Visibility, VisibilityOf } from './visibility.ts';

export interface ExportKey {
  readonly bucket: number;
  readonly type: string;
  readonly id: string;
  readonly version: number;
  readonly isDeleted: boolean;
}

export interface ExportQuery {
  /** Epoch milliseconds: rows as they were then. */
  readonly at: number;
  /** Only what changed after this, epoch milliseconds; then deleted rows as well. */
  readonly since?: number;
  /** Absent: every type. */
  readonly types?: readonly string[];
  /** Rows of these types must match one of the searches of their type. */
  readonly filters: readonly SearchRequest[];
  readonly visibilityOf: VisibilityOf;
  readonly aliases: Aliases;
  readonly limit: number;
}

/** Of patients: the place of the patient in the list. Of nobody: the bucket. Nothing in it is changed by an update. */
export interface ExportPosition {
  readonly place: number;
  readonly type: number;
  readonly id: string;
}

export interface ExportPage {
  readonly keys: readonly ExportKey[];
  /** Undefined: that was all. */
  readonly next?: ExportPosition;
}

interface KeyRow {
  readonly bucket: number;
  readonly type: number;
  readonly id: string;
  readonly version: number;
  readonly is_deleted: boolean;
  readonly place: number;
}

/** Rows in the records of these source patients. */
export async function selectKeysOf(
  db: Tx,
  visible: Visibility,
  patients: readonly string[],
  query: ExportQuery,
  after?: ExportPosition,
): Promise<ExportPage> {
  const decided = visible.decided('r');
  const place = sql`array_position(${patients}::text[], r.patient)`;
  const isAfter =
    after === undefined
      ? raw('true')
      : sql`(${place}, r.type, r.id) > (${after.place}::int, ${after.type}::smallint, ${after.id}::text)`;
  const wanted = await isWanted(db, query);
  const rows = await db.query<KeyRow>(sql`
    select r.bucket, r.type, r.id, ${place} as place, v.version, v.is_deleted
    from ${inCompartments(patients, 'r')} ${asOf(query.at)} ${decided.join}
    where ${isAfter} and ${wanted} and ${decided.where}
    order by place, r.type, r.id limit ${query.limit + 1}`);
  return pageOf(rows, query.limit);
}

/** Rows of a source that are in nobody's record. */
export async function selectKeysOfNobody(
  db: Tx,
  visible: Visibility,
  owner: string,
  query: ExportQuery,
  after?: ExportPosition,
): Promise<ExportPage> {
  const decided = visible.decided('r');
  const isAfter =
    after === undefined
      ? raw('true')
      : sql`(r.type, r.bucket, r.id) > (${after.type}::smallint, ${after.place}::int, ${after.id}::text)`;
  const wanted = await isWanted(db, query);
  const rows = await db.query<KeyRow>(sql`
    select r.bucket, r.type, r.id, r.bucket as place, v.version, v.is_deleted
    from resource r ${asOf(query.at)} ${decided.join}
    where r.owner = ${owner} and r.patient is null and ${isAfter} and ${wanted} and ${decided.where}
    order by r.type, r.bucket, r.id limit ${query.limit + 1}`);
  return pageOf(rows, query.limit);
}

/** The version a row had at that time. */
function asOf(at: number): Sql {
  const time = sql`${timestampOf(at)}::timestamptz`;
  return sql`
    cross join lateral (
      select r.version, r.last_updated, r.is_deleted where r.last_updated <= ${time}
      union all (
        select h.version, h.last_updated, h.is_deleted from resource_history h
        where r.last_updated > ${time} and h.bucket = r.bucket and h.type = r.type and h.id = r.id
          and h.last_updated <= ${time}
        order by h.version desc limit 1)) v`;
}

async function isWanted(db: Tx, { types, since, filters, aliases, visibilityOf }: ExportQuery): Promise<Sql> {
  const conditions: Sql[] = [];
  if (since === undefined) conditions.push(raw('not v.is_deleted'));
  else conditions.push(sql`v.last_updated > ${timestampOf(since)}::timestamptz`);
  if (types !== undefined) conditions.push(sql`r.type = any(${codesOf(types)}::smallint[])`);
  if (filters.length > 0) {
    const resolved = await Promise.all(filters.map((request) => resolveSearch(db, request, { visibilityOf })));
    const matches = resolved.map((request) =>
      compileSearch(request.filters, { type: request.type, alias: 'r', isFound: true, aliases, visibilityOf }),
    );
    const filtered = codesOf(filters.map(({ type }) => type));
    conditions.push(sql`(r.type <> all(${filtered}::smallint[]) or v.is_deleted or ${join(matches, ' or ')})`);
  }
  return join(conditions, ' and ');
}

function codesOf(types: readonly string[]): number[] {
  return types.map((type) => typeCode(type) as number);
}

function pageOf(rows: readonly KeyRow[], limit: number): ExportPage {
  const page = rows.slice(0, limit);
  const last = page.at(-1);
  return {
    keys: page.map(({ bucket, type, id, version, is_deleted }) => ({
      bucket,
      type: typeName(type),
      id,
      version,
      isDeleted: is_deleted,
    })),
    ...(rows.length > limit && last !== undefined ? { next: { place: last.place, type: last.type, id: last.id } } : {}),
  };
}

/** Keys of one file; all of one type, and all of deleted rows or none. */
export interface ExportKeys {
  readonly type: string;
  readonly isDeleted: boolean;
  readonly buckets: readonly number[];
  readonly ids: readonly string[];
  readonly versions: readonly number[];
}

interface LineRow {
  readonly id: string;
  readonly patient: string | null;
  readonly other_patients: string[] | null;
  readonly body: string;
  readonly decided_by: string | null;
}

/**
 * The rows of these keys that may be seen now, in the versions of the keys, in their order. A version is visible only if the
 * current row is (LEAKS 8), and none is sent of a row that has been deleted since; of deleted rows, those that still are.
 */
export async function readExported(
  db: Tx,
  visible: Visibility,
  { type, isDeleted, buckets, ids, versions }: ExportKeys,
): Promise<FoundRow[]> {
  const decided = visible.decided('r');
  const content = isDeleted
    ? raw('r.is_deleted')
    : sql`not r.is_deleted and (r.version = k.version or (h.is_deleted = false and ${visible.past('r', 'h')}))`;
  const rows = await db.query<LineRow>(sql`
    select r.id, r.patient, r.other_patients, coalesce(h.body, r.body) as body, ${decided.decidedBy} as decided_by
    from unnest(${buckets}::int[], ${ids}::text[], ${versions}::int[]) with ordinality k (bucket, id, version, place)
    join resource r on r.bucket = k.bucket and r.type = ${typeCode(type)} and r.id = k.id
    left join resource_history h
      on h.bucket = r.bucket and h.type = r.type and h.id = r.id and h.version = k.version and r.version <> k.version
    ${decided.join}
    where ${content} and ${decided.where}
    order by k.place`);
  return rows.map(({ id, patient, other_patients, body, decided_by }) => ({
    type,
    id,
    patient: patient ?? undefined,
    otherPatients: other_patients ?? undefined,
    body,
    decidedBy: decided_by ?? '',
  }));
}
