/**
 * Chains and reverse chains: conditions on a row by the rows it refers to, or that refer to it. Every row on the way carries
 * the caller's visibility with the scope of its own type: a hidden one is as if it were not there (LEAKS 2).
 *
 * There are two ways to meet a condition across a reference. A row that something else has found (a compartment, an index)
 * is *tested*: its references are followed. Otherwise the far end is asked first, and rows are *gathered* from there.
 * Numbers: docs/decisions/0015-search-across-references.md.
 *
 * @see https://hl7.org/fhir/R4/search.html#chaining
 * @see https://hl7.org/fhir/R4/search.html#has
 */
import { join, raw, sql, type Sql } from '../db/sql.ts';
import { tokenHash } from '../fhir/hash.ts';
import type { ChainFilter, ChainTarget, Filter, HasFilter } from '../fhir/search-request.ts';
import { typeCode } from '../fhir/types.ts';
import type { Aliases } from './params/reference.ts';
import { hasToken } from './params/token.ts';
import { isCompartmentParam } from './place.ts';
import { bucketOf, referenceHash, referencesOf } from './references.ts';
import type { VisibilityOf } from './visibility.ts';

/** A row that conditions are about. */
export interface Subject {
  readonly type: string;
  /** Of `resource`. What is joined to it gets an alias that begins with this one. */
  readonly alias: string;
  /** Something else finds the row (its compartment, its id): conditions on it need no index. */
  readonly isFound: boolean;
  /** Another condition finds the row by an index: a chain need not. */
  readonly isNarrowed?: boolean;
  readonly aliases: Aliases;
  readonly visibilityOf: VisibilityOf;
}

/** Compiles the condition at the far end of a reference. */
export type Match = (filter: Filter, subject: Subject) => Sql;

export function matchChain(filter: ChainFilter, subject: Subject, match: Match): Sql {
  const ways = filter.targets.map((target) => chainTo(target, filter.index, subject, match));
  return anyOf(ways, subject);
}

function chainTo({ type, filter }: ChainTarget, param: string, subject: Subject, match: Match): Sql {
  const row = raw(subject.alias);
  const far: Subject = { ...subject, type, alias: `${subject.alias}t`, isNarrowed: false };
  const target = raw(far.alias);
  const hash = referenceHash(param, sql`${`${type}/`}::text || ${target}.id`);
  if (type === 'Patient' && isCompartmentParam(subject.type, param)) {
    // The row lives with the patient it refers to: a join on columns, which the planner takes from either end.
    return sql`exists (
      select from resource ${target}
      where ${target}.bucket = ${row}.bucket and ${target}.id = ${row}.patient and ${hash} = any(${row}.tokens)
        and ${meets(filter, far, match)})`;
  }
  if (!isTested(subject)) {
    return sql`${row}.keys && array(select ${hash} from resource ${target} where ${meets(filter, far, match)})`;
  }
  const name = `${far.alias}_to`;
  const id = raw(`${name}.id`);
  return sql`(${hasToken([tokenHash(param, undefined, undefined)], subject.alias)} and exists (
    select from ${referencesOf(raw(`${subject.alias}.body`), type, name)}
    join resource ${target} on ${target}.bucket = ${bucketOf(type, id)} and ${target}.id = ${id}
    where ${hash} = any(${row}.tokens) and ${meets(filter, { ...far, isFound: true }, match)}))`;
}

export function matchHas({ index: param, type, filter }: HasFilter, subject: Subject, match: Match): Sql {
  const row = raw(subject.alias);
  const far: Subject = { ...subject, type, alias: `${subject.alias}s`, isNarrowed: false };
  const source = raw(far.alias);
  const hash = referenceHash(param, sql`${`${subject.type}/`}::text || ${row}.id`);
  if (subject.type === 'Patient' && isCompartmentParam(type, param)) {
    return sql`exists (
      select from resource ${source}
      where ${source}.bucket = ${row}.bucket and ${source}.patient = ${row}.id and ${hash} = any(${source}.tokens)
        and ${meets(filter, far, match)})`;
  }
  if (isTested(subject)) {
    return sql`exists (
      select from resource ${source}
      where ${source}.keys && array[${hash}] and ${meets(filter, { ...far, isFound: true }, match)})`;
  }
  const name = `${far.alias}_to`;
  const id = raw(`${name}.id`);
  return sql`(${row}.bucket, ${row}.id) in (
    select ${bucketOf(subject.type, id)}, ${id}
    from resource ${source} cross join lateral ${referencesOf(raw(`${far.alias}.body`), subject.type, name)}
    where ${referenceHash(param, sql`${`${subject.type}/`}::text || ${id}`)} = any(${source}.tokens)
      and ${meets(filter, far, match)})`;
}

function isTested({ isFound, isNarrowed = false }: Subject): boolean {
  return isFound || isNarrowed;
}

/** The row at the far end: current, of its type, with what is asked of it, and visible. */
function meets(filter: Filter, far: Subject, match: Match): Sql {
  const row = raw(far.alias);
  return sql`${row}.type = ${typeCode(far.type)} and not ${row}.is_deleted and ${match(filter, far)}
    and ${far.visibilityOf([far.type]).where(far.alias)}`;
}

/** Alternatives of a row to be gathered are gathered one by one: of `a or b` the planner uses no index. */
function anyOf(ways: readonly Sql[], subject: Subject): Sql {
  if (ways.length === 1) return ways[0] as Sql;
  if (isTested(subject)) return sql`(${join(ways, ' or ')})`;
  const { alias, type } = subject;
  const row = raw(alias);
  const branches = ways.map(
    (way) => sql`
    select ${row}.bucket, ${row}.id from resource ${row} where ${row}.type = ${typeCode(type)} and ${way}`,
  );
  return sql`(${row}.bucket, ${row}.id) in (${join(branches, ' union all ')})`;
}
