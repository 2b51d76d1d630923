/**
 * `_text` and `_content`: words of the narrative, or of all texts of a resource. They are read from the bodies of the rows that a
 * compartment has found, and nothing is kept for them: a full text index costs each write more than the searches are worth
 * (docs/decisions/0016-what-search-parameters-mean.md has the figures).
 *
 * @see https://hl7.org/fhir/R4/search.html#content
 */
import { join, raw, sql, type Sql } from '../../db/sql.ts';
import { markRanges } from '../../fhir/fold.ts';
import { han, variantsOf } from '../../fhir/hanzi.ts';
import type { TextFilter } from '../../fhir/search-request.ts';
import type { TextQuery } from '../../fhir/search/text.ts';

export function matchText({ source, query }: TextFilter, alias: string): Sql {
  const body = sql`${raw(alias)}.body::jsonb`;
  const text =
    source === 'narrative'
      ? sql`${body} #>> '{text,div}'`
      : sql`(select string_agg(v #>> '{}', ' ') from jsonb_path_query(${body}, 'strict $.** ? (@.type() == "string")') v)`;
  // `offset 0`: the text is made once, not for each word.
  return sql`exists (select from (select ${folded(text)} offset 0) t (text) where ${meets(query)})`;
}

/** As fhir/fold.ts, without the tags of a narrative. */
function folded(text: Sql): Sql {
  const bare = sql`regexp_replace(${text}, '<[^>]*>', ' ', 'g')`;
  // PostgreSQL, too, takes the square of a run of marks, and cannot be stopped while it does.
  const safe = sql`regexp_replace(${bare}, ${`([${markRanges()}]{30})[${markRanges()}]+`}::text, '\\1', 'g')`;
  const plain = sql`normalize(${safe}, NFKD)`;
  const unmarked = sql`regexp_replace(${plain}, ${'[\u0300-\u036f]'}::text, '', 'g')`;
  return sql`regexp_replace(normalize(lower(${unmarked}), NFKC), '\\s+', ' ', 'g')`;
}

function meets(query: TextQuery): Sql {
  switch (query.kind) {
    case 'term':
      return sql`coalesce(t.text ~ ${pattern(query.text)}, false)`;
    case 'not':
      return sql`not ${meets(query.of)}`;
    default:
      return sql`(${join(query.of.map(meets), query.kind === 'and' ? ' and ' : ' or ')})`;
  }
}

/** Where a word begins with the term; every character but letters and digits is itself. */
function pattern(term: string): string {
  const text = Array.from(term.replaceAll('\u0000', ''), (character) => {
    // The body is as it was sent, and the term is folded.
    if (han.test(character)) return `[${variantsOf(character)}]`;
    return /[\p{L}\p{N}]/u.test(character) ? character : `\\${character}`;
  }).join('');
  return /^[a-z0-9]/.test(term) ? `\\m${text}` : text;
}
