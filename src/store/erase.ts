/**
 * Rows of a record go for good: current state, history, index, identifiers, locators, and the content of documents. A few at a time, so
 * that nothing waits for it and whoever is killed in the middle is followed by who goes on: what is left is what is left to do.
 *
 * What stays are the Tasks that ask receivers to delete their copies, which say nothing of the record.
 */
import type { Tx } from '../db.ts';
import { raw, sql, textArray, type Sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';
import { parseJson } from '../fhir/json.ts';
import { typeCode, typeName, type AnyResource } from '../fhir/types.ts';
import { deleteIdentifiers, identifierHashes } from './identifier.ts';
import { keyHash } from './params/columns.ts';
import { keyed, type Key } from './rows.ts';
import type { Visibility } from './visibility.ts';

/** Of one transaction: some tens of milliseconds. */
const batchRows = 200;
/** Characters of bodies held at once; a single larger row is a batch of its own. */
const batchCharsMax = 8_000_000;

interface ErasedRow {
  bucket: number;
  type: number;
  id: string;
  owner: string;
  body: string;
  is_deleted: boolean;
}

const patientType = typeCode('Patient') as number;
const binaryType = typeCode('Binary') as number;
const documentType = typeCode('DocumentReference') as number;
const provenanceType = typeCode('Provenance') as number;

/**
 * The next rows of these patients' records, their Patients first: nothing can refer to them from then on.
 * @param spares rows that stay, over the alias `r`
 * @returns how many went; 0: nothing is left
 */
export async function eraseRows(
  tx: Tx,
  visibility: Visibility,
  patients: readonly string[],
  spares: (alias: string) => Sql,
): Promise<number> {
  const rows = await tx.query<ErasedRow>(sql`
    select bucket, type, id, owner, body, is_deleted from (
      select r.bucket, r.type, r.id, r.owner, r.body, r.is_deleted, row_number() over w as place, sum(length(r.body)) over w as chars
      from unnest(${patients.map(ownBucket)}::int[], ${textArray(patients)}::text[]) p (bucket, id)
      join resource r on r.bucket = p.bucket and r.patient = p.id
      where ${visibility.where('r')} and not ${spares('r')}
      window w as (order by r.type = ${patientType} desc, r.bucket, r.type, r.id)
      order by r.type = ${patientType} desc, r.bucket, r.type, r.id limit ${batchRows}) page
    where place = 1 or chars <= ${batchCharsMax}
    order by bucket, type, id`);
  if (rows.length === 0) return 0;
  const content = [...(await readContents(tx, visibility, rows)), ...(await readProvenance(tx, visibility, rows))];
  await deleteRows(tx, [...rows, ...content]);
  return rows.length + content.length;
}

async function deleteRows(tx: Tx, rows: readonly ErasedRow[]): Promise<void> {
  await deleteIdentifiers(
    tx,
    rows
      .filter(({ is_deleted: isDeleted }) => !isDeleted)
      .flatMap((row) =>
        identifierHashes(parseJson(row.body) as AnyResource).map((hash) => ({ key: keyOf(row), hash })),
      ),
  );
  await eraseKeys(tx, rows.map(keyOf));
}

/** Rows of types outside of the directory, whose identifiers nothing but the row itself has. */
export async function eraseKeys(tx: Tx, keys: readonly Key[]): Promise<void> {
  const at = raw('r.bucket = k.bucket and r.type = k.type and r.id = k.id');
  await tx.query(sql`delete from resource_history r using ${keyed(keys)} where ${at}`);
  await tx.query(sql`
    delete from locator l using ${keyed(keys.map((key) => ({ ...key, bucket: ownBucket(key.id) })))}
    where l.id_bucket = k.bucket and l.type = k.type and l.id = k.id`);
  await tx.query(sql`delete from resource r using ${keyed(keys)} where ${at}`);
}

const keyOf = ({ bucket, type, id }: ErasedRow): Key => ({ bucket, type: typeName(type), id });

const binaryUrl = /\bBinary\/([A-Za-z0-9\-.]{1,64})/g;

/** Binaries that any version of these rows names, unless they are the content of somebody else's document. */
async function readContents(tx: Tx, visibility: Visibility, rows: readonly ErasedRow[]): Promise<ErasedRow[]> {
  const past = await tx.query<{ bucket: number; type: number; id: string; body: string }>(sql`
    select r.bucket, r.type, r.id, r.body from resource_history r join ${keyed(rows.map(keyOf))}
      on r.bucket = k.bucket and r.type = k.type and r.id = k.id
    where r.body like '%Binary/%'`);
  const owners = new Map(rows.map((row) => [nameOf(row), row.owner]));
  const named = [...rows, ...past].flatMap((row) =>
    Array.from(row.body.matchAll(binaryUrl), ([, id = '']) => ({ id, owner: owners.get(nameOf(row)) ?? '' })),
  );
  if (named.length === 0) return [];
  const documents = rows.filter(({ type }) => type === documentType).map(({ id }) => `DocumentReference/${id}`);
  return tx.query<ErasedRow>(sql`
    select distinct r.bucket, r.type, r.id, r.owner, r.body, r.is_deleted
    from unnest(${textArray(named.map(({ id }) => id))}::text[], ${textArray(named.map(({ owner }) => owner))}::text[]) n (id, owner)
    join resource r on r.id = n.id and r.type = ${binaryType} and r.owner = n.owner
      and r.bucket in (${among(
        named.map(({ id }) => id),
        rows,
      )})
    where ${visibility.where('r')}
      and (r.is_deleted or coalesce(r.body::jsonb #>> '{securityContext,reference}', '') = any(${textArray(['', ...documents])}::text[]))`);
}

const nameOf = ({ bucket, type, id }: { bucket: number; type: number; id: string }): string =>
  `${bucket}/${type}/${id}`;

/** Where a Binary may live: with its document, or by its own id. */
function among(ids: readonly string[], rows: readonly ErasedRow[]): Sql {
  const buckets = [...new Set([...ids.map(ownBucket), ...rows.map(({ bucket }) => bucket)])];
  return sql`select unnest(${buckets}::int[])`;
}

/** Who made these rows what they are, where that is in no record of its own. */
function readProvenance(tx: Tx, visibility: Visibility, rows: readonly ErasedRow[]): Promise<ErasedRow[]> {
  const targets = rows.map(({ type, id }) => String(keyHash('reference', 'target', `${typeName(type)}/${id}`)));
  return tx.query<ErasedRow>(sql`
    select r.bucket, r.type, r.id, r.owner, r.body, r.is_deleted from resource r
    where r.keys && ${`{${targets.join(',')}}`}::bigint[] and r.type = ${provenanceType} and r.patient is null
      and ${visibility.where('r')}`);
}

/** How many rows the records of these patients have. */
export async function countRecords(tx: Tx, visibility: Visibility, patients: readonly string[]): Promise<number> {
  const [row] = await tx.query<{ count: number }>(sql`
    select count(*)::int as count
    from unnest(${patients.map(ownBucket)}::int[], ${textArray(patients)}::text[]) p (bucket, id)
    join resource r on r.bucket = p.bucket and r.patient = p.id
    where not r.is_deleted and ${visibility.where('r')}`);
  return row?.count ?? 0;
}
