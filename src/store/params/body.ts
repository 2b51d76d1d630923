/**
 * Values read from the body, where the index has their hashes alone: to order by them, and for questions that are too rare to
 * pay for in every row. Parsing costs 30 us a row, so it is for rows that something else has found.
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { sortPaths } from '../../fhir/json-path.ts';
import type { SearchParam } from '../../fhir/search-request.ts';

/** The texts of a parameter in a row, as a table expression with one column `text`; undefined when no path leads to them. */
export function findTexts(param: SearchParam, type: string, alias: string): Sql | undefined {
  const found = sortPaths(param, type)?.map(
    (path) => sql`select jsonb_path_query(b.body, ${path}::jsonpath) #>> '{}' as text`,
  );
  return (
    found &&
    sql`(select t.text from (select ${raw(alias)}.body::jsonb) b (body)
      cross join lateral (${join(found, ' union all ')}) t)`
  );
}

/** Of a parameter whose expression is a path, as all but one of R4 are. */
export function textsOf(param: SearchParam, type: string, alias: string): Sql {
  return findTexts(param, type, alias) ?? sql`(select null::text as text where false)`;
}
