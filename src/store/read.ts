/**
 * Reading one row: its current version, or an older one. A version is visible only if the current row is (LEAKS 8), so a
 * relabelled or redated row takes its past with it. A Binary is read as what its security context is (binary.ts).
 *
 * @see https://hl7.org/fhir/R4/http.html#read
 */
import { isDatabase, type Tx } from '../db.ts';
import { join, raw, sql, type Sql } from '../db/sql.ts';
import { idPattern } from '../fhir/ids.ts';
import { typeCode, typeName } from '../fhir/types.ts';
import { compileBinaryRead } from './binary.ts';
import { isAmong, isRow } from './locate.ts';
import { needsLocator } from './place.ts';
import { readTogether } from './read-together.ts';
import type { Row } from './row.ts';
import type { Visibility } from './visibility.ts';

/** A row as the database answers. */
export interface StoredRow {
  bucket: number;
  type: number;
  id: string;
  version: number;
  last_updated: Date;
  is_deleted: boolean;
  owner: string;
  patient: string | null;
  other_patients: string[] | null;
  body: string;
  decided_by: string | null;
}

/** Undefined for unknown and for hidden alike; a deleted row is returned with `isDeleted`. */
export async function readRow(db: Tx, visibility: Visibility, type: string, id: string): Promise<Row | undefined> {
  if (typeCode(type) === undefined || !idPattern.test(id)) return undefined;
  const isAmongOthers = isDatabase(db) && type !== 'Binary' && !needsLocator(type, id);
  const row = isAmongOthers
    ? await readTogether(db, visibility, type, id)
    : (await db.query<StoredRow>(compileRead(visibility, type, id)))[0];
  return row && toRow(row);
}

export function compileRead(visibility: Visibility, type: string, id: string): Sql {
  if (type === 'Binary') return compileBinaryRead(visibility, id);
  const decided = visibility.decided('r');
  return sql`
    select r.bucket, r.type, r.id, r.version, r.last_updated, r.is_deleted, r.owner, r.patient, r.other_patients, r.body,
      ${decided.decidedBy} as decided_by
    from resource r ${decided.join}
    where ${isRow(type, id, 'r')} and ${decided.where}`;
}

interface RowKey {
  readonly type: string;
  readonly id: string;
}

/**
 * Rows as they stand, and will until the transaction ends: what is worked out from one of them loses nobody's update. Locked in
 * one order for everybody, the order of a commit.
 */
export function readRowsForChange(tx: Tx, visibility: Visibility, keys: readonly RowKey[]): Promise<Row[]> {
  return selectRows(tx, visibility, keys, raw('for update of r'));
}

/** Several rows, deleted ones too; of unknown and hidden ones nothing. */
export function readRows(tx: Tx, visibility: Visibility, keys: readonly RowKey[]): Promise<Row[]> {
  return selectRows(tx, visibility, keys, raw(''));
}

async function selectRows(tx: Tx, visibility: Visibility, keys: readonly RowKey[], lock: Sql): Promise<Row[]> {
  const known = keys.filter(({ type, id }) => typeCode(type) !== undefined && idPattern.test(id));
  if (known.length === 0) return [];
  const types = Map.groupBy(known, ({ type }) => type);
  const among = Array.from(types, ([type, some]) => {
    const ids = some.map(({ id }) => id);
    return sql`(r.type = ${typeCode(type)} and ${isAmong([type], ids, 'r')})`;
  });
  const rows = await tx.query<StoredRow>(sql`
    select r.bucket, r.type, r.id, r.version, r.last_updated, r.is_deleted, r.owner, r.patient, r.other_patients, r.body,
      ${visibility.decidedBy('r')} as decided_by
    from resource r
    where (${join(among, ' or ')}) and ${visibility.where('r')}
    order by r.bucket, r.type, r.id ${lock}`);
  return rows.map(toRow);
}

export interface VersionKey {
  readonly type: string;
  readonly id: string;
  readonly version: number;
}

/** vread. */
export async function readVersion(
  db: Tx,
  visibility: Visibility,
  { type, id, version }: VersionKey,
): Promise<Row | undefined> {
  if (typeCode(type) === undefined || !idPattern.test(id) || version > versionMax) return undefined;
  const decided = visibility.decided('r');
  const [row] = await db.query<StoredRow>(sql`
    select r.bucket, r.type, r.id, coalesce(h.version, r.version) as version,
      coalesce(h.last_updated, r.last_updated) as last_updated, coalesce(h.is_deleted, r.is_deleted) as is_deleted,
      r.owner, r.patient, r.other_patients, coalesce(h.body, r.body) as body, ${decided.decidedBy} as decided_by
    from resource r ${decided.join}
    left join resource_history h
      on h.bucket = r.bucket and h.type = r.type and h.id = r.id and h.version = ${version}::int
    where ${isRow(type, id, 'r')} and (r.version = ${version}::int or (h.version is not null and ${visibility.past('r', 'h')}))
      and ${decided.where}`);
  return row && toRow(row);
}
/** The column's limit: a larger number names no version. */
const versionMax = 2_147_483_647;

export function toRow(row: StoredRow): Row {
  return {
    bucket: row.bucket,
    type: typeName(row.type),
    id: row.id,
    version: row.version,
    lastUpdated: row.last_updated,
    isDeleted: row.is_deleted,
    owner: row.owner,
    patient: row.patient ?? undefined,
    otherPatients: row.other_patients ?? [],
    body: row.body,
    decidedBy: row.decided_by ?? '',
  };
}
