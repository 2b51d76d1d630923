/**
 * ValueSet.compose.include.filter as conditions over one alias of `concept`.
 *
 * @see https://hl7.org/fhir/R4/valueset-filter-operator.html
 */
import { join, raw, sql, textArray, type Sql } from '../../db/sql.ts';
import { Problem } from '../../fhir/problem.ts';
import { safeRegex, type ComposeFilter } from '../../fhir/terminology.ts';

/** Values of one `in`: each is compared with each concept. */
const valuesMax = 1_000;

/** @throws Problem not-supported for an operator that R4 does not have, or a regular expression that is not safe */
export function matchFilter({ property, op, value }: ComposeFilter, alias: string): Sql {
  const c = raw(alias);
  switch (op) {
    case 'is-a':
      return isA(alias, value);
    case 'descendent-of':
      return isUnder(alias, value);
    case 'is-not-a':
      return sql`not ${isA(alias, value)}`;
    case 'generalizes':
      return sql`(${c}.code = ${value} or exists (select from concept_ancestor h
        where h.system = ${c}.system and h.code = ${value} and h.ancestor = ${c}.code))`;
    case '=':
      return hasValue(property, [value], alias);
    case 'in':
      return hasValue(property, valuesOf(value), alias);
    case 'not-in':
      return sql`not ${hasValue(property, valuesOf(value), alias)}`;
    case 'regex':
      // The whole value must match, as in the schemas of R4: `[0-9]{3}` of the ISO codes is no four digits.
      return compare(property, alias, (text) => sql`${text} ~ ${`^(?:${safeRegex(value)})$`}`);
    case 'exists':
      return value === 'false' ? sql`not ${exists(property, alias)}` : exists(property, alias);
    default:
      throw new Problem('not-supported', 'this filter operator is not one of R4', {
        expression: 'ValueSet.compose.include.filter.op',
        hint: 'One of =, is-a, descendent-of, is-not-a, regex, in, not-in, generalizes, exists.',
      });
  }
}

function valuesOf(text: string): string[] {
  const values = text.split(',').map((value) => value.trim());
  if (values.length > valuesMax) throw new Problem('too-costly', `at most ${valuesMax} values of a filter`);
  return values;
}

function isUnder(alias: string, ancestor: string): Sql {
  return sql`exists (select from concept_ancestor h
    where h.system = ${raw(alias)}.system and h.code = ${raw(alias)}.code and h.ancestor = ${ancestor})`;
}

/** One list and not `or`, so that it is joined: 7,000 of 71,000 codes in 40 ms, not 440 (two busy cores). */
function isA(alias: string, top: string): Sql {
  const c = raw(alias);
  return sql`exists (
    select from (
      select t.system, t.code from concept t where t.code = ${top}
      union all select h.system, h.code from concept_ancestor h where h.ancestor = ${top}) h
    where h.system = ${c}.system and h.code = ${c}.code)`;
}

function hasValue(property: string, values: readonly string[], alias: string): Sql {
  return compare(property, alias, (text) => sql`${text} = any(${textArray(values)}::text[])`);
}

/** `code`, `display` and the place in the hierarchy are of every code system; the rest are its properties. */
function compare(property: string, alias: string, matches: (text: Sql) => Sql): Sql {
  const c = raw(alias);
  switch (property) {
    case 'code':
    case 'concept':
      return matches(sql`${c}.code`);
    case 'display':
      return sql`coalesce(${matches(sql`${c}.display`)}, false)`;
    case 'parent':
      return sql`exists (select from concept_ancestor h where h.system = ${c}.system and h.code = ${c}.code
        and h.distance = 1 and ${matches(raw('h.ancestor'))})`;
    case 'child':
      return sql`exists (select from concept_ancestor h where h.system = ${c}.system and h.ancestor = ${c}.code
        and h.distance = 1 and ${matches(raw('h.code'))})`;
    case 'inactive':
      return matches(sql`${c}.is_inactive::text`);
    default:
      return sql`exists (select from jsonb_array_elements(${c}.properties) p
        where p.value ->> 'code' = ${property} and ${matches(propertyText)})`;
  }
}

function exists(property: string, alias: string): Sql {
  return compare(property, alias, (text) => sql`${text} is not null`);
}

/** As `textOf` of fhir/terminology.ts. */
const propertyText = join(
  [
    raw(`coalesce(p.value ->> 'valueCode', p.value ->> 'valueString', p.value -> 'valueCoding' ->> 'code'`),
    raw(
      `p.value ->> 'valueInteger', p.value ->> 'valueBoolean', p.value ->> 'valueDateTime', p.value ->> 'valueDecimal')`,
    ),
  ],
  ', ',
);
