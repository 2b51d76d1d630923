/**
 * Reads rows again that were written under an older index (index-revision.ts): batch by batch in the order of the primary key,
 * each a transaction that also moves the mark, so that whoever goes on goes on from there. A row that changes meanwhile is left
 * to its writer, who knows the new index.
 */
import type { Database, Tx } from '../db.ts';
import { raw, sql, type Sql } from '../db/sql.ts';
import { parseJson } from '../fhir/json.ts';
import { typeName, type AnyResource } from '../fhir/types.ts';
import { identifierHashes, insertIdentifiers } from './identifier.ts';
import { indexColumns } from './index-columns.ts';
import { currentRevision, followMs, indexVersion } from './index-revision.ts';
import { lockRows, updateIndex, type Key } from './rows.ts';
import { everything } from './visibility.ts';

/** Rows indexed in a batch: 7 ms of this process, and as long are they locked. */
const batchMax = 100;
/** Rows looked at in a batch: most were written under the new index where little is left to do. */
const pageMax = 1_000;
/** Until every process has seen the revision, rows are still written under the one before. */
const graceMsDefault = 3 * followMs;

export interface Progress {
  readonly revision: number;
  readonly rowsRead: number;
  readonly rowsIndexed: number;
}

export interface BatchOptions {
  /** Default: long enough for all processes to follow. */
  readonly graceMs?: number;
}

/**
 * One batch of the last revision that is not complete.
 * @returns `done` when there is nothing to do, `busy` when another process is at it or it is too early
 */
export async function reindexBatch(
  db: Database,
  { graceMs = graceMsDefault }: BatchOptions = {},
): Promise<'done' | 'busy' | Progress> {
  return db.inTransaction(async (tx) => {
    const [revision] = await tx.query<RevisionRow>(sql`
      select r.revision, r.code_version, r.types, r.created_at, r.at_bucket, r.at_type, r.at_id, r.rows_read::int,
        r.rows_indexed::int, r.created_at < now() - ${graceMs} * interval '1 ms' as is_due,
        exists (select from index_revision n where n.revision > r.revision) as is_superseded
      from index_revision r where r.completed_at is null
      order by r.revision desc limit 1 for update skip locked`);
    if (revision === undefined) return (await isComplete(tx)) ? 'done' : 'busy';
    // A revision that is locked is not seen, and an older one has no work of its own.
    if (revision.is_superseded || !revision.is_due) return 'busy';
    // Rows are indexed by what this process knows: that must be the revision, and not one that came since.
    if (revision.code_version !== indexVersion || currentRevision() !== revision.revision) return 'busy';
    const isRest = revision.at_bucket > bucketMax;
    const page = await tx.query<BatchRow>(isRest ? selectRest(revision) : selectNext(revision));
    const left = page.findIndex(({ is_stale: isLeft, body }) => isLeft && body === null);
    const rows = left < 0 ? page : page.slice(0, left);
    const indexed = await indexAgain(tx, rows.filter((row) => row.body !== null) as StaleRow[], revision.revision);
    await move(tx, revision, { rows, isEnd: left < 0 && page.length < (isRest ? 1 : pageMax), indexed });
    return {
      revision: revision.revision,
      rowsRead: revision.rows_read + rows.length,
      rowsIndexed: revision.rows_indexed + indexed,
    };
  });
}

interface RevisionRow {
  revision: number;
  code_version: number;
  types: number[] | null;
  created_at: Date;
  at_bucket: number;
  at_type: number;
  at_id: string;
  rows_read: number;
  rows_indexed: number;
  is_due: boolean;
  is_superseded: boolean;
}

interface BatchRow {
  bucket: number;
  type: number;
  id: string;
  version: number;
  is_stale: boolean;
  /** null: nothing to do, or not in this batch. */
  body: string | null;
}
type StaleRow = BatchRow & { body: string };

/** Buckets have 16 bits; a mark beyond them says that the key is exhausted. */
const bucketMax = 65_535;
const visible = everything('reindex').where('r');

function isStale({ revision, types }: RevisionRow): Sql {
  const ofType = types === null ? raw('true') : sql`r.type = any(${types}::smallint[])`;
  return sql`r.index_revision < ${revision} and not r.is_deleted and ${ofType} and ${visible}`;
}

