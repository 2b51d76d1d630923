/**
 * Which index the rows of this process are written under. A revision is a change of what is indexed: of this release's code, or
 * of the SearchParameters in force. Each process follows the revisions; each row carries the one it was written under; rows of
 * a lower one are read again in the background (reindex.ts) and are found as they were meanwhile.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Database, Tx } from '../db.ts';
import { sql } from '../db/sql.ts';
import { readSearchParameter } from '../fhir/index/custom-params.ts';
import type { SearchParamDefinition } from '../fhir/definitions/shape.ts';
import { setCustomParams } from '../fhir/params.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode, type AnyResource } from '../fhir/types.ts';

/**
 * Raise it with every change of what `indexColumns` makes of a resource. A search that asks for something in a new way also
 * asks in the old one, or says that it is not ready.
 *
 * 1: tokens, references, strings, dates, numbers, quantities by unit as written, URIs.
 * 2: composites of elements, quantities by UCUM dimension, pinyin and simplified characters, places, values without a code.
 * 3: types of what is contained, for Consents by class.
 */
export const indexVersion = 3;

/** Parameters beside R4's 1,700: each is read of every resource of its types. */
const customParamsMax = 64;
/** How long a process may write under the revision before the last one. */
export const followMs = 2_000;

let current = 0;
let known = -1;

/** What rows are written under now; 0 until a database is followed, which makes them read again. */
export function currentRevision(): number {
  return current;
}

export interface Following {
  /** Resolves when what is committed now is in force here. */
  refresh(): Promise<void>;
  close(): void;
}

/** Registers this release (in an empty database there is nothing to read again), and keeps the parameters of this process. */
export async function followIndex(db: Database): Promise<Following> {
  await db.query(sql`
    insert into index_revision (code_version, completed_at)
    select ${indexVersion}::int, case when not exists (select from resource) then now() end
    where not exists (select from index_revision where code_version >= ${indexVersion})`);
  known = -1;
  let looking: Promise<void> = Promise.resolve();
  // One after the other: an older answer must not come after a newer one.
  const refresh = (): Promise<void> => (looking = looking.catch(() => undefined).then(() => look(db)));
  await refresh();
  // Without the database nothing is written either.
  const timer = setInterval(() => void refresh().catch(() => undefined), followMs).unref();
  const close = (): void => {
    clearInterval(timer);
    current = 0;
    setCustomParams([]);
  };
  return { refresh, close };
}

interface RevisionRow {
  revision: number;
  code_version: number;
  completed: number;
  params: { definition: SearchParamDefinition; revision: number }[] | null;
}

async function look(db: Database): Promise<void> {
  const [row] = await db.query<RevisionRow>(sql`
    select r.revision, r.code_version,
      (select coalesce(max(c.revision), 0) from index_revision c where c.completed_at is not null) as completed,
      (select jsonb_agg(jsonb_build_object('definition', p.definition, 'revision', p.revision)) from search_parameter p)
        as params
    from index_revision r order by r.revision desc limit 1`);
  if (row === undefined) return;
  const { revision, code_version: version, completed, params } = row;
  // A newer release will read again what this one writes.
  current = version === indexVersion ? revision : 0;
  // The sum changes with either, as both only grow.
  if (revision + completed === known) return;
  known = revision + completed;
  setCustomParams(
    (params ?? []).map(({ definition, revision: since }) => ({ ...definition, isPartial: since > completed })),
  );
}

/** The new state of a SearchParameter resource. */
export interface ParameterState {
  readonly id: string;
  readonly resource: AnyResource;
  readonly isDeleted: boolean;
}

/**
 * Puts parameters in force or takes them away, with the revision that says so.
 * @throws Problem business-rule for one that cannot be served, duplicate for a code that is taken, too-costly
 */
export async function writeSearchParameters(tx: Tx, states: readonly ParameterState[]): Promise<void> {
  for (const { id, resource, isDeleted } of states) {
    const definition = isDeleted ? undefined : readSearchParameter(resource);
    const [before] = await tx.query<{ definition: SearchParamDefinition }>(sql`
      select p.definition from search_parameter p where p.id = ${id} for update`);
    if (isDeepStrictEqual(before?.definition, definition)) continue;
    await tx.query(sql`delete from search_parameter where id = ${id}`);
    const revision = await addRevision(tx, definition?.base ?? []);
    if (definition !== undefined) await insertParameter(tx, id, definition, revision);
  }
}

async function insertParameter(tx: Tx, id: string, definition: SearchParamDefinition, revision: number): Promise<void> {
  const { code, base } = definition;
  await tx.query(sql`
    insert into search_parameter (id, definition, revision)
    values (${id}, ${JSON.stringify(definition)}::jsonb, ${revision})`);
  const inserted = await tx.query(sql`
    insert into search_parameter_code (type, code, id)
    select t.type, ${code}, ${id} from unnest(${base.map(typeCode)}::smallint[]) t (type)
    on conflict do nothing returning type`);
  if (inserted.length < new Set(base).size) {
    throw new Problem('duplicate', 'another SearchParameter in force has this code', {
      expression: 'SearchParameter.code',
      hint: 'Choose another code, or change the other resource.',
    });
  }
  const [count] = await tx.query<{ count: number }>(sql`select count(*)::int as count from search_parameter`);
  if ((count?.count ?? 0) > customParamsMax) {
    throw new Problem('too-costly', `at most ${customParamsMax} SearchParameters are in force at once`, {
      hint: 'Retire one that nobody searches by.',
    });
  }
}

/**
 * @param types to read again; undefined: all
 * @returns the new revision. What earlier ones have not finished is part of it.
 */
export async function addRevision(tx: Tx, types: readonly string[] | undefined): Promise<number> {
  const [row] = await tx.query<{ revision: number }>(sql`
    insert into index_revision (code_version, types)
    select greatest(${indexVersion}::int, coalesce(max(r.code_version), 0)),
      case when ${types === undefined}::boolean
        or bool_or(r.types is null and r.completed_at is null) then null
      else (
        select coalesce(array_agg(distinct t), '{}') from (
          select unnest(${(types ?? []).map(typeCode)}::smallint[])
          union select unnest(o.types) from index_revision o where o.completed_at is null) u (t))
      end
    from index_revision r
    returning revision`);
  return (row as { revision: number }).revision;
}
