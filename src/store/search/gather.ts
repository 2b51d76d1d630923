/**
 * A search that only a chain or a reverse chain narrows, begun at its far end: first the rows there, then what is linked to
 * them, step by step back to the rows searched. Each step is a subquery of its own (`offset 0`) that begins with the rows of
 * the one before: PostgreSQL cannot know how many a chain leads to, and would rather read all rows of a type.
 *
 * Numbers: docs/decisions/0015-search-across-references.md.
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import type { ChainFilter, CompartmentFilter, Filter, HasFilter } from '../../fhir/search-request.ts';
import { typeCode } from '../../fhir/types.ts';
import { farOf, hashOf, isCurrent, livesWith, meets, rowsWithKey, type Match, type Subject } from './chain.ts';
import { membersOf } from '../compartment-rows.ts';
import { bucketOf, referencesOf } from './references.ts';

export type LinkFilter = ChainFilter | HasFilter | CompartmentFilter;

export function isLink(filter: Filter): filter is LinkFilter {
  return filter.kind === 'chain' || filter.kind === 'has' || filter.kind === 'compartment';
}

/** A query for `bucket, type, id` of the rows of the subject's type that the filter leads to, each once; who may see them is not asked. */
export function gather(filter: LinkFilter, subject: Subject, match: Match): Sql {
  if (filter.kind === 'compartment') return membersOf(filter, subject);
  if (filter.kind === 'has') return referredTo(filter, subject, match);
  const ways = filter.targets.map((target) => {
    const far = farOf(subject, target.type, 't', false);
    return referring(filter.index, subject, far, found(target.filter, far, match));
  });
  return join(ways, ' union ');
}

/** A query for the columns of every current, visible row of the type that meets the filter. */
function found(filter: Filter, far: Subject, match: Match): Sql {
  const row = raw(far.alias);
  if (!isLink(filter)) return sql`select ${row}.* from resource ${row} where ${meets(filter, far, match)}`;
  return sql`
    select ${row}.* from (${gather(filter, far, match)}) ${raw(`${far.alias}_by`)}
    cross join lateral (
      select * from resource ${row}
      where ${row}.bucket = ${raw(`${far.alias}_by`)}.bucket and ${row}.id = ${raw(`${far.alias}_by`)}.id
        and ${isCurrent(far)} and ${far.visibilityOf([far.type]).where(far.alias)} offset 0) ${row}`;
}

/** Rows of the subject's type that refer to any of the found ones. */
function referring(param: string, { type, alias }: Subject, far: Subject, targets: Sql): Sql {
  const [row, target] = [raw(alias), raw(far.alias)];
  const hash = hashOf(param, far.type, sql`${target}.id`);
  if (livesWith(type, param, far.type)) {
    return sql`
      select ${row}.bucket, ${row}.type, ${row}.id from (select bucket, id from (${targets}) t offset 0) ${target}
      cross join lateral (
        select ${row}.bucket, ${row}.type, ${row}.id from resource ${row}
        where ${row}.bucket = ${target}.bucket and ${row}.patient = ${target}.id and ${isCurrent({ type, alias })}
          and ${hash} = any(${row}.tokens) offset 0) ${row}`;
  }
  return sql`
    select ${row}.bucket, ${row}.type, ${row}.id
    from ${rowsWithKey(sql`array(select ${hash} from (${targets}) ${target})`, alias)} where ${isCurrent({ type, alias })}`;
}

/** Rows of the subject's type that any of the found ones refers to. */
function referredTo({ index: param, type, filter }: HasFilter, subject: Subject, match: Match): Sql {
  const far = farOf(subject, type, 's', false);
  const source = raw(far.alias);
  const sources = found(filter, far, match);
  if (livesWith(type, param, subject.type)) {
    const hash = hashOf(param, subject.type, sql`${source}.patient`);
    return sql`
      select distinct ${source}.bucket, ${typeCode(subject.type)}::smallint as type, ${source}.patient as id from (${sources}) ${source}
      where ${hash} = any(${source}.tokens)`;
  }
  const name = `${far.alias}_to`;
  const id = raw(`${name}.id`);
  return sql`
    select distinct ${bucketOf(subject.type, id)} as bucket, ${typeCode(subject.type)}::smallint as type, ${id} as id
    from (${sources}) ${source} cross join lateral ${referencesOf(raw(`${far.alias}.body`), subject.type, name)}
    where ${hashOf(param, subject.type, id)} = any(${source}.tokens)`;
}
