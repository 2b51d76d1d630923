/**
 * The identifier index: people, organizations, places and devices by business identifier, wherever their bucket is.
 * Clinical resources are found by the `keys` index of their own row.
 */
import type { Tx } from '../db.ts';
import { raw, sql, type Sql } from '../db/sql.ts';
import { tokenHash } from '../fhir/hash.ts';
import { indexEntries } from '../fhir/params.ts';
import { typeCode, type AnyResource } from '../fhir/types.ts';
import { isInDirectory } from './place.ts';
import { toRow, type StoredRow } from './read.ts';
import type { Row } from './row.ts';
import type { Key } from './rows.ts';
import type { Visibility } from './visibility.ts';

/** Rows a look-up returns at most; an identifier that more rows share identifies nothing. */
const matchesMax = 100;

/** Rows of a directory type that carry the identifier now; without `system`, that value of any system. */
export async function findByIdentifier(
  db: Tx,
  visibility: Visibility,
  { type, system, value }: { type: string; system?: string; value: string },
): Promise<Row[]> {
  const hash = tokenHash('identifier', system, value);
  const rows = await db.query<StoredRow>(sql`
    select r.bucket, r.type, r.id, r.version, r.last_updated, r.is_deleted, r.owner, r.patient, r.other_patients, r.body,
      ${visibility.decidedBy('r')} as decided_by
    from identifier_index i
    join resource r on r.bucket = i.bucket and r.type = i.type and r.id = i.id
    where i.hash_bucket = ${bucketOfHash(hash)} and i.hash = ${String(hash)}::bigint and i.type = ${typeCode(type)}
      and not r.is_deleted and ${String(hash)}::bigint = any(r.tokens) and ${visibility.where('r')}
    order by r.bucket, r.id limit ${matchesMax}`);
  return rows.map(toRow);
}

/** A condition of a search: the row is listed under any of these identifiers. */
export function isIdentifiedBy(hashes: readonly bigint[], type: string, alias: string): Sql {
  const row = raw(alias);
  return sql`(${row}.bucket, ${row}.id) in (
    select i.bucket, i.id from identifier_index i
    where i.hash_bucket = any(${hashes.map(bucketOfHash)}::int[]) and i.hash = any(${hashes.map(String)}::bigint[])
      and i.type = ${typeCode(type)})`;
}

/** The hashes under which a resource is found; none for types outside the directory. */
export function identifierHashes(resource: AnyResource): bigint[] {
  if (!isInDirectory(resource.resourceType)) return [];
  const hashes = new Set<bigint>();
  for (const entry of indexEntries(resource)) {
    if (entry.kind !== 'token' || entry.param !== 'identifier' || entry.code === undefined) continue;
    hashes.add(tokenHash('identifier', entry.system ?? '', entry.code));
    hashes.add(tokenHash('identifier', undefined, entry.code));
  }
  return [...hashes];
}

export interface IdentifierRow {
  readonly key: Key;
  readonly hash: bigint;
}

export async function insertIdentifiers(tx: Tx, rows: readonly IdentifierRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(sql`
    insert into identifier_index (hash_bucket, hash, type, bucket, id)
    select * from unnest(${rows.map(({ hash }) => bucketOfHash(hash))}::int[], ${rows.map(({ hash }) => String(hash))}::bigint[],
      ${rows.map(({ key }) => typeCode(key.type))}::smallint[], ${rows.map(({ key }) => key.bucket)}::int[],
      ${rows.map(({ key }) => key.id)}::text[])
    on conflict do nothing`);
}

export async function deleteIdentifiers(tx: Tx, rows: readonly IdentifierRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(sql`
    delete from identifier_index i
    using unnest(${rows.map(({ hash }) => bucketOfHash(hash))}::int[], ${rows.map(({ hash }) => String(hash))}::bigint[],
      ${rows.map(({ key }) => typeCode(key.type))}::smallint[], ${rows.map(({ key }) => key.bucket)}::int[],
      ${rows.map(({ key }) => key.id)}::text[]) d (hash_bucket, hash, type, bucket, id)
    where i.hash_bucket = d.hash_bucket and i.hash = d.hash and i.type = d.type and i.bucket = d.bucket and i.id = d.id`);
}

/** 0..65535. */
export function bucketOfHash(hash: bigint): number {
  return Number(BigInt.asUintN(64, hash) >> 48n);
}
