/** What holds of every answer, whatever was asked. */
import { countMax } from '../../../src/fhir/search.ts';
import { includedMax } from '../../../src/store/search/include.ts';
import type { FuzzRequest } from './requests.ts';
import { canary, type FuzzAnswer } from './world.ts';

/**
 * Those that R4 names (http.html#Status-Codes and the paragraphs of each interaction), Bulk Data's 202 and 429, and 414 of
 * RFC 9110. 503 asks for the request again: the database was too busy to tell.
 */
const statuses = new Set([
  200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 414, 415, 422, 429, 503,
]);

/** A page of the largest count, of resources as long as these requests make them. */
const answerBytesMax = 32_000_000;
/** Matches, what they include, and one entry of what was ignored. $everything alone is no page. */
const entriesMax = countMax + includedMax + 1;

interface Json {
  readonly [name: string]: unknown;
}

/** @returns what is wrong with the answer; undefined when nothing is */
export function wrongWith(request: FuzzRequest, answer: FuzzAnswer): string | undefined {
  const { status, headers, text, bytes } = answer;
  if (!statuses.has(status)) return `status ${status}`;
  if (bytes > answerBytesMax) return `an answer of more than ${answerBytesMax} bytes`;
  if (text.includes(canary) || JSON.stringify(headers).includes(canary)) return 'a hidden record was shown';
  if (headers['x-content-type-options'] !== 'nosniff') return `${status} without nosniff`;
  if (request.method === 'HEAD' || status === 204 || status === 304)
    return text === '' ? undefined : `${status} with a body`;
  if (text === '')
    return /return=minimal/.test(request.headers['prefer'] ?? '') || status === 202
      ? undefined
      : `${status} without a body`;
  const isPage = !request.url.includes('$everything');
  return wrongWithBody(status, text, { type: String(headers['content-type']), isPage });
}

function wrongWithBody(
  status: number,
  text: string,
  { type, isPage }: { readonly type: string; readonly isPage: boolean },
): string | undefined {
  const body = jsonOf(text);
  if (body === undefined) {
    return type.includes('ndjson') &&
      text
        .trimEnd()
        .split('\n')
        .every((line) => jsonOf(line) !== undefined)
      ? undefined
      : `${status} without JSON`;
  }
  if (status >= 400) return wrongWithOutcome(status, body);
  const entries = Array.isArray(body['entry']) ? (body['entry'] as Json[]) : [];
  if (isPage && body['type'] === 'searchset' && entries.length > entriesMax)
    return `${entries.length} entries on a page`;
  const failed = entries.find(({ response }) => isFailure((response as Json | undefined)?.['status']));
  return failed === undefined ? undefined : `an entry of a Bundle is ${JSON.stringify(failed['response'])}`;
}

function isFailure(status: unknown): boolean {
  return typeof status === 'string' && status.startsWith('500');
}

/** @see https://hl7.org/fhir/R4/http.html#Status-Codes "an OperationOutcome with additional detail" */
function wrongWithOutcome(status: number, { resourceType, issue }: Json): string | undefined {
  if (resourceType !== 'OperationOutcome' || !Array.isArray(issue) || issue.length === 0)
    return `${status} without an OperationOutcome`;
  for (const { severity, code, diagnostics } of issue as Json[]) {
    if (typeof severity !== 'string' || typeof code !== 'string' || typeof diagnostics !== 'string')
      return `${status} with an issue that says nothing`;
    if (code === 'exception') return `${status} with an error of the hub`;
  }
  return undefined;
}

function jsonOf(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
