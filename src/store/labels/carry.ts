/**
 * Labels carried across rows: a document is as sensitive as what it is made of (fhir/sensitivity/carry.ts), whichever of the two
 * is written first. What a commit writes takes the labels of what it refers to; what gets labels passes them on to the rows
 * that refer to it, in place: R4 lets labels change without a version (resource-definitions.html#Meta.security).
 *
 * Within one owner alone: the label of another's row would tell what it holds.
 *
 * Whoever gives a row labels and whoever refers to it must not miss each other: the one locks the row's compartment alone, the
 * other shared, before they look. Few do either; a commit without labels and without such references asks nothing.
 */
import type { Tx } from '../../db.ts';
import { raw, sql } from '../../db/sql.ts';
import { patientCompartment } from '../../fhir/definitions.ts';
import { ownBucket } from '../../fhir/ids.ts';
import { parseJson } from '../../fhir/json.ts';
import { carriedReferences, carrierTypes } from '../../fhir/sensitivity/carry.ts';
import { markedLabels, withLabels } from '../../fhir/sensitivity/mark.ts';
import { typeCode, typeName, type AnyResource } from '../../fhir/types.ts';
import { writeBody } from '../body.ts';
import { indexColumns } from '../index-columns.ts';
import { keyHash } from '../params/columns.ts';
import { lockRows, readRows, updateRows, type Key } from '../rows.ts';
import { everything } from '../visibility.ts';
import type { State } from '../version.ts';

/** A row as a commit is about to write it. */
export interface Labelled {
  readonly state: State;
  readonly resource: AnyResource;
  /** `Type/id` of what it carries the labels of. */
  readonly references: readonly string[];
  /** Labels it did not have before. */
  readonly grown: number;
  /** Its id was made by this commit: no other row refers to it. */
  readonly isUnheardOf: boolean;
}

/** `Type/id` -> labels and owner of rows beside this commit that are referred to. */
export type Others = ReadonlyMap<string, Pick<State, 'labels' | 'owner' | 'patient'>>;

export const nameOf = ({ type, id }: { type: string; id: string }): string => `${type}/${id}`;

/**
 * Locks what must stand still and reads the labels of what is referred to beside the commit. Before rows are locked: two that
 * wait for each other's rows and compartments would wait for ever.
 */
export async function readCarried(tx: Tx, rows: readonly Labelled[]): Promise<Others> {
  const own = new Set(rows.map(({ state }) => nameOf(state)));
  const alone = rows.filter(({ grown, isUnheardOf }) => grown !== 0 && !isUnheardOf).map(({ state }) => keyOf(state));
  const shared: number[] = [];
  const wanted = new Set<string>();
  for (const { state, references } of rows) {
    for (const name of references) {
      if (own.has(name)) continue;
      wanted.add(name);
      shared.push(isInCompartment(typeOf(name)) ? state.bucket : elsewhere);
    }
  }
  if (wanted.size === 0 && alone.length === 0) return new Map();
  // One connection runs them in this order: what is read is read after the locks are held.
  const [, , others] = await Promise.all([
    lock(tx, 'pg_advisory_xact_lock', alone),
    lock(tx, 'pg_advisory_xact_lock_shared', shared),
    readOthers(tx, [...wanted]),
  ]);
  return others;
}

/** All rows outside of compartments (a Medication) share one lock: they hardly ever change. */
const elsewhere = -1;
/** Any fixed number: tells these locks from others. */
const lockClass = 7_242_028;

function keyOf({ patient, bucket }: Pick<State, 'patient' | 'bucket'>): number {
  return patient === undefined ? elsewhere : bucket;
}

function typeOf(name: string): string {
  return name.slice(0, name.indexOf('/'));
}

function isInCompartment(type: string): boolean {
  return type in patientCompartment();
}

/** Nobody refers anew to one of these rows while they get other labels. */
export async function lockCompartments(tx: Tx, states: readonly State[]): Promise<void> {
  await lock(tx, 'pg_advisory_xact_lock', states.map(keyOf));
}

