/** The statements of a commit. Each takes any number of rows, so a batch costs as many statements as a single write. */
import type { Tx } from '../db.ts';
import { sql, textArray, type Sql } from '../db/sql.ts';
import { ownBucket } from '../fhir/ids.ts';
import { typeCode, typeName } from '../fhir/types.ts';
import { currentRevision } from './index-revision.ts';
import type { IndexColumns } from './params/columns.ts';
import { timestampOf } from './params/date.ts';
import type { PastVersion, State } from './version.ts';

export interface Key {
  readonly bucket: number;
  readonly type: string;
  readonly id: string;
}

interface StateRow {
  bucket: number;
  type: number;
  id: string;
  version: number;
  last_updated: Date;
  is_deleted: boolean;
  owner: string;
  patient: string | null;
  other_patients: string[] | null;
  labels: number;
  clinical_from: number | null;
  clinical_to: number | null;
  precedence: number;
  body: string;
}

/** Current states. Another transaction may change them until they are locked. */
export async function readRows(tx: Tx, keys: readonly Key[]): Promise<State[]> {
  if (keys.length === 0) return [];
  const rows = await tx.query<StateRow>(sql`
    select r.bucket, r.type, r.id, r.version, r.last_updated, r.is_deleted, r.owner, r.patient, r.other_patients, r.labels,
      extract(epoch from r.clinical_from)::float8 * 1000 as clinical_from,
      extract(epoch from r.clinical_to)::float8 * 1000 as clinical_to, r.precedence, r.body
    from resource r
    join ${keyed(keys)} on r.bucket = k.bucket and r.type = k.type and r.id = k.id`);
  return rows.map((row) => ({
    bucket: row.bucket,
    type: typeName(row.type),
    id: row.id,
    version: row.version,
    lastUpdated: row.last_updated,
    isDeleted: row.is_deleted,
    owner: row.owner,
    patient: row.patient ?? undefined,
    otherPatients: row.other_patients ?? [],
    labels: row.labels,
    clinicalFrom: row.clinical_from ?? undefined,
    clinicalTo: row.clinical_to ?? undefined,
    precedence: row.precedence,
    body: row.body,
  }));
}

/**
 * Keeps the rows as they are until the transaction ends; in one order for everybody, so that no two wait for each other.
 * @returns the rows with the versions they have now
 */
export async function lockRows(tx: Tx, keys: readonly Key[]): Promise<(Key & { version: number })[]> {
  if (keys.length === 0) return [];
  const rows = await tx.query<Pick<StateRow, 'bucket' | 'type' | 'id' | 'version'>>(sql`
    select r.bucket, r.type, r.id, r.version from resource r
    join ${keyed(keys)} on r.bucket = k.bucket and r.type = k.type and r.id = k.id
    order by r.bucket, r.type, r.id
    for update of r`);
  return rows.map((row) => ({ ...row, type: typeName(row.type) }));
}

/** A table `k (bucket, type, id)`. */
export function keyed(keys: readonly Key[]): Sql {
  return sql`unnest(${keys.map(({ bucket }) => bucket)}::int[], ${keys.map(({ type }) => typeCode(type))}::smallint[],
    ${keys.map(({ id }) => id)}::text[]) k (bucket, type, id)`;
}

/** Buckets of client-assigned ids, by `Type/id`. */
export async function readLocators(tx: Tx, keys: readonly Omit<Key, 'bucket'>[]): Promise<Map<string, number>> {
  if (keys.length === 0) return new Map();
  const rows = await tx.query<{ type: number; id: string; bucket: number }>(sql`
    select l.type, l.id, l.bucket from locator l
    join unnest(${keys.map(({ id }) => ownBucket(id))}::int[], ${keys.map(({ type }) => typeCode(type))}::smallint[],
      ${keys.map(({ id }) => id)}::text[]) k (bucket, type, id)
      on l.id_bucket = k.bucket and l.type = k.type and l.id = k.id`);
  return new Map(rows.map(({ type, id, bucket }) => [`${typeName(type)}/${id}`, bucket]));
}

