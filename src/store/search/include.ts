/**
 * What `_include` and `_revinclude` bring: the resources that matches refer to or are referred to by, step by step. A step is
 * one statement, whatever the number of includes: it reads the references of the rows it starts from (references.ts) or
 * looks for theirs by hash, and keeps what the caller may see and the answer does not hold yet. A reference to a hidden
 * resource leaves nothing (LEAKS 1).
 *
 * @see https://hl7.org/fhir/R4/search.html#revinclude
 */
import type { Tx } from '../../db.ts';
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { ownBucket } from '../../fhir/ids.ts';
import type { Include, SearchParam } from '../../fhir/search-request.ts';
import { resourceTypes, typeCode, typeName } from '../../fhir/types.ts';
import { livesWith, rowsWithKey } from './chain.ts';
import { keyHash } from '../params/columns.ts';
import { bucketOfReference, referenceHead, referenceHashOf, references } from './references.ts';
import { keyed } from '../rows.ts';
import type { FoundRow } from '../select.ts';
import type { VisibilityOf } from '../visibility.ts';

/** Included rows of a page: twenty times its usual size; keeps one answer's memory small. */
export const includedMax = 1000;
/** Steps of `:iterate`: deeper than any tree of organizations or locations; a longer path is cut and said to be. */
export const stepsMax = 12;

export interface Included {
  readonly rows: readonly FoundRow[];
  /** There is more than the bounds let through. */
  readonly isCut: boolean;
}

/** @param matches rows of one page, all visible; each is in the answer already */
export async function selectIncluded(
  db: Tx,
  visibilityOf: VisibilityOf,
  matches: readonly FoundRow[],
  includes: readonly Include[],
): Promise<Included> {
  const rows: FoundRow[] = [];
  let from = matches;
  let follow = includes;
  for (let step = 0; from.length > 0; step++) {
    const ways = follow.flatMap((include) => waysOf(include, from));
    if (ways.length === 0) break;
    if (step === stepsMax) return { rows, isCut: true };
    const left = includedMax - rows.length;
    const found = await db.query<LinkedRow>(
      compileStep(ways, [...matches, ...rows], { visibilityOf, limit: left + 1 }),
    );
    from = found.slice(0, left).map(foundRow);
    rows.push(...from);
    if (found.length > left) return { rows, isCut: true };
    follow = includes.filter(({ isIterated }) => isIterated);
  }
  return { rows, isCut: false };
}

interface LinkedRow {
  readonly type: number;
  readonly id: string;
  readonly patient: string | null;
  readonly other_patients: string[] | null;
  readonly body: string;
  readonly decided_by: string | null;
}

function foundRow({ type, id, patient, other_patients, body, decided_by }: LinkedRow): FoundRow {
  return {
    type: typeName(type),
    id,
    patient: patient ?? undefined,
    otherPatients: other_patients ?? undefined,
    body,
    decidedBy: decided_by ?? '',
  };
}

/** A part of a step: where it leads, and the query for `bucket, type, id` of what is there. */
interface Way {
  readonly types: readonly string[];
  readonly linked: Sql;
}

function waysOf(include: Include, from: readonly FoundRow[]): Way[] {
  if (!include.isReverse) {
    const sources = from.filter(({ type }) => type === include.source);
    return sources.length === 0 || include.params.length === 0 ? [] : [forwardWay(include, sources)];
  }
  return include.params.flatMap((param) => {
    const targets = from.filter(({ type }) => mayPointTo(param, type) && (include.target ?? type) === type);
    return targets.length === 0 ? [] : [reverseWay(include.source, param, targets)];
  });
}

function mayPointTo({ target }: SearchParam, type: string): boolean {
  return target?.includes(type) ?? true;
}

/** The targets, by the references in the bodies of these rows that stand under one of the parameters. */
function forwardWay({ params, target }: Include, sources: readonly FoundRow[]): Way {
  const types =
    target === undefined ? [...new Set(params.flatMap((param) => param.target ?? resourceTypes))] : [target];
  const heads = params.map(({ code }) => referenceHead(code));
  const linked = sql`
    select ${bucketOfReference(raw('named.code'), raw('refs.id'))} as bucket, named.code as type, refs.id
    from ${tableOf(sources)}
    join resource r on r.bucket = k.bucket and r.type = k.type and r.id = k.id
    cross join lateral ${references(raw('r.body'), 'refs')}
    join unnest(${types}::text[], ${types.map(typeCode)}::smallint[]) named (name, code) on named.name = refs.type
    where exists (
      select from unnest(${heads}::text[]) as head
      where ${referenceHashOf(raw('head'), sql`refs.type || '/' || refs.id`)} = any(r.tokens))`;
  return { types, linked };
}

/** What refers to these rows by the parameter. */
function reverseWay(source: string, param: SearchParam, targets: readonly FoundRow[]): Way {
  const hashes = (rows: readonly FoundRow[]): string =>
    `{${rows.map(({ type, id }) => keyHash('reference', param.code, `${type}/${id}`)).join(',')}}`;
  const isLivedWith = ({ type }: FoundRow): boolean => livesWith(source, param.code, type);
  const [patients, others] = [targets.filter(isLivedWith), targets.filter((row) => !isLivedWith(row))];
  const parts: Sql[] = [];
  if (patients.length > 0) {
    parts.push(sql`
      select s.bucket, s.type, s.id from ${tableOf(patients)}
      join resource s on s.bucket = k.bucket and s.patient = k.id and s.type = ${typeCode(source)}
      where s.tokens && ${hashes(patients)}::bigint[]`);
  }
  if (others.length > 0) {
    parts.push(sql`
      select s.bucket, s.type, s.id from ${rowsWithKey(sql`${hashes(others)}::bigint[]`, 's')}
      where s.type = ${typeCode(source)}`);
  }
  return { types: [source], linked: join(parts, ' union all ') };
}

/** A row lives in the bucket of its patient, or else in that of its id. */
function tableOf(rows: readonly FoundRow[]): Sql {
  return keyed(rows.map(({ type, id, patient }) => ({ bucket: ownBucket(patient ?? id), type, id })));
}

function compileStep(
  ways: readonly Way[],
  held: readonly FoundRow[],
  { visibilityOf, limit }: { visibilityOf: VisibilityOf; limit: number },
): Sql {
  const visibility = visibilityOf([...new Set(ways.flatMap(({ types }) => types))]);
  return sql`
    with linked (bucket, type, id) as (${join(
      ways.map(({ linked }) => linked),
      ' union ',
    )})
    select t.type, t.id, t.patient, t.other_patients, t.body, ${visibility.decidedBy('t')} as decided_by
    from (select distinct bucket, type, id from linked) l
    join resource t on t.bucket = l.bucket and t.type = l.type and t.id = l.id
    where not t.is_deleted and ${visibility.where('t')}
      and not exists (select from ${tableOf(held)}
        where k.bucket = t.bucket and k.type = t.type and k.id = t.id)
    order by t.type, t.id limit ${limit}`;
}
