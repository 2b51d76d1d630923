/**
 * The query of `_text` and `_content`: words that must all stand in the text, "phrases", `or`, `not`, parentheses. A word stands
 * where one begins with it; Chinese has no spaces, so there it stands anywhere.
 *
 * @see https://hl7.org/fhir/R4/search.html#content
 */
import { foldString } from '../fold.ts';
import { Problem } from '../problem.ts';

export type TextQuery =
  | { readonly kind: 'term'; readonly text: string }
  | { readonly kind: 'and' | 'or'; readonly of: readonly TextQuery[] }
  | { readonly kind: 'not'; readonly of: TextQuery };

/** Each is one walk through the text of a row. */
const termsMax = 32;
const depthMax = 16;

/** @throws Problem value for no words or open brackets, too-costly */
export function parseText(text: string, param: string): TextQuery {
  const tokens = foldString(text).match(/"[^"]*"|[()]|[^\s()"]+/g) ?? [];
  if (tokens.length > termsMax) {
    throw new Problem('too-costly', `${param} takes at most ${termsMax} words`, { expression: param });
  }
  let at = 0;
  const malformed = (): Problem =>
    new Problem('value', `${param} cannot be read`, {
      expression: param,
      hint: 'Write words, "phrases", and, or, not, and parentheses.',
    });
  const readOr = (depth: number): TextQuery => {
    if (depth > depthMax) throw malformed();
    const alternatives = [readAnd(depth)];
    while (tokens[at] === 'or') {
      at++;
      alternatives.push(readAnd(depth));
    }
    return joined('or', alternatives);
  };
  const readAnd = (depth: number): TextQuery => {
    const all: TextQuery[] = [];
    while (at < tokens.length && tokens[at] !== 'or' && tokens[at] !== ')') {
      if (tokens[at] === 'and' && all.length > 0) at++;
      all.push(readOne(depth));
    }
    if (all.length === 0) throw malformed();
    return joined('and', all);
  };
  const readOne = (depth: number): TextQuery => {
    const token = tokens[at++];
    if (token === undefined || token === ')') throw malformed();
    if (token === 'not') return { kind: 'not', of: readOne(depth) };
    if (token === '(') {
      const inner = readOr(depth + 1);
      if (tokens[at++] !== ')') throw malformed();
      return inner;
    }
    const term = token.replaceAll('"', '').trim();
    if (term === '') throw malformed();
    return { kind: 'term', text: term };
  };
  const query = readOr(0);
  if (at < tokens.length) throw malformed();
  return query;
}

function joined(kind: 'and' | 'or', of: readonly TextQuery[]): TextQuery {
  const [only] = of;
  return of.length === 1 && only !== undefined ? only : { kind, of };
}
