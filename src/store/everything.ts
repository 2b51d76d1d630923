/**
 * All that is kept of a person, in pages: their records one after the other, each one walk of the btree (bucket, patient, type,
 * date, id), then the rows of others' records that name them (a Coverage of their child that they hold).
 * Then, of a page, what it refers to beyond anybody's record: organizations, staff, places, medications, attachments.
 *
 * @see https://hl7.org/fhir/R4/patient-operation-everything.html
 */
import type { Tx } from '../db.ts';
import { join, raw, sql, type Sql } from '../db/sql.ts';
import { compartmentDefinition } from '../fhir/definitions.ts';
import { ownBucket } from '../fhir/ids.ts';
import { collectReferences } from '../fhir/references-in.ts';
import { resourceTypes, typeCode, typeName } from '../fhir/types.ts';
import { visibleBinaries } from './binary.ts';
import type { Position } from './search/cursor.ts';
import { keyHash } from './params/columns.ts';
import { timestampOf } from './params/date.ts';
import { hasToken } from './params/token.ts';
import { isClinicalDate, mainDateOf } from './place.ts';
import type { FoundRow } from './select.ts';
import type { Visibility } from './visibility.ts';

export interface EverythingRequest {
  /** Source patients of the person. */
  readonly patients: readonly string[];
  /** Absent: every type. */
  readonly types?: readonly string[];
  /** Changed after this, epoch milliseconds. */
  readonly since?: number;
  /** Care dates [from, to), epoch milliseconds. What has no date of care is always in it. */
  readonly care?: { readonly from: number; readonly to: number };
  /** Id of an Encounter of theirs: only what belongs to it. */
  readonly encounter?: string;
  readonly count: number;
  readonly after?: Position;
}

export interface EverythingPage {
  readonly rows: readonly FoundRow[];
  /** Undefined: that was all. */
  readonly next?: Position;
}

interface PlacedRow {
  readonly place: number;
  readonly type: number;
  readonly id: string;
  readonly patient: string | null;
  readonly other_patients: string[] | null;
  readonly body: string;
  readonly decided_by: string | null;
  readonly date: string;
}

/** The keys of a position, in this order: which record, type, date. */
export const everythingKeys = 3;

/**
 * @param own who may see rows of these patients
 * @param any who may see rows of anybody
 */
export async function selectEverything(
  db: Tx,
  { own, any }: { readonly own: Visibility; readonly any: Visibility },
  request: EverythingRequest,
): Promise<EverythingPage> {
  const limit = request.count + 1;
  const elsewhere = request.patients.length;
  const isBeyond = Number(request.after?.keys[0] ?? 0) >= elsewhere;
  const rows = isBeyond ? [] : await db.query<PlacedRow>(ofRecords(own, request, limit));
  // An encounter is of one record.
  if (rows.length < limit && request.encounter === undefined) {
    const after = isBeyond ? request.after : undefined;
    rows.push(...(await db.query<PlacedRow>(ofOthers(any, request, limit - rows.length, after))));
  }
  const page = rows.slice(0, request.count);
  const last = page.at(-1);
  return {
    rows: page.map(toFound),
    ...(rows.length > request.count && last !== undefined
      ? { next: { keys: [String(last.place), String(last.type), last.date], id: last.id } }
      : {}),
  };
}

function toFound({ type, id, patient, other_patients, body, decided_by }: Omit<PlacedRow, 'place' | 'date'>): FoundRow {
  return {
    type: typeName(type),
    id,
    patient: patient ?? undefined,
    otherPatients: other_patients ?? undefined,
    body,
    decidedBy: decided_by ?? '',
  };
}

const columns = raw('r.type, r.id, r.patient, r.other_patients, r.body, r.date_low::text as date');

function ofRecords(visible: Visibility, request: EverythingRequest, limit: number): Sql {
  const { patients, after } = request;
  const [place = '0', type = '0', date = '-infinity'] = after?.keys ?? [];
  const isAfter =
    after === undefined
      ? raw('true')
      : sql`(c.place > ${Number(place)}::int or
          (r.type, r.date_low, r.id) > (${Number(type)}::smallint, ${date}::timestamptz, ${after.id}::text))`;
  const decided = visible.decided('r');
  return sql`
    select p.* from unnest(${patients.map(ownBucket)}::int[], ${patients}::text[], ${patients.map((_, at) => at)}::int[])
      c (bucket, patient, place)
    cross join lateral (
      select c.place, ${columns}, ${decided.decidedBy} as decided_by from resource r ${decided.join}
      where r.bucket = c.bucket and r.patient = c.patient and c.place >= ${Number(place)}::int and ${isAfter}
        and ${isWanted(request)} and ${decided.where}
      order by r.type, r.date_low, r.id limit ${limit}) p
    order by p.place, p.type, p.date::timestamptz, p.id limit ${limit}`;
}

/** Rows that live in other records. All whom they name must permit, so third parties hardly ever see one. */
function ofOthers(visible: Visibility, request: EverythingRequest, limit: number, after: Position | undefined): Sql {
  const { patients } = request;
  const [, type = '0', date = '-infinity'] = after?.keys ?? [];
  const isAfter =
    after === undefined
      ? raw('true')
      : sql`(r.type, r.date_low, r.id) > (${Number(type)}::smallint, ${date}::timestamptz, ${after.id}::text)`;
  // The column keeps whom any version named; here it counts whom the current one does.
  const names = patients.map((id) => sql`r.body like ${`%"reference":"Patient/${id}"%`}`);
  const decided = visible.decided('r');
  return sql`
    select ${patients.length}::int as place, ${columns}, ${decided.decidedBy} as decided_by from resource r ${decided.join}
    where r.other_patients && ${patients}::text[] and r.patient <> all(${patients}::text[]) and (${join(names, ' or ')})
      and ${isAfter} and ${isWanted(request)} and ${decided.where}
    order by r.type, r.date_low, r.id limit ${limit}`;
}

