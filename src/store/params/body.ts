/**
 * Values read from the body, where the index has their hashes alone: to order by them, and for questions that are too rare to
 * pay for in every row. An order by a code costs 13 us a row, so it is for rows that something else has found.
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { sortPaths } from '../../fhir/index/json-path.ts';
import type { SearchParam } from '../../fhir/search-request.ts';

const none = raw('(select null::text as text where false)');

/** The texts of a parameter in a row, as a table expression with one column `text`; undefined when no path leads to them. */
export function findTexts(param: SearchParam, type: string, alias: string): Sql | undefined {
  const paths = sortPaths(param, type);
  // R4 has one parameter whose path leads to no element (DeviceDefinition.classification).
  if (paths === undefined || paths.length === 0) return paths && none;
  const found = paths.map((path) => sql`select jsonb_path_query(b.body, ${path}::jsonpath) #>> '{}' as text`);
  return sql`(select t.text from (select ${raw(alias)}.body::jsonb) b (body)
    cross join lateral (${join(found, ' union all ')}) t)`;
}

/** Of a parameter whose expression is a path, as all but one of R4 are. */
export function textsOf(param: SearchParam, type: string, alias: string): Sql {
  return findTexts(param, type, alias) ?? none;
}
