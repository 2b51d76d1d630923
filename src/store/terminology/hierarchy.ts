/** Up and down a code system. @see https://hl7.org/fhir/R4/codesystem.html#hierarchy */
import { raw, sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { isCaseSensitive, type ConceptProperty, type Designation, type SystemCode } from '../../fhir/terminology.ts';
import { find, type Found, type Library } from './library.ts';

export interface StoredConcept {
  readonly code: string;
  readonly display: string | null;
  readonly definition: string | null;
  readonly designations: readonly Designation[] | null;
  readonly properties: readonly ConceptProperty[] | null;
  readonly is_abstract: boolean;
  readonly is_inactive: boolean;
}

/** As the code system compares codes: exactly, or in any case when it does not say that case counts. */
export async function findConcept(
  { db }: Library,
  { key, header }: Found,
  code: string,
): Promise<StoredConcept | undefined> {
  const matches = isCaseSensitive(header) ? sql`c.code = ${code}` : sql`lower(c.code) = lower(${code})`;
  const [row] = await db.query<StoredConcept>(sql`
    select c.code, c.display, c.definition, c.designations, c.properties, c.is_abstract, c.is_inactive
    from concept c where c.system = ${key}::bigint and ${matches} order by c.code <> ${code} limit 1`);
  return row;
}

export type Subsumption = 'equivalent' | 'subsumes' | 'subsumed-by' | 'not-subsumed';

/** Of two codes that are there. @see https://hl7.org/fhir/R4/codesystem-operation-subsumes.html */
export async function subsumption({ db }: Library, { key }: Found, a: string, b: string): Promise<Subsumption> {
  if (a === b) return 'equivalent';
  const rows = await db.query<{ code: string }>(sql`
    select code from concept_ancestor
    where system = ${key}::bigint and ((code = ${a} and ancestor = ${b}) or (code = ${b} and ancestor = ${a}))`);
  if (rows.length === 0) return 'not-subsumed';
  return rows[0]?.code === a ? 'subsumed-by' : 'subsumes';
}

export async function parentsAndChildren(
  { db }: Library,
  { key }: Found,
  code: string,
): Promise<{ parents: string[]; children: string[] }> {
  const rows = await db.query<{ code: string; ancestor: string }>(sql`
    select h.code, h.ancestor from concept_ancestor h left join concept c on c.system = h.system and c.code = h.code
    where h.system = ${key}::bigint and h.distance = 1 and (h.code = ${code} or h.ancestor = ${code})
    order by c.ordinal, h.ancestor`);
  return {
    parents: rows.filter((row) => row.code === code).map((row) => row.ancestor),
    children: rows.filter((row) => row.ancestor === code).map((row) => row.code),
  };
}

/**
 * The code and all that it subsumes: what `:below` of a search compares with.
 * @throws Problem too-costly for more than `max`; not-supported when the code system is not loaded
 */
export async function codesBelow(library: Library, from: SystemCode, max: number): Promise<SystemCode[]> {
  return walk(library, from, 'down', max);
}

/** The code and all that subsume it: what `:above` of a search compares with. */
export async function codesAbove(library: Library, from: SystemCode, max: number): Promise<SystemCode[]> {
  return walk(library, from, 'up', max);
}

async function walk(library: Library, from: SystemCode, way: 'up' | 'down', max: number): Promise<SystemCode[]> {
  const { system, code } = from;
  const found = await find(library, 'CodeSystem', { url: system });
  if (found === undefined || found.concepts === 0) {
    throw new Problem('not-supported', 'the hierarchy of this code system is not loaded', {
      hint: `An operator loads it: hub terminology load. (${system})`,
    });
  }
  const [at, to] = way === 'down' ? [raw('h.ancestor'), raw('h.code')] : [raw('h.code'), raw('h.ancestor')];
  const rows = await library.db.query<{ code: string }>(sql`
    select ${to} as code from concept_ancestor h where h.system = ${found.key}::bigint and ${at} = ${code} limit ${max}`);
  if (rows.length >= max) throw new Problem('too-costly', `more than ${max} codes stand under or above this one`);
  return [from, ...rows.map((row) => ({ system, code: row.code }))];
}
