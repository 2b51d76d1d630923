/**
 * Looks at stored rows again after the sets changed (current.ts): batch by batch in the order of the primary key, each a
 * transaction that also moves the mark, so that whoever goes on goes on from there. A row's labels are made anew from all its
 * versions and from what it refers to: the service's own come and go with the sets, what a sender stated stays. Most rows are
 * read and left; one that changes keeps its version (R4 resource-definitions.html#Meta.security).
 *
 * What is written meanwhile meets the new sets. A stored row is labelled by the old ones until it was looked at.
 */
import type { Database, Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { typeCode, typeName } from '../../fhir/types.ts';
import { followMs } from '../index-revision.ts';
import type { Key } from '../rows.ts';
import { everything } from '../visibility.ts';
import { currentLabelRevision } from './current.ts';
import { evaluate, relabelRows } from './evaluate.ts';

/** Rows looked at in a batch: some 10 ms of this process. */
const pageMax = 100;
/** Characters of bodies held at once; a single larger row is a batch of its own. */
const pageCharsMax = 4_000_000;
/** Until every process labels by the new sets. */
const graceMsDefault = 3 * followMs;

export interface RelabelProgress {
  readonly revision: number;
  readonly rowsRead: number;
  readonly rowsChanged: number;
}

export interface RelabelOptions {
  /** Default: long enough for all processes to follow. */
  readonly graceMs?: number;
}

/**
 * One batch of the last revision that is not complete.
 * @returns `done` when there is nothing to do, `busy` when another process is at it or it is too early
 */
export async function relabelBatch(
  db: Database,
  { graceMs = graceMsDefault }: RelabelOptions = {},
): Promise<'done' | 'busy' | RelabelProgress> {
  return db.inTransaction(async (tx) => {
    const [revision] = await tx.query<RevisionRow>(sql`
      select r.revision, r.at_bucket, r.at_type, r.at_id, r.rows_read::int, r.rows_changed::int,
        r.created_at < now() - ${graceMs} * interval '1 ms' as is_due,
        exists (select from label_revision n where n.revision > r.revision) as is_superseded
      from label_revision r where r.completed_at is null order by r.revision desc limit 1 for update skip locked`);
    if (revision === undefined) return (await isComplete(tx)) ? 'done' : 'busy';
    // A revision that is locked is not seen, and an older one has no work of its own.
    if (revision.is_superseded || !revision.is_due || currentLabelRevision() !== revision.revision) return 'busy';
    const page = await readPage(tx, revision);
    const keys = page.map(({ bucket, type, id }) => ({ bucket, type: typeName(type), id }));
    const changed = await relabel(tx, keys);
    await move(tx, revision, page, changed);
    return {
      revision: revision.revision,
      rowsRead: revision.rows_read + page.length,
      rowsChanged: revision.rows_changed + changed,
    };
  });
}

interface RevisionRow {
  readonly revision: number;
  readonly at_bucket: number;
  readonly at_type: number;
  readonly at_id: string;
  readonly rows_read: number;
  readonly rows_changed: number;
  readonly is_due: boolean;
  readonly is_superseded: boolean;
}

interface PageRow {
  readonly bucket: number;
  readonly type: number;
  readonly id: string;
}

const visible = everything('relabel').where('r');
const binary = typeCode('Binary');

/** A Binary has no codes: its document passes its labels on. */
async function readPage(tx: Tx, { at_bucket: bucket, at_type: type, at_id: id }: RevisionRow): Promise<PageRow[]> {
  return tx.query<PageRow>(sql`
    select bucket, type, id from (
      select r.bucket, r.type, r.id,
        sum(case when r.type = ${binary} then 0 else length(r.body) end) over w as chars, row_number() over w as place
      from resource r where (r.bucket, r.type, r.id) > (${bucket}, ${type}::smallint, ${id}) and ${visible}
      window w as (order by r.bucket, r.type, r.id) order by r.bucket, r.type, r.id limit ${pageMax}) p
    where place = 1 or chars <= ${pageCharsMax}
    order by bucket, type, id`);
}

/** @returns how many rows changed, those that refer to them included */
async function relabel(tx: Tx, page: readonly Key[]): Promise<number> {
  const keys = page.filter(({ type }) => type !== 'Binary');
  // Nothing is locked for a look: what changes meanwhile is labelled by its writer.
  const suspects = await evaluate(tx, keys);
  return suspects.length === 0 ? 0 : relabelRows(tx, suspects);
}

async function move(tx: Tx, { revision }: RevisionRow, page: readonly PageRow[], changed: number): Promise<void> {
  const last = page.at(-1);
  if (last === undefined) {
    await tx.query(sql`
      update label_revision set completed_at = now() where revision <= ${revision} and completed_at is null`);
    return;
  }
  await tx.query(sql`
    update label_revision set at_bucket = ${last.bucket}, at_type = ${last.type}::smallint, at_id = ${last.id},
      rows_read = rows_read + ${page.length}, rows_changed = rows_changed + ${changed}
    where revision = ${revision}`);
}

async function isComplete(tx: Tx): Promise<boolean> {
  const [row] = await tx.query<{ is_open: boolean }>(sql`
    select exists (select from label_revision where completed_at is null) as is_open`);
  return row?.is_open !== true;
}

export interface LabelStatus extends RelabelProgress {
  readonly name: string;
  readonly createdAt: Date;
  readonly completedAt: Date | null;
}

/** The last revisions, the newest first. */
export async function readLabelStatus(db: Tx): Promise<LabelStatus[]> {
  return db.query<LabelStatus>(sql`
    select revision, left(name, 12) as name, created_at as "createdAt", completed_at as "completedAt",
      rows_read::int as "rowsRead", rows_changed::int as "rowsChanged"
    from label_revision order by revision desc limit 10`);
}