/** In the order of the key, all rows, so that a batch takes no longer where none is stale. */
function selectNext(revision: RevisionRow): Sql {
  const { at_bucket: bucket, at_type: type, at_id: id } = revision;
  return sql`
    select p.bucket, p.type, p.id, p.version, p.is_stale,
      case when p.is_stale and count(*) filter (where p.is_stale) over (order by p.bucket, p.type, p.id) <= ${batchMax}
        then p.body end as body
    from (
      select r.bucket, r.type, r.id, r.version, r.body, ${isStale(revision)} as is_stale
      from resource r where (r.bucket, r.type, r.id) > (${bucket}, ${type}::smallint, ${id})
      order by r.bucket, r.type, r.id limit ${pageMax}) p
    order by p.bucket, p.type, p.id`;
}

/** Rows behind the mark that a process wrote which did not know of the revision yet. */
function selectRest(revision: RevisionRow): Sql {
  return sql`
    select r.bucket, r.type, r.id, r.version, true as is_stale, r.body from unnest(array(
      select distinct t from unnest(${revision.types ?? allTypes}::smallint[]) t)) t (type)
    cross join lateral (
      select * from resource r
      where r.type = t.type and r.last_updated >= ${revision.created_at}::timestamptz - interval '1 minute'
        and ${isStale(revision)}
      order by r.last_updated limit ${batchMax}) r
    order by r.bucket, r.type, r.id limit ${batchMax}`;
}
/** typeCode is the place in R4's list of types. */
const allTypes = Array.from({ length: 256 }, (_, code) => code);

/** @returns how many were indexed */
async function indexAgain(tx: Tx, rows: readonly StaleRow[], revision: number): Promise<number> {
  const keys: Key[] = rows.map(({ bucket, type, id }) => ({ bucket, type: typeName(type), id }));
  const locked = await lockRows(tx, keys);
  const versions = new Map(locked.map(({ bucket, type, id, version }) => [`${bucket}/${type}/${id}`, version]));
  const current = rows.filter(
    ({ bucket, type, id, version }) => versions.get(`${bucket}/${typeName(type)}/${id}`) === version,
  );
  const indexed = current.map(({ bucket, type, id, body }) => {
    const resource = parseJson(body) as AnyResource;
    return { key: { bucket, type: typeName(type), id }, resource, columns: indexColumns(resource) };
  });
  await updateIndex(tx, indexed, revision);
  await insertIdentifiers(
    tx,
    indexed.flatMap(({ key, resource }) => identifierHashes(resource).map((hash) => ({ key, hash }))),
  );
  return indexed.length;
}

interface Batch {
  /** What was looked at. */
  readonly rows: readonly BatchRow[];
  readonly isEnd: boolean;
  readonly indexed: number;
}

async function move(tx: Tx, revision: RevisionRow, { rows, isEnd, indexed }: Batch): Promise<void> {
  const isRest = revision.at_bucket > bucketMax;
  const last = rows.at(-1);
  const isEmpty = revision.types?.length === 0;
  const [bucket, type, id] =
    isRest || isEnd || isEmpty || last === undefined ? [bucketMax + 1, 0, ''] : [last.bucket, last.type, last.id];
  await tx.query(sql`
    update index_revision set at_bucket = ${bucket}, at_type = ${type}::smallint, at_id = ${id},
      rows_read = rows_read + ${rows.length}, rows_indexed = rows_indexed + ${indexed}
    where revision = ${revision.revision}`);
  if (!isEmpty && !(isRest && isEnd)) return;
  await tx.query(sql`
    update index_revision set completed_at = now() where revision <= ${revision.revision} and completed_at is null`);
}

async function isComplete(tx: Tx): Promise<boolean> {
  const [row] = await tx.query<{ is_open: boolean }>(sql`
    select exists (select from index_revision where completed_at is null) as is_open`);
  return row?.is_open !== true;
}

export interface IndexStatus extends Progress {
  readonly createdAt: Date;
  readonly completedAt: Date | null;
  readonly codeVersion: number;
}

/** The last revisions, the newest first. */
export async function readIndexStatus(db: Tx): Promise<IndexStatus[]> {
  return db.query<IndexStatus>(sql`
    select revision, code_version as "codeVersion", created_at as "createdAt", completed_at as "completedAt",
      rows_read::int as "rowsRead", rows_indexed::int as "rowsIndexed"
    from index_revision order by revision desc limit 10`);
}
