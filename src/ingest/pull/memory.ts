/**
 * What the hub remembers of a source: for each of its resources the state that was taken last. A page is compared with it, so that
 * overlapping windows, full passes and a second way to the same server bring each state in once.
 */
import { hash } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import type { Source } from '../../fhir/ids.ts';
import { parseJson } from '../../fhir/json.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import type { Pulled } from '../contract.ts';

/** A resource as it was taken last. */
export interface Remembered {
  readonly type: string;
  readonly id: string;
  readonly version: string | undefined;
  readonly updatedAt: Date | undefined;
  /** Of its content, see {@link digestOf}; of what is gone, of the content it had. */
  readonly digest: string;
  readonly isDeleted: boolean;
  /** In which its states are processed one after the other: the one that its first state was put in, for good. */
  readonly lane: number;
  /** How often it was received. */
  readonly received: number;
}

/** What is new of a page, in its order, and what is to be remembered after it. */
export interface Compared {
  readonly received: readonly { readonly pulled: Pulled; readonly memory: Remembered }[];
  readonly remembered: readonly Remembered[];
}

const keyOf = ({ type, id }: { readonly type: string; readonly id: string }): string => `${type}/${id}`;

/**
 * Pure. A page may hold several states of one resource, as a history does.
 * @param laneOf for what is not known yet
 */
export function comparePage(
  page: readonly Pulled[],
  known: readonly Remembered[],
  laneOf: (pulled: Pulled) => number,
): Compared {
  const memory = new Map(known.map((one) => [keyOf(one), one]));
  const changed = new Map<string, Remembered>();
  const received: { pulled: Pulled; memory: Remembered }[] = [];
  for (const pulled of page) {
    const before = memory.get(keyOf(pulled));
    if (before !== undefined && isOlder(pulled, before)) continue;
    const next = stateOf(pulled, before, before?.lane ?? laneOf(pulled));
    const isNews = isNew(next, before);
    // What says nothing new may still be later: what is older than that is left out from now on.
    const after = { ...next, received: (before?.received ?? 0) + (isNews ? 1 : 0) };
    if (!isNews && before !== undefined && !isOlder(before, after)) continue;
    memory.set(keyOf(pulled), after);
    changed.set(keyOf(pulled), after);
    if (isNews) received.push({ pulled, memory: after });
  }
  return { received, remembered: [...changed.values()] };
}

function stateOf(pulled: Pulled, before: Remembered | undefined, lane: number): Remembered {
  const { type, id, version, updatedAt, isDeleted = false, bytes } = pulled;
  const digest = isDeleted ? (before?.digest ?? digestOf(bytes)) : digestOf(bytes);
  return { type, id, version, updatedAt, digest, isDeleted, lane, received: before?.received ?? 0 };
}

function isNew(next: Remembered, before: Remembered | undefined): boolean {
  // A source may take back what the hub never heard of.
  if (before === undefined) return !next.isDeleted;
  if (next.isDeleted !== before.isDeleted) return true;
  if (next.isDeleted || next.digest === before.digest) return false;
  // A version that is written down in another way: two servers of one source order elements differently. After a restore from a
  // backup a version may come again with other content: then its time is another.
  const isSameVersion = next.version !== undefined && next.version === before.version;
  return !(isSameVersion && (next.updatedAt === undefined || timeOf(next) === timeOf(before)));
}

const timeOf = ({ updatedAt }: Remembered): number | undefined => updatedAt?.getTime();

/**
 * Time and version must both say so: the source's clock may have been set back, then its versions still grow; or it was restored from a
 * backup, then versions begin again and time goes on.
 */
function isOlder(one: Pick<Pulled, 'version' | 'updatedAt'>, than: Pick<Pulled, 'version' | 'updatedAt'>): boolean {
  if (one.updatedAt === undefined || than.updatedAt === undefined || one.updatedAt >= than.updatedAt) return false;
  return !isGreater(one.version, than.version);
}

/** Versions that are numbers can be compared; of others nothing is known. */
function isGreater(version: string | undefined, than: string | undefined): boolean {
  if (version === undefined || than === undefined || !numeric.test(version) || !numeric.test(than)) return false;
  return Number(version) > Number(than);
}
const numeric = /^\d{1,15}$/;

/**
 * SHA-256, hex, of the content: without `meta.versionId` and `meta.lastUpdated`, which some servers make anew each time they are asked.
 * What is no JSON is compared by its bytes; that it is none is found out when it is converted.
 */
function digestOf(bytes: Uint8Array): string {
  return hash('sha256', contentOf(bytes) ?? bytes, 'hex');
}

function contentOf(bytes: Uint8Array): string | undefined {
  try {
    const resource = parseJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as AnyResource;
    const { versionId: _version, lastUpdated: _at, ...meta } = resource.meta ?? {};
    return JSON.stringify({ ...resource, meta });
  } catch {
    return undefined;
  }
}

