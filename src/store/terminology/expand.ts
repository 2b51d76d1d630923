/** A value set's codes, page by page. @see https://hl7.org/fhir/R4/valueset-operation-expand.html */
import { join, plannedAnew, sql, type Sql } from '../../db/sql.ts';
import { foldString } from '../../fhir/fold.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Designation } from '../../fhir/terminology.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { membersOf, type Members } from './compose.ts';
import type { Library } from './library.ts';

export interface ExpandOptions {
  /** Words that must all stand in code, display or a designation. */
  readonly filter?: string | undefined;
  readonly offset: number;
  /** Codes of the page; undefined: all, up to `expansionMax`. */
  readonly count?: number | undefined;
  readonly activeOnly?: boolean | undefined;
}

export interface Member {
  readonly system: string;
  readonly version: string | null;
  readonly code: string;
  readonly display: string | null;
  readonly designations: readonly Designation[] | null;
  readonly isAbstract: boolean;
  readonly isInactive: boolean;
}

export interface Expansion {
  /** Of all pages. */
  readonly total: number;
  readonly members: readonly Member[];
}

/** Codes of an answer: 1.5 MB. A larger value set is read in pages, or narrowed by a filter. */
export const expansionMax = 10_000;
/** Each word is one comparison with every code. */
const wordsMax = 10;

/** @throws Problem too-costly for a value set of more codes than an answer holds, unless pages are asked for */
export async function expand(library: Library, valueSet: AnyResource, options: ExpandOptions): Promise<Expansion> {
  const { offset, count } = options;
  const members = await membersOf(library, valueSet);
  const conditions = [...wordsOf(options.filter)];
  if (options.activeOnly === true || members.isInactiveIncluded === false)
    conditions.push(sql`not coalesce(c.is_inactive, false)`);
  const limit = Math.min(count ?? expansionMax, expansionMax);
  // What is shown of a code is read for the codes of the page, unless something else is asked of all of them.
  const narrowed =
    conditions.length === 0
      ? sql`select m.* from (${distinct(members)}) m`
      : sql`select m.* from (${distinct(members)}) m
          left join concept c on c.system = m.key and c.code = m.code where ${join(conditions, ' and ')}`;
  const rows = await library.db.query<MemberRow | { total: number; code: null }>(
    plannedAnew(sql`
    with found as materialized (${narrowed})
    select t.total, p.system, p.version, p.code, coalesce(p.display, c.display) as display, c.designations, c.is_abstract,
      c.is_inactive
    from (select count(*)::int as total from found) t
    left join (select * from found order by include, ordinal, code offset ${offset}::int limit ${limit}::int) p on true
    left join concept c on c.system = p.key and c.code = p.code
    order by p.include, p.ordinal, p.code`),
  );
  const total = rows[0]?.total ?? 0;
  if (count === undefined && total - offset > expansionMax) {
    throw new Problem('too-costly', `the value set has ${total} codes; at most ${expansionMax} come in one answer`, {
      hint: 'Ask for pages with count and offset, or narrow it with filter.',
    });
  }
  return { total, members: rows.filter((row): row is MemberRow => typeof row.code === 'string').map(toMember) };
}

/** A code that several includes have stands where the first has it. */
function distinct({ query, isDistinct }: Members): Sql {
  if (isDistinct) return query;
  return sql`select distinct on (u.system, u.code) u.* from (${query}) u order by u.system, u.code, u.include, u.ordinal`;
}

interface MemberRow {
  total: number;
  system: string;
  version: string | null;
  code: string;
  display: string | null;
  designations: Designation[] | null;
  is_abstract: boolean | null;
  is_inactive: boolean | null;
}

function toMember({ system, version, code, display, designations, is_abstract, is_inactive }: MemberRow): Member {
  return {
    system,
    version,
    code,
    display,
    designations,
    isAbstract: is_abstract === true,
    isInactive: is_inactive === true,
  };
}

/** R4 leaves open what a text filter does: here each word must occur, as string search would fold it. */
function wordsOf(filter: string | undefined): Sql[] {
  const words = foldString(filter ?? '')
    .split(' ')
    .filter((word) => word !== '');
  if (words.length > wordsMax) throw new Problem('too-costly', `at most ${wordsMax} words of a filter`);
  return words.map(
    (word) => sql`strpos(coalesce(c.searched, lower(m.code || ' ' || coalesce(m.display, ''))), ${word}) > 0`,
  );
}
