/** The files of an export: keys of one type, at most so many. Only the worker that holds the job's slot writes them. */
import type { Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { typeCode, typeName } from '../fhir/types.ts';
import type { ExportKey, ExportKeys } from '../store/export.ts';

/** Lines of one file: some 20 MB, downloaded again in seconds when a connection breaks. */
export const partRowsMax = 10_000;

export interface ExportPart {
  readonly part: number;
  readonly isDeleted: boolean;
  readonly type: string;
  /** Keys: of lines that may have been hidden since, the client learns by their absence. */
  readonly rowCount: number;
}

interface PartRow {
  readonly part: number;
  readonly is_deleted: boolean;
  readonly type: number;
  readonly row_count: number;
}

export async function listParts(db: Tx, job: string): Promise<ExportPart[]> {
  const rows = await db.query<PartRow>(sql`
    select part, is_deleted, type, row_count from export_part where job = ${job}::uuid order by type, part`);
  return rows.map(toPart);
}

function toPart({ part, is_deleted, type, row_count }: PartRow): ExportPart {
  return { part, isDeleted: is_deleted, type: typeName(type), rowCount: row_count };
}

/** Undefined for a file that the job does not have. */
export async function readKeys(db: Tx, job: string, part: number): Promise<ExportKeys | undefined> {
  const [row] = await db.query<PartRow & { buckets: number[]; ids: string[]; versions: number[] }>(sql`
    select part, is_deleted, type, row_count, buckets, ids, versions from export_part
    where job = ${job}::uuid and part = ${part}`);
  if (row === undefined) return undefined;
  const { buckets, ids, versions } = row;
  return { type: typeName(row.type), isDeleted: row.is_deleted, buckets, ids, versions };
}

/** Puts keys behind those that are there: the last file of a type is filled before another is begun. */
export async function appendKeys(
  tx: Tx,
  job: string,
  keys: readonly ExportKey[],
  rowsMax = partRowsMax,
): Promise<void> {
  const open = await tx.query<PartRow>(sql`
    select distinct on (is_deleted, type) part, is_deleted, type, row_count from export_part where job = ${job}::uuid
    order by is_deleted, type, part desc`);
  const [last] = await tx.query<{ part: number | null }>(sql`
    select max(part) as part from export_part where job = ${job}::uuid`);
  let next = (last?.part ?? -1) + 1;
  const groups = Map.groupBy(keys, ({ type, isDeleted }) => `${String(isDeleted)}/${type}`);
  for (const group of groups.values()) {
    const [{ type, isDeleted }] = group as [ExportKey, ...ExportKey[]];
    const started = open.map(toPart).find((part) => part.type === type && part.isDeleted === isDeleted);
    const room = started === undefined ? 0 : Math.max(0, rowsMax - started.rowCount);
    if (started !== undefined && room > 0) await extendPart(tx, job, started.part, group.slice(0, room));
    for (let at = room; at < group.length; at += rowsMax) {
      await insertPart(tx, job, next++, group.slice(at, at + rowsMax));
    }
  }
}

async function extendPart(tx: Tx, job: string, part: number, keys: readonly ExportKey[]): Promise<void> {
  await tx.query(sql`
    update export_part set row_count = row_count + ${keys.length}, buckets = buckets || ${keys.map(({ bucket }) => bucket)}::int[],
      ids = ids || ${keys.map(({ id }) => id)}::text[], versions = versions || ${keys.map(({ version }) => version)}::int[]
    where job = ${job}::uuid and part = ${part}`);
}

async function insertPart(tx: Tx, job: string, part: number, keys: readonly ExportKey[]): Promise<void> {
  const [first] = keys as [ExportKey, ...ExportKey[]];
  await tx.query(sql`
    insert into export_part (job, part, is_deleted, type, row_count, buckets, ids, versions)
    values (${job}::uuid, ${part}, ${first.isDeleted}, ${typeCode(first.type)}, ${keys.length},
      ${keys.map(({ bucket }) => bucket)}::int[], ${keys.map(({ id }) => id)}::text[],
      ${keys.map(({ version }) => version)}::int[])`);
}