export async function insertLocators(tx: Tx, keys: readonly Key[]): Promise<void> {
  if (keys.length === 0) return;
  const taken = await tx.query(sql`
    insert into locator (id_bucket, type, id, bucket)
    select * from unnest(${keys.map(({ id }) => ownBucket(id))}::int[], ${keys.map(({ type }) => typeCode(type))}::smallint[],
      ${keys.map(({ id }) => id)}::text[], ${keys.map(({ bucket }) => bucket)}::int[])
    on conflict do nothing returning id`);
  if (taken.length < keys.length) throw new ConcurrentWrite();
}

/** Owners of Patients that exist, by id. */
export async function readPatientOwners(tx: Tx, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await tx.query<{ id: string; owner: string }>(sql`
    select r.id, r.owner from resource r
    join ${keyed(ids.map((id) => ({ bucket: ownBucket(id), type: 'Patient', id })))}
      on r.bucket = k.bucket and r.type = k.type and r.id = k.id
    where not r.is_deleted`);
  return new Map(rows.map(({ id, owner }) => [id, owner]));
}

/**
 * Two transactions made the same row at the same time. PostgreSQL's own code for it, so that `inTransaction` tries again
 * and then finds the row of the other.
 */
export class ConcurrentWrite extends Error {
  readonly code = '40001';
  constructor() {
    super('another transaction created the same row');
  }
}

export interface IndexedState {
  readonly state: State;
  readonly columns: IndexColumns;
}

export async function insertRows(tx: Tx, rows: readonly IndexedState[]): Promise<void> {
  if (rows.length === 0) return;
  const a = arraysOf(rows);
  const bodies = joinTexts(rows.map(({ state }) => state.body));
  const inserted = await tx.query(sql`
    insert into resource (bucket, type, id, version, last_updated, is_deleted, owner, patient, other_patients, labels,
      clinical_from, clinical_to, precedence, date_low, date_high, tokens, keys, strings, range_keys, range_lows,
      range_highs, index_revision, body)
    select bucket, type, id, version, last_updated, is_deleted, owner, patient, other_patients::text[], labels,
      clinical_from, clinical_to, precedence, date_low, date_high, tokens::bigint[], keys::bigint[], strings::text[],
      range_keys::bigint[], range_lows::float8[], range_highs::float8[], ${currentRevision()}::int,
      convert_from(substring(${bodies.bytes}::bytea from start for length), 'UTF8')
    from unnest(${a.bucket}::int[], ${a.type}::smallint[], ${a.id}::text[], ${a.version}::int[],
      ${a.lastUpdated}::timestamptz[], ${a.isDeleted}::boolean[], ${a.owner}::text[], ${a.patient}::text[],
      ${a.otherPatients}::text[], ${a.labels}::int[], ${a.clinicalFrom}::timestamptz[], ${a.clinicalTo}::timestamptz[], ${a.precedence}::smallint[],
      ${a.dateLow}::timestamptz[], ${a.dateHigh}::timestamptz[], ${a.tokens}::text[], ${a.keys}::text[],
      ${a.strings}::text[], ${a.rangeKeys}::text[], ${a.rangeLows}::text[], ${a.rangeHighs}::text[],
      ${bodies.starts}::int[], ${bodies.lengths}::int[])
      as v (bucket, type, id, version, last_updated, is_deleted, owner, patient, other_patients, labels, clinical_from,
        clinical_to, precedence, date_low, date_high, tokens, keys, strings, range_keys, range_lows, range_highs, start,
        length)
    on conflict (bucket, type, id) do nothing
    returning 1 as one`);
  if (inserted.length < rows.length) throw new ConcurrentWrite();
}