function isWanted({ types, since, care, encounter }: EverythingRequest): Sql {
  const conditions = [raw('not r.is_deleted')];
  if (types !== undefined) conditions.push(isOfType(types));
  if (since !== undefined) conditions.push(sql`r.last_updated > ${timestampOf(since)}::timestamptz`);
  if (care !== undefined) {
    conditions.push(sql`(r.date_high is null or r.type = any(${undated}::smallint[])
      or (r.date_low < ${timestampOf(care.to)}::timestamptz and r.date_high > ${timestampOf(care.from)}::timestamptz))`);
  }
  if (encounter !== undefined) conditions.push(belongsTo(encounter));
  return join(conditions, ' and ');
}

function isOfType(types: readonly string[]): Sql {
  return sql`r.type = any(${types.map((type) => typeCode(type) as number)}::smallint[])`;
}

/** Types whose date in the index says nothing of care. */
const undated = raw(
  `'{${resourceTypes
    .filter((type) => !isClinicalDate(mainDateOf(type) ?? 'birthdate'))
    .map(typeCode)
    .join(',')}}'`,
);

/**
 * The encounter, whom it is about, and what refers to it: by the parameters of the compartment, or by R4's extension for
 * resources that have no element for it.
 * @see https://hl7.org/fhir/R4/compartmentdefinition-encounter.html
 * @see https://hl7.org/fhir/R4/extension-encounter-associatedencounter.html
 */
function belongsTo(encounter: string): Sql {
  const reference = `Encounter/${encounter}`;
  const hashes = encounterParams.map((param) => keyHash('reference', param, reference));
  return sql`(r.type = ${typeCode('Patient')} or (r.type = ${typeCode('Encounter')} and r.id = ${encounter})
    or ${hasToken(hashes, 'r')}
    or (r.body like '%StructureDefinition/encounter-associatedEncounter"%' and r.body like ${`%"${reference}"%`}))`;
}

/** Parameters by which a resource is in the compartment of an encounter. */
const encounterParams = [...new Set(Object.values(compartmentDefinition('Encounter') ?? {}).flat())].filter(
  (param) => param !== '{def}',
);

interface ReferredRequest {
  readonly rows: readonly FoundRow[];
  /** Absent: every type. */
  readonly types?: readonly string[];
  /** None of these types. */
  readonly except?: readonly string[];
  readonly within?: readonly string[];
}

/** Addresses of one statement. */
const referredMax = 1_000;

/**
 * What rows refer to and is in nobody's record, as far as the caller may see it; of an encounter's, also what is in the record
 * of its patient beyond the encounter.
 * @param known `Type/id` of what was sent already; what is found is added
 */
export async function selectReferred(
  db: Tx,
  visible: Visibility,
  { rows, types, except = [], within = [] }: ReferredRequest,
  known: Set<string>,
): Promise<FoundRow[]> {
  const named = new Set<string>();
  for (const { type, id, body } of rows) {
    known.add(`${type}/${id}`);
    collectReferences(body, named);
  }
  const keys = Array.from(named, (reference) => reference.split('/') as [string, string]).filter(
    ([type, id]) =>
      !known.has(`${type}/${id}`) &&
      type !== 'Patient' &&
      typeCode(type) !== undefined &&
      (types?.includes(type) ?? true) &&
      !except.includes(type),
  );
  const found: FoundRow[] = [];
  for (let at = 0; at < keys.length; at += referredMax) {
    const some = keys.slice(at, at + referredMax);
    const binaries = some.filter(([type]) => type === 'Binary').map(([, id]) => id);
    const others = some.filter(([type]) => type !== 'Binary');
    const [one, two] = await Promise.all([
      others.length === 0 ? [] : db.query<Omit<PlacedRow, 'place' | 'date'>>(referred(visible, others, within)),
      binaries.length === 0 ? [] : db.query<Omit<PlacedRow, 'place' | 'date'>>(visibleBinaries(visible, binaries)),
    ]);
    found.push(...[...one, ...two].map(toFound));
  }
  for (const { type, id } of found) known.add(`${type}/${id}`);
  return found;
}

function referred(visible: Visibility, keys: readonly (readonly [string, string])[], within: readonly string[]): Sql {
  // Outside of compartments a row takes the bucket of its id; inside, that of its patient.
  const buckets = keys.flatMap(([, id]) => [ownBucket(id), ...within.map(ownBucket)]);
  const repeat = <T>(value: T): T[] => Array.from({ length: 1 + within.length }, () => value);
  const decided = visible.decided('r');
  return sql`
    select r.type, r.id, r.patient, r.other_patients, r.body, ${decided.decidedBy} as decided_by
    from (select distinct * from unnest(${buckets}::int[], ${keys.flatMap(([type]) => repeat(typeCode(type) as number))}::smallint[],
      ${keys.flatMap(([, id]) => repeat(id))}::text[]) k (bucket, type, id)) k
    join resource r on r.bucket = k.bucket and r.type = k.type and r.id = k.id ${decided.join}
    where (r.patient is null or r.patient = any(${within}::text[])) and not r.is_deleted and ${decided.where}`;
}
