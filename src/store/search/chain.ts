/**
 * Chains and reverse chains as conditions on a row that something else has found: its references are followed, or those to it
 * looked up. Every row on the way carries the caller's visibility with the scope of its own type: a hidden one is as if it were
 * not there (LEAKS 2). A search that nothing else narrows begins at the far end instead (gather.ts).
 *
 * @see https://hl7.org/fhir/R4/search.html#chaining
 * @see https://hl7.org/fhir/R4/search.html#has
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { tokenHash } from '../../fhir/hash.ts';
import type { ChainFilter, ChainTarget, Filter, HasFilter } from '../../fhir/search-request.ts';
import { typeCode } from '../../fhir/types.ts';
import type { Aliases } from '../params/reference.ts';
import { hasToken } from '../params/token.ts';
import { isCompartmentParam } from '../place.ts';
import { bucketNear, referenceHash, referencesOf } from './references.ts';
import type { VisibilityOf } from '../visibility.ts';

/** A row that conditions are about. */
export interface Subject {
  readonly type: string;
  /** Of a row of any of several types; then `type` is one of them, and conditions are those that every type has. */
  readonly types?: readonly string[];
  /** Of `resource`. What is joined to it gets an alias that begins with this one. */
  readonly alias: string;
  /** Something else finds the row (its compartment, its id): conditions on it need no index. */
  readonly isFound: boolean;
  readonly aliases: Aliases;
  readonly visibilityOf: VisibilityOf;
}

/** Compiles the condition at the far end of a reference. */
export type Match = (filter: Filter, subject: Subject) => Sql;

export function matchChain({ index, targets }: ChainFilter, subject: Subject, match: Match): Sql {
  return sql`(${join(
    targets.map((target) => leadsTo(target, index, subject, match)),
    ' or ',
  )})`;
}

function leadsTo({ type, filter }: ChainTarget, param: string, subject: Subject, match: Match): Sql {
  const row = raw(subject.alias);
  const far = farOf(subject, type, 't', true);
  const target = raw(far.alias);
  const hash = hashOf(param, type, sql`${target}.id`);
  if (livesWith(subject.type, param, type)) {
    return sql`exists (
      select from resource ${target}
      where ${target}.bucket = ${row}.bucket and ${target}.id = ${row}.patient and ${hash} = any(${row}.tokens)
        and ${meets(filter, far, match)})`;
  }
  const name = `${far.alias}_to`;
  const id = raw(`${name}.id`);
  return sql`(${hasToken([tokenHash(param, undefined, undefined)], subject.alias)} and exists (
    select from ${referencesOf(raw(`${subject.alias}.body`), type, name)} cross join lateral (
      select from resource ${target}
      where ${target}.bucket = ${bucketNear(sql`${row}.bucket`, type, id)} and ${target}.id = ${id}
        and ${hash} = any(${row}.tokens) and ${meets(filter, far, match)} offset 0) ${target}))`;
}

export function matchHas({ index: param, type, filter }: HasFilter, subject: Subject, match: Match): Sql {
  const row = raw(subject.alias);
  const far = farOf(subject, type, 's', true);
  const source = raw(far.alias);
  const hash = hashOf(param, subject.type, sql`${row}.id`);
  if (livesWith(type, param, subject.type)) {
    return sql`exists (
      select from resource ${source}
      where ${source}.bucket = ${row}.bucket and ${source}.patient = ${row}.id and ${hash} = any(${source}.tokens)
        and ${meets(filter, far, match)})`;
  }
  return sql`exists (select from ${rowsWithKey(sql`array[${hash}]`, far.alias)} where ${meets(filter, far, match)})`;
}

/** The row at the other end of a reference: `t`, to which it leads, or `s`, from which it comes. */
export function farOf(
  { alias, aliases, visibilityOf }: Subject,
  type: string,
  end: 't' | 's',
  isFound: boolean,
): Subject {
  return { type, alias: alias + end, isFound, aliases, visibilityOf };
}

/** A row lives with the patient it refers to by one of these: columns say so, and no reference need be followed. */
export function livesWith(type: string, param: string, target: string): boolean {
  return target === 'Patient' && isCompartmentParam(type, param);
}

/** Under which a row keeps a reference to this id. */
export function hashOf(param: string, type: string, id: Sql): Sql {
  return referenceHash(param, sql`${`${type}/`}::text || ${id}`);
}

/**
 * Rows with any of these keys, by the GIN index alone. The planner does not know a key that the statement makes, takes it for
 * a common one, and would intersect it with every row of the type: 26 ms where the keys take 0.05 (80,000 rows of the type).
 */
export function rowsWithKey(keys: Sql, alias: string): Sql {
  return sql`(select * from resource k where k.keys && ${keys} offset 0) ${raw(alias)}`;
}

/** The row at the far end: current, of its type, with what is asked of it, and visible. */
export function meets(filter: Filter, far: Subject, match: Match): Sql {
  return sql`${isCurrent(far)} and ${match(filter, far)} and ${far.visibilityOf([far.type]).where(far.alias)}`;
}

export function isCurrent({ type, types, alias }: Pick<Subject, 'type' | 'types' | 'alias'>): Sql {
  const row = raw(alias);
  const isOfType =
    types === undefined
      ? sql`${row}.type = ${typeCode(type)}`
      : sql`${row}.type = any(${types.map(typeCode)}::smallint[])`;
  return sql`${isOfType} and not ${row}.is_deleted`;
}