/** The rows are locked: nothing came between. `bucket`, `owner` and `patient` never change. */
export async function updateRows(tx: Tx, rows: readonly IndexedState[]): Promise<void> {
  if (rows.length === 0) return;
  const a = arraysOf(rows);
  const bodies = joinTexts(rows.map(({ state }) => state.body));
  await tx.query(sql`
    update resource r set version = v.version, last_updated = v.last_updated, is_deleted = v.is_deleted,
      other_patients = v.other_patients::text[], labels = v.labels, clinical_from = v.clinical_from,
      clinical_to = v.clinical_to, precedence = v.precedence, date_low = v.date_low, date_high = v.date_high,
      tokens = v.tokens::bigint[], keys = v.keys::bigint[], strings = v.strings::text[],
      range_keys = v.range_keys::bigint[], range_lows = v.range_lows::float8[], range_highs = v.range_highs::float8[],
      index_revision = ${currentRevision()}::int,
      body = convert_from(substring(${bodies.bytes}::bytea from v.start for v.length), 'UTF8')
    from unnest(${a.bucket}::int[], ${a.type}::smallint[], ${a.id}::text[], ${a.version}::int[],
      ${a.lastUpdated}::timestamptz[], ${a.isDeleted}::boolean[], ${a.otherPatients}::text[], ${a.labels}::int[],
      ${a.clinicalFrom}::timestamptz[], ${a.clinicalTo}::timestamptz[], ${a.precedence}::smallint[], ${a.dateLow}::timestamptz[],
      ${a.dateHigh}::timestamptz[], ${a.tokens}::text[], ${a.keys}::text[], ${a.strings}::text[],
      ${a.rangeKeys}::text[], ${a.rangeLows}::text[], ${a.rangeHighs}::text[], ${bodies.starts}::int[],
      ${bodies.lengths}::int[])
      as v (bucket, type, id, version, last_updated, is_deleted, other_patients, labels, clinical_from, clinical_to,
        precedence, date_low, date_high, tokens, keys, strings, range_keys, range_lows, range_highs, start, length)
    where r.bucket = v.bucket and r.type = v.type and r.id = v.id`);
}

/** New index columns for rows that stay as they are; they are locked. */
export async function updateIndex(
  tx: Tx,
  rows: readonly { readonly key: Key; readonly columns: IndexColumns }[],
  revision: number,
): Promise<void> {
  if (rows.length === 0) return;
  const a = indexArraysOf(rows.map(({ columns }) => columns));
  await tx.query(sql`
    update resource r set date_low = v.date_low, date_high = v.date_high, tokens = v.tokens::bigint[],
      keys = v.keys::bigint[], strings = v.strings::text[], range_keys = v.range_keys::bigint[],
      range_lows = v.range_lows::float8[], range_highs = v.range_highs::float8[], index_revision = ${revision}::int
    from unnest(${rows.map(({ key }) => key.bucket)}::int[], ${rows.map(({ key }) => typeCode(key.type))}::smallint[],
      ${rows.map(({ key }) => key.id)}::text[], ${a.dateLow}::timestamptz[], ${a.dateHigh}::timestamptz[],
      ${a.tokens}::text[], ${a.keys}::text[], ${a.strings}::text[], ${a.rangeKeys}::text[], ${a.rangeLows}::text[],
      ${a.rangeHighs}::text[])
      as v (bucket, type, id, date_low, date_high, tokens, keys, strings, range_keys, range_lows, range_highs)
    where r.bucket = v.bucket and r.type = v.type and r.id = v.id`);
}

export async function insertHistory(
  tx: Tx,
  rows: readonly (PastVersion & { readonly owner: string })[],
): Promise<void> {
  if (rows.length === 0) return;
  await tx.query(sql`
    insert into resource_history (bucket, type, id, version, last_updated, is_deleted, body, owner)
    select * from unnest(${rows.map(({ bucket }) => bucket)}::int[], ${rows.map(({ type }) => typeCode(type))}::smallint[],
      ${rows.map(({ id }) => id)}::text[], ${rows.map(({ version }) => version)}::int[],
      ${rows.map(({ lastUpdated }) => lastUpdated.toISOString())}::timestamptz[],
      ${rows.map(({ isDeleted }) => isDeleted)}::boolean[], ${rows.map(({ body }) => body)}::text[],
      ${rows.map(({ owner }) => owner)}::text[])`);
}