async function lock(tx: Tx, name: string, keys: readonly number[]): Promise<void> {
  if (keys.length === 0) return;
  const distinct = [...new Set(keys)].sort((a, b) => a - b);
  await tx.query(sql`select ${raw(name)}(${raw(String(lockClass))}, k) from unnest(${distinct}::int[]) k`);
}

export async function readOthers(tx: Tx, names: readonly string[]): Promise<Others> {
  if (names.length === 0) return new Map();
  const wanted = names.map((name) => {
    const type = typeOf(name);
    return { type, id: name.slice(type.length + 1) };
  });
  const own = wanted.map(({ id }) => ownBucket(id));
  const rows = await tx.query<{ type: number; id: string; labels: number; owner: string; patient: string | null }>(sql`
    select r.type, r.id, r.labels, r.owner, r.patient
    from unnest(${own}::int[], ${wanted.map(({ type }) => typeCode(type))}::smallint[],
      ${wanted.map(({ id }) => id)}::text[]) k (bucket, type, id)
    left join locator l on l.id_bucket = k.bucket and l.type = k.type and l.id = k.id
    join resource r on r.bucket = coalesce(l.bucket, k.bucket) and r.type = k.type and r.id = k.id
    where r.labels <> 0 and ${visible}`);
  return new Map(
    rows.map(({ type, id, labels, owner, patient }) => [
      `${typeName(type)}/${id}`,
      { labels, owner, patient: patient ?? undefined },
    ]),
  );
}
const visible = everything('labels').where('r');

/**
 * The rows with the labels of what they refer to, of each other too.
 * @returns those that got any
 */
export function carryLabels(rows: readonly Labelled[], others: Others): Labelled[] {
  if (others.size === 0 && rows.every(({ state }) => state.labels === 0)) return [];
  const own = new Map(rows.map((row) => [nameOf(row.state), row]));
  const changed = new Map<string, Labelled>();
  // Rows that refer to each other in a ring settle as well: labels only grow.
  for (let isSettled = false; !isSettled;) {
    isSettled = true;
    for (const [name, row] of own) {
      const bits = row.references.reduce((all, target) => {
        const other = own.get(target)?.state ?? others.get(target);
        return other === undefined || !isOfOneRecord(row.state, other) ? all : all | other.labels;
      }, 0);
      if ((bits & ~row.state.labels) === 0) continue;
      const carrying = addLabels(row, bits);
      own.set(name, carrying);
      changed.set(name, carrying);
      isSettled = false;
    }
  }
  return [...changed.values()];
}

export function isOfOneRecord(one: Pick<State, 'owner' | 'patient'>, other: Pick<State, 'owner' | 'patient'>): boolean {
  const isOfOnePatient = one.patient === undefined || other.patient === undefined || one.patient === other.patient;
  return one.owner === other.owner && isOfOnePatient;
}

function addLabels({ state, resource, references, grown, isUnheardOf }: Labelled, bits: number): Labelled {
  const carrying = withLabels(resource, markedLabels(resource) | bits);
  const { id, version, lastUpdated, labels } = state;
  return {
    state: { ...state, labels: labels | bits, body: writeBody(carrying, id, version, lastUpdated) },
    resource: carrying,
    references,
    grown: grown | (bits & ~labels),
    isUnheardOf,
  };
}

/** References lead from documents to results, from claims to diagnoses; longer chains than this are not followed. */
export const stepsMax = 8;

/** Rows beside the commit take the labels that rows of it got, and pass them on. */
export async function pushLabels(tx: Tx, rows: readonly Labelled[]): Promise<void> {
  let grown = rows.filter((row) => row.grown !== 0 && !row.isUnheardOf);
  for (let step = 0; grown.length > 0 && step < stepsMax; step++) {
    await lockCompartments(
      tx,
      grown.map(({ state }) => state),
    );
    const keys = await findReferrers(tx, grown);
    await lockRows(tx, keys);
    const referrers = (await readRows(tx, keys)).filter(({ isDeleted }) => !isDeleted);
    const sources: Others = new Map(grown.map(({ state }) => [nameOf(state), state]));
    const next = carryLabels(
      referrers.map((state) => {
        const resource = parseJson(state.body) as AnyResource;
        return { state, resource, references: carriedReferences(resource), grown: 0, isUnheardOf: false };
      }),
      sources,
    );
    await updateRows(
      tx,
      next.map(({ state, resource }) => ({ state, columns: indexColumns(resource) })),
    );
    grown = next;
  }
}

