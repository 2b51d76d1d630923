/**
 * Rows -> searchset, by concatenation: bodies are JSON already, and parsing them to print them again would cost more than
 * the search.
 *
 * @see https://hl7.org/fhir/R4/bundle.html#searchset
 */
import type { Problem } from '../fhir/problem.ts';
import { issueOf, outcomeOf } from './respond.ts';

export interface SearchsetEntry {
  readonly type: string;
  readonly id: string;
  readonly body: string;
}

export interface Searchset {
  /** FHIR base URL. */
  readonly base: string;
  /** Matches, in order. */
  readonly entries: readonly SearchsetEntry[];
  /** What `_include` and `_revinclude` brought. */
  readonly included?: readonly SearchsetEntry[];
  /** Of the matches; undefined: not counted. */
  readonly total?: number;
  readonly self: string;
  readonly next?: string;
  /** What lenient handling ignored. */
  readonly issues: readonly Problem[];
}

export function toSearchset({ base, entries, included = [], total, self, next, issues }: Searchset): string {
  let text = '{"resourceType":"Bundle","type":"searchset"';
  if (total !== undefined) text += `,"total":${total}`;
  text += `,"link":[{"relation":"self","url":${JSON.stringify(self)}}`;
  if (next !== undefined) text += `,{"relation":"next","url":${JSON.stringify(next)}}`;
  text += ']';
  const entryOf = ({ type, id, body }: SearchsetEntry, mode: 'match' | 'include'): string =>
    `{"fullUrl":"${base}/${type}/${id}","resource":${body},"search":{"mode":"${mode}"}}`;
  const parts = entries.map((entry) => entryOf(entry, 'match'));
  for (const entry of included) parts.push(entryOf(entry, 'include'));
  if (issues.length > 0) {
    const outcome = outcomeOf(issues.map((problem) => issueOf(problem, 'warning')));
    parts.push(`{"resource":${outcome},"search":{"mode":"outcome"}}`);
  }
  // FHIR R4 json.html: an array is never empty.
  if (parts.length > 0) text += `,"entry":[${parts.join(',')}]`;
  return `${text}}`;
}

/**
 * The address of a search with the parameters in effect.
 * @param path below the base: `Observation`, `Patient/x/Observation`, '' for the whole server
 */
export function searchUrl(
  base: string,
  path: string,
  parameters: readonly (readonly [string, string])[],
  cursor?: string,
): string {
  const query = new URLSearchParams(parameters.map(([name, value]): [string, string] => [name, value]));
  if (cursor !== undefined) query.append('_cursor', cursor);
  const address = path === '' ? base : `${base}/${path}`;
  return query.size === 0 ? address : `${address}?${query.toString()}`;
}