/** Older states of these rows, the latest first: a late state that is already among them is not kept twice. */
export async function readPast(tx: Tx, keys: readonly Key[]): Promise<PastVersion[]> {
  if (keys.length === 0) return [];
  const rows = await tx.query<StateRow>(sql`
    select h.bucket, h.type, h.id, h.version, h.last_updated, h.is_deleted, h.body
    from ${keyed(keys)}
    cross join lateral (
      select * from resource_history h where h.bucket = k.bucket and h.type = k.type and h.id = k.id
      order by h.version desc limit ${pastVersionsMax}) h`);
  return rows.map((row) => ({
    bucket: row.bucket,
    type: typeName(row.type),
    id: row.id,
    version: row.version,
    lastUpdated: row.last_updated,
    isDeleted: row.is_deleted,
    body: row.body,
  }));
}
/** A result has a handful of states; a row with more is searched no further and keeps a repeated late one twice. */
const pastVersionsMax = 50;

/** Read by feeds/outbox.ts. */
export async function insertOutbox(tx: Tx, versions: readonly (Key & { version: number })[], at: Date): Promise<void> {
  if (versions.length === 0) return;
  await tx.query(sql`
    insert into outbox (committed_at, buckets, types, ids, versions)
    values (${at.toISOString()}::timestamptz, ${versions.map(({ bucket }) => bucket)}::int[],
      ${versions.map(({ type }) => typeCode(type))}::smallint[], ${versions.map(({ id }) => id)}::text[],
      ${versions.map(({ version }) => version)}::int[])`);
}

/** One array a column, as `unnest` takes them; columns that are arrays themselves travel as text. */
function arraysOf(rows: readonly IndexedState[]) {
  const ofState = <T>(pick: (state: State) => T): T[] => rows.map(({ state }) => pick(state));
  return {
    bucket: ofState(({ bucket }) => bucket),
    type: ofState(({ type }) => typeCode(type)),
    id: ofState(({ id }) => id),
    version: ofState(({ version }) => version),
    lastUpdated: ofState(({ lastUpdated }) => lastUpdated.toISOString()),
    isDeleted: ofState(({ isDeleted }) => isDeleted),
    owner: ofState(({ owner }) => owner),
    patient: ofState(({ patient }) => patient ?? null),
    otherPatients: ofState(({ otherPatients }) => textArrayOrNull(otherPatients)),
    labels: ofState(({ labels }) => labels),
    clinicalFrom: ofState(({ clinicalFrom }) => timestamp(clinicalFrom)),
    clinicalTo: ofState(({ clinicalTo }) => timestamp(clinicalTo)),
    precedence: ofState(({ precedence }) => precedence),
    ...indexArraysOf(rows.map(({ columns }) => columns)),
  };
}

function indexArraysOf(all: readonly IndexColumns[]) {
  const ofIndex = <T>(pick: (columns: IndexColumns) => T): T[] => all.map(pick);
  return {
    dateLow: ofIndex(({ dateLow }) => timestampOf(dateLow)),
    dateHigh: ofIndex(({ dateHigh }) => timestamp(dateHigh)),
    tokens: ofIndex(({ tokens }) => `{${[...tokens].join(',')}}`),
    keys: ofIndex(({ keys }) => numberArray([...keys])),
    strings: ofIndex(({ strings }) => textArrayOrNull([...strings])),
    rangeKeys: ofIndex(({ rangeKeys }) => numberArray(rangeKeys)),
    rangeLows: ofIndex(({ rangeLows }) => numberArray(rangeLows)),
    rangeHighs: ofIndex(({ rangeHighs }) => numberArray(rangeHighs)),
  };
}

function timestamp(ms: number | undefined): string | null {
  return ms === undefined ? null : timestampOf(ms);
}

/**
 * Texts as one binary parameter, which the statement cuts apart. An array of JSON texts would escape each of their quotes
 * here, and take them away again there.
 */
function joinTexts(texts: readonly string[]): { bytes: Buffer; starts: number[]; lengths: number[] } {
  const parts = texts.map((text) => Buffer.from(text));
  const lengths = parts.map((part) => part.length);
  let offset = 1;
  return { bytes: Buffer.concat(parts), starts: lengths.map((length) => (offset += length) - length), lengths };
}

function numberArray(values: readonly (number | bigint)[]): string | null {
  return values.length === 0 ? null : `{${values.join(',')}}`;
}

function textArrayOrNull(values: readonly string[]): string | null {
  return values.length === 0 ? null : textArray(values);
}