/** A row whose labels changed. */
export interface Changed {
  readonly state: State;
  readonly resource: AnyResource;
  /** Labels it has no more. */
  readonly lost?: number;
}

/**
 * Rows that name one of these and lack its labels, or have those that it lost. A text that names it is a guess: the resource
 * itself has the say.
 */
export async function findReferrers(tx: Tx, grown: readonly Changed[]): Promise<Key[]> {
  if (grown.length === 0) return [];
  const ofRecords = grown.filter(({ state }) => state.patient !== undefined);
  const found = await Promise.all([
    findInRecords(tx, ofRecords),
    findByKey(
      tx,
      grown.filter(({ state }) => state.patient === undefined),
    ),
  ]);
  const contents = ofRecords.flatMap(({ state: { bucket }, resource }) =>
    attachedBinaries(resource).map((id) => ({ bucket, type: 'Binary', id })),
  );
  const keys = [...found.flat(), ...contents];
  return [...new Map(keys.map((key) => [nameOf(key), key])).values()];
}

interface KeyRow {
  readonly bucket: number;
  readonly type: number;
  readonly id: string;
}
const toKey = ({ bucket, type, id }: KeyRow): Key => ({ bucket, type: typeName(type), id });
const carriers = carrierTypes.map((type) => typeCode(type));

/** A record is some hundreds of rows, walked by its btree; only who gives a label pays for it. */
async function findInRecords(tx: Tx, grown: readonly Changed[]): Promise<Key[]> {
  if (grown.length === 0) return [];
  const rows = await tx.query<KeyRow>(sql`
    with source as (
      select * from unnest(${grown.map(({ state }) => state.bucket)}::int[],
        ${grown.map(({ state }) => state.patient)}::text[], ${grown.map(({ state }) => state.owner)}::text[],
        ${grown.map(({ state }) => `"${nameOf(state)}`)}::text[], ${grown.map(({ state }) => state.labels)}::int[],
        ${grown.map(({ lost = 0 }) => lost)}::int[])
        s (bucket, patient, owner, name, labels, lost))
    select r.bucket, r.type, r.id
    from (select distinct bucket, patient, owner from source) of
    join resource r on r.bucket = of.bucket and r.patient = of.patient and r.owner = of.owner
    where r.type = any(${carriers}::smallint[]) and not r.is_deleted and ${visible}
      and exists (select from source s where s.patient = r.patient and s.owner = r.owner
        and (s.labels & ~r.labels <> 0 or s.lost & r.labels <> 0) and position(s.name in r.body) > 0)`);
  return rows.map(toKey);
}

/** What is of nobody's record is a drug: the rows that name it are found across records. */
async function findByKey(tx: Tx, grown: readonly Changed[]): Promise<Key[]> {
  const drugs = grown.filter(({ state }) => state.type === 'Medication');
  if (drugs.length === 0) return [];
  const hashes = drugs.map(({ state }) => keyHash('reference', 'medication', nameOf(state)));
  const rows = await tx.query<KeyRow>(sql`
    select r.bucket, r.type, r.id from resource r
    where r.keys && ${`{${hashes.join(',')}}`}::bigint[] and not r.is_deleted and ${visible}`);
  return rows.map(toKey);
}

/** Ids of Binaries that hold the content of a document. @see https://hl7.org/fhir/R4/documentreference.html */
function attachedBinaries(resource: AnyResource): string[] {
  if (resource.resourceType !== 'DocumentReference') return [];
  const content = resource['content'] as readonly { attachment?: { url?: unknown } }[] | undefined;
  return (content ?? []).flatMap(({ attachment }) => {
    const [, id] = /^Binary\/([A-Za-z0-9\-.]{1,64})$/.exec(String(attachment?.url)) ?? [];
    return id === undefined ? [] : [id];
  });
}
