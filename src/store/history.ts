/**
 * Versions, newest first: of one resource, of the rows of some patients, or of what an owner wrote. A version is seen by whoever
 * may see the current row (LEAKS 8), so a row that was relabelled, or whose Consent has ended, takes its past with it; what is
 * seen for its codes is seen as it stands alone (`Visibility.past`).
 *
 * @see https://hl7.org/fhir/R4/http.html#history
 */
import type { Tx } from '../db.ts';
import { join, raw, sql, textArray, type Sql } from '../db/sql.ts';
import type { HistoryRequest } from '../fhir/history-request.ts';
import { ownBucket } from '../fhir/ids.ts';
import { typeCode } from '../fhir/types.ts';
import { openCursor, sealCursor, type CursorSeal, type Position } from './search/cursor.ts';
import { isRow } from './locate.ts';
import { timestampOf } from './params/date.ts';
import { toRow, type StoredRow } from './read.ts';
import type { Row } from './row.ts';
import type { Visibility } from './visibility.ts';

/**
 * Whose versions: of one resource; of the compartments of these source patients; or of an owner, by whose index alone the
 * changes of a whole type can be read in order.
 */
export type HistoryScope =
  | { readonly type: string; readonly id: string }
  | { readonly patients: readonly string[]; readonly types: readonly string[] | undefined }
  | { readonly owner: string; readonly types: readonly string[] };

export interface HistoryPage {
  readonly rows: readonly (Row & { readonly isRecreated: boolean })[];
  /** Cursor of the next page; undefined on the last. */
  readonly next?: string;
}

interface VersionRow extends StoredRow {
  key0: string;
  key1: string;
  key2: string;
  before_deleted: boolean | null;
}

export async function selectHistory(
  db: Tx,
  visibility: Visibility,
  request: HistoryRequest,
  scope: HistoryScope,
  seal: CursorSeal,
): Promise<HistoryPage> {
  const after = request.cursor === undefined ? undefined : openCursor(request.cursor, 3, seal);
  const rows = await db.query<VersionRow>(compileHistory(visibility, request, scope, after));
  const page = rows.slice(0, request.count);
  const last = page.at(-1);
  return {
    rows: page.map((row) => ({ ...toRow(row), isRecreated: row.before_deleted === true })),
    ...(rows.length > request.count && last !== undefined
      ? { next: sealCursor({ keys: [last.key0, last.key1, last.key2], id: last.id }, seal) }
      : {}),
  };
}

export function compileHistory(
  visibility: Visibility,
  request: HistoryRequest,
  scope: HistoryScope,
  after: Position | undefined,
): Sql {
  const limit = sql`limit ${request.count + 1}`;
  // Limited before what is shown of a version is read: of its row, and whether it brought the resource back.
  return sql`
    select v.*, ${visibility.decidedBy('r')} as decided_by, v.last_updated::text as key0, v.type::text as key1,
      v.version::text as key2,
      (select b.is_deleted from resource_history b where b.bucket = v.bucket and b.type = v.type and b.id = v.id
        and b.version < v.version order by b.version desc limit 1) as before_deleted
    from (select u.* from (${versionsOf(visibility, request, scope, after)}) u order by ${order('u')} ${limit}) v
    join resource r on r.bucket = v.bucket and r.type = v.type and r.id = v.id
    order by ${order('v')}`;
}

/** Within one type as its indexes by owner are walked backwards: otherwise a page of 50 sorts all there is. */
const order = (alias: string, columns = ['last_updated', 'type', 'id', 'version']): Sql =>
  raw(columns.map((column) => `${alias}.${column} desc`).join(', '));

