/**
 * The profiles, tags and security labels in use among the rows a caller may see. Counted out, not kept: which labels there
 * are says something of the rows that carry them, so it must pass the same visibility as the rows.
 *
 * @see https://hl7.org/fhir/R4/resource-operation-meta.html
 */
import type { Tx } from '../db.ts';
import { join, raw, sql } from '../db/sql.ts';
import { Problem } from '../fhir/problem.ts';
import { typeCode } from '../fhir/types.ts';
import { inCompartments } from './compartment.ts';
import type { Visibility } from './visibility.ts';

export interface MetaInUse {
  readonly profile: readonly string[];
  readonly tag: readonly object[];
  readonly security: readonly object[];
}

export interface MetaScope {
  /** Absent: every type. */
  readonly type?: string;
  /** Types whose meta is not for the caller. */
  readonly except: readonly string[];
  /** Only the records of these source patients. */
  readonly patients?: readonly string[];
}

/** Each row's body is opened: some 5 us. More would hold the database for seconds. */
export const metaRowsMax = 50_000;

interface MetaRow {
  kind: 'profile' | 'tag' | 'security';
  value: string;
  is_whole: boolean;
}

/** @throws Problem too-costly when the caller may see more rows than can be opened: half an answer would be a wrong one */
export async function metaInUse(
  db: Tx,
  visibility: Visibility,
  { type, except, patients }: MetaScope,
): Promise<MetaInUse> {
  const ofType = join(
    [
      type === undefined ? raw('true') : sql`r.type = ${typeCode(type)}`,
      except.length === 0 ? raw('true') : sql`r.type <> all(${except.map((one) => typeCode(one))}::smallint[])`,
    ],
    ' and ',
  );
  const rows = await db.query<MetaRow>(sql`
    with seen as materialized (
      select r.body from ${inCompartments(patients, 'r')}
      where ${ofType} and not r.is_deleted and ${visibility.where('r')} limit ${metaRowsMax + 1}),
    metas as materialized (
      select body::jsonb -> 'meta' as meta from seen where (select count(*) from seen) <= ${metaRowsMax})
    select distinct kind.name as kind,
      case kind.name when 'profile' then to_jsonb(item) else jsonb_strip_nulls(jsonb_build_object(
        'system', item -> 'system', 'code', item -> 'code')) end::text as value, true as is_whole
    from metas cross join unnest(array['profile', 'tag', 'security']) kind (name)
      cross join lateral jsonb_array_elements(metas.meta -> kind.name) item
    where jsonb_typeof(metas.meta -> kind.name) = 'array'
    union all select null, null, false where (select count(*) from seen) > ${metaRowsMax}
    order by kind, value`);
  if (rows.some((row) => !row.is_whole)) {
    throw new Problem('too-costly', `more than ${metaRowsMax} resources would have to be opened`, {
      hint: 'Ask for the $meta of one type or one resource, or with a token of one patient.',
    });
  }
  const valuesOf = (kind: MetaRow['kind']): unknown[] =>
    rows.filter((row) => row.kind === kind).map(({ value }) => JSON.parse(value) as unknown);
  return {
    profile: valuesOf('profile') as string[],
    tag: valuesOf('tag') as object[],
    security: valuesOf('security') as object[],
  };
}
