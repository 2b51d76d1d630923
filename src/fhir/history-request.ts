/** What a history is asked for. @see https://hl7.org/fhir/R4/http.html#history */
import { parseDate } from './dates.ts';
import { Problem } from './problem.ts';
import { countDefault, countMax, parsePartsOfRead, type SearchRequest } from './search.ts';

export interface HistoryRequest {
  readonly count: number;
  /** Versions made at or after it; epoch milliseconds. */
  readonly since?: number;
  /** Versions that were current at some time within it; epoch milliseconds, half-open. */
  readonly at?: { readonly low: number; readonly high: number };
  readonly cursor?: string;
  /** Of each resource. */
  readonly parts: Pick<SearchRequest, 'summary' | 'elements'>;
  /** In effect, without the cursor: what links repeat. */
  readonly parameters: readonly (readonly [string, string])[];
}

/** Read by everybody who answers. */
const ofAnswers = new Set(['_format', '_pretty']);
const known = new Set(['_count', '_since', '_at', '_cursor', '_summary', '_elements']);

/** @throws Problem value, invalid; not-supported for an unknown parameter under strict handling */
export function parseHistory(query: string, { handling }: { handling: 'strict' | 'lenient' }): HistoryRequest {
  const values = new Map<string, string>();
  const parameters: [string, string][] = [];
  for (const [name, value] of new URLSearchParams(query)) {
    if (known.has(name)) {
      if (values.has(name)) throw new Problem('invalid', `${name} may stand once`, { expression: name });
      values.set(name, value);
    } else if (!ofAnswers.has(name)) {
      if (handling === 'lenient') continue;
      throw new Problem('not-supported', 'a history does not have this parameter', {
        expression: /^[\w:.-]{1,64}$/.test(name) ? name : '(parameter)',
        hint: 'It takes _count, _since and _at.',
      });
    }
    if (name !== '_cursor') parameters.push([name, value]);
  }
  const [count, since, at, cursor] = ['_count', '_since', '_at', '_cursor'].map((name) => values.get(name));
  return {
    count: count === undefined ? countDefault : readCount(count),
    ...(since === undefined ? {} : { since: readInterval(since, '_since').low }),
    ...(at === undefined ? {} : { at: readInterval(at, '_at') }),
    ...(cursor === undefined ? {} : { cursor }),
    parts: parsePartsOfRead(values),
    parameters,
  };
}

function readCount(text: string): number {
  if (/^\d{1,9}$/.test(text) && Number(text) > 0) return Math.min(Number(text), countMax);
  throw new Problem('value', '_count is a whole number from 1 on', { expression: '_count' });
}

function readInterval(text: string, expression: string): { low: number; high: number } {
  try {
    // A `+` of a zone that was not escaped arrives as a space.
    return parseDate(text.replace(' ', '+'));
  } catch (cause) {
    throw new Problem('value', `${expression} is no FHIR date`, {
      expression,
      hint: 'Write 2024-03-31T08:00:00Z.',
      cause,
    });
  }
}