function versionsOf(
  visibility: Visibility,
  request: HistoryRequest,
  scope: HistoryScope,
  after: Position | undefined,
): Sql {
  const limit = request.count + 1;
  const current = (where: Sql, inOrder = order('r')): Sql => sql`
    select ${columns('r')} from resource r
    where ${join([where, ...conditions('r', raw(`'infinity'::timestamptz`), request, after), visibility.where('r')], ' and ')}
    order by ${inOrder} limit ${limit}`;
  const past = (from: Sql, where: Sql, inOrder = order('h')): Sql => sql`
    select ${columns('h', 'r')} from ${from}
    where ${join([where, ...conditions('h', nextOf('h', 'r'), request, after)], ' and ')}
    order by ${inOrder} limit ${limit}`;
  const isOfRow = raw('r.bucket = h.bucket and r.type = h.type and r.id = h.id');
  if ('owner' in scope) {
    const of = (alias: string): Sql => sql`${raw(alias)}.owner = ${scope.owner} and ${raw(alias)}.type = t.type`;
    // offset 0: of a join by three columns, which it takes for independent, PostgreSQL expects one row, and sorts before the limit.
    const versions = sql`resource_history h cross join lateral (
      select r.* from resource r where ${isOfRow} and ${visibility.where('r')} and ${visibility.past('r', 'h')} offset 0) r`;
    // A range of the index for each type, merged.
    return sql`
      select one.* from unnest(${codesOf(scope.types)}::smallint[]) t (type)
      cross join lateral (
        (${current(of('r'), order('r', ['last_updated', 'id']))}) union all
        (${past(versions, of('h'), order('h', ['last_updated', 'id', 'version']))})) one`;
  }
  const versions = sql`resource_history h join resource r on ${isOfRow} and ${visibility.where('r')}
    and ${visibility.past('r', 'h')}`;
  const where = 'id' in scope ? isRow(scope.type, scope.id, 'r') : isAmongPatients(scope);
  return sql`(${current(where)}) union all (${past(versions, where)})`;
}

function isAmongPatients({
  patients,
  types,
}: {
  patients: readonly string[];
  types: readonly string[] | undefined;
}): Sql {
  const ofTypes = types === undefined ? raw('true') : sql`r.type = any(${codesOf(types)}::smallint[])`;
  return sql`(r.bucket, r.patient) in (
    select * from unnest(${patients.map(ownBucket)}::int[], ${textArray(patients)}::text[])) and ${ofTypes}`;
}

function codesOf(types: readonly string[]): number[] {
  return types.map(typeCode).filter((code) => code !== undefined);
}

/** @param row where owner and patients are, when the version has none of its own */
function columns(version: string, row: string = version): Sql {
  const own = ['bucket', 'type', 'id', 'version', 'last_updated', 'is_deleted', 'body'].map(
    (name) => `${version}.${name}`,
  );
  return raw([...own, ...['owner', 'patient', 'other_patients'].map((name) => `${row}.${name}`)].join(', '));
}

/** When the version ceased to be the current one. */
function nextOf(version: string, row: string): Sql {
  return raw(`coalesce((
    select n.last_updated from resource_history n where n.bucket = ${version}.bucket and n.type = ${version}.type
      and n.id = ${version}.id and n.version > ${version}.version order by n.version limit 1), ${row}.last_updated)`);
}

function conditions(alias: string, until: Sql, { since, at }: HistoryRequest, after: Position | undefined): Sql[] {
  const from = raw(`${alias}.last_updated`);
  const all: Sql[] = [];
  if (since !== undefined) all.push(sql`${from} >= ${timestampOf(since)}::timestamptz`);
  if (at !== undefined)
    all.push(sql`${from} < ${timestampOf(at.high)}::timestamptz and ${until} > ${timestampOf(at.low)}::timestamptz`);
  if (after !== undefined) {
    const [lastUpdated, type, version] = after.keys;
    all.push(sql`${from} <= ${lastUpdated}::timestamptz and
      (${from}, ${raw(alias)}.type, ${raw(alias)}.id, ${raw(alias)}.version)
        < (${lastUpdated}::timestamptz, ${type}::smallint, ${after.id}::text, ${version}::int)`);
  }
  return all;
}