/** Registers it at the first time. */
export async function findSource(db: Tx, { organization, base }: Source): Promise<number> {
  const found = await db.query<{ id: number }>(sql`
    select id from pull_source where organization = ${organization} and base = ${base}`);
  if (found[0] !== undefined) return found[0].id;
  const rows = await db.query<{ id: number }>(sql`
    insert into pull_source (organization, base) values (${organization}, ${base})
    on conflict (organization, base) do update set base = excluded.base
    returning id`);
  if (rows[0] === undefined) throw new Problem('exception', 'the source could not be registered');
  return rows[0].id;
}

/** Two endpoints of one source take in turns: what one compares with, the other must not be changing. */
export async function lockSource(tx: Tx, source: number): Promise<void> {
  await tx.query(sql`select id from pull_source where id = ${source} for no key update`);
}

interface MemoryRow {
  type: string;
  id: string;
  version: string | null;
  updated_at: Date | null;
  digest: string;
  is_deleted: boolean;
  lane_key: number;
  received: number;
}

/** Of a page, what is new now; another endpoint of the source may take it meanwhile. */
export async function readNews(db: Tx, source: number, page: readonly Pulled[]): Promise<readonly Pulled[]> {
  if (page.length === 0) return [];
  return comparePage(page, await readMemory(db, source, page), () => 0).received.map(({ pulled }) => pulled);
}

export async function readHeld(
  db: Tx,
  source: number,
  type: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  if (ids.length === 0) return new Set();
  const rows = await db.query<{ id: string }>(sql`
    select id from source_resource
    where source = ${source} and type = ${type} and id = any(${textArray(ids)}::text[]) and not is_deleted`);
  return new Set(rows.map(({ id }) => id));
}

export async function readMemory(
  tx: Tx,
  source: number,
  page: readonly Pick<Pulled, 'type' | 'id'>[],
): Promise<Remembered[]> {
  const distinct = [...new Map(page.map((one) => [keyOf(one), one])).values()];
  const rows = await tx.query<MemoryRow>(sql`
    select r.type, r.id, r.version, r.updated_at, encode(r.digest, 'hex') as digest, r.is_deleted, r.lane_key,
      r.received
    from unnest(${textArray(distinct.map(({ type }) => type))}::text[], ${textArray(distinct.map(({ id }) => id))}::text[])
      as k (type, id)
    join source_resource r on r.source = ${source} and r.type = k.type and r.id = k.id`);
  return rows.map((row) => ({
    type: row.type,
    id: row.id,
    version: row.version ?? undefined,
    updatedAt: row.updated_at ?? undefined,
    digest: row.digest,
    isDeleted: row.is_deleted,
    lane: row.lane_key,
    received: row.received,
  }));
}

export async function writeMemory(tx: Tx, source: number, remembered: readonly Remembered[]): Promise<void> {
  if (remembered.length === 0) return;
  await tx.query(sql`
    insert into source_resource (source, type, id, version, updated_at, digest, is_deleted, lane_key, received)
    select ${source}, i.type, i.id, i.version, i.updated_at, decode(i.digest, 'hex'), i.is_deleted, i.lane_key, i.received
    from unnest(
      ${textArray(remembered.map(({ type }) => type))}::text[],
      ${textArray(remembered.map(({ id }) => id))}::text[],
      ${remembered.map(({ version }) => version ?? null)}::text[],
      ${remembered.map(({ updatedAt }) => updatedAt?.toISOString() ?? null)}::timestamptz[],
      ${remembered.map(({ digest }) => digest)}::text[],
      ${remembered.map(({ isDeleted }) => isDeleted)}::boolean[],
      ${remembered.map(({ lane }) => lane)}::bigint[],
      ${remembered.map(({ received }) => received)}::int[]
    ) as i (type, id, version, updated_at, digest, is_deleted, lane_key, received)
    on conflict (source, type, id) do update set version = excluded.version, updated_at = excluded.updated_at,
      digest = excluded.digest, is_deleted = excluded.is_deleted, received = excluded.received`);
}

/** Read in parts: a source may have millions. */
const knownPart = 1_000;

/** What a source is known to have of a type now, by id. */
export async function* readKnown(
  db: Tx,
  source: number,
  type: string,
): AsyncGenerator<{ readonly id: string; readonly version?: string }> {
  let after = '';
  for (;;) {
    const rows = await db.query<{ id: string; version: string | null }>(sql`
      select id, version from source_resource
      where source = ${source} and type = ${type} and id > ${after} and not is_deleted
      order by id limit ${knownPart}`);
    for (const { id, version } of rows) yield version === null ? { id } : { id, version };
    const last = rows.at(-1);
    if (last === undefined || rows.length < knownPart) return;
    after = last.id;
  }
}
