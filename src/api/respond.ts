/**
 * How answers leave: status, headers, body; and the only place where a Problem becomes an OperationOutcome. Bodies are
 * strings, ready to be sent: a resource goes out as it is stored.
 *
 * @see https://hl7.org/fhir/R4/http.html#Status-Codes
 */
import type { ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { proofAlgorithms } from '../access/oauth/dpop.ts';
import { Throttled } from '../access/rate/rates.ts';
import { Problem, type ProblemCode, type ProblemDetail } from '../fhir/problem.ts';

export interface Answer {
  readonly status: number;
  readonly body?: string;
  /** Instead of a body, one that does not fit in memory. */
  readonly chunks?: AsyncIterable<string>;
  /** Of chunks: header fields that are known when all of them have left. */
  readonly trailers?: () => Readonly<Record<string, string>>;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A refusal whose status HTTP itself prescribes, where the table below would choose another. */
export class HttpProblem extends Problem {
  readonly status: number;
  constructor(status: number, code: ProblemCode, diagnostics: string, detail: ProblemDetail = {}) {
    super(code, diagnostics, detail);
    this.status = status;
  }
}

/** Everything that is wrong with what was sent, so that its sender need not find out one by one. */
export class ProblemList extends Problem {
  readonly all: readonly Problem[];
  constructor(all: readonly Problem[]) {
    const [first] = all;
    super(first?.code ?? 'invalid', first?.message ?? 'invalid', { expression: first?.expression });
    this.all = all;
  }
}

export const fhirJson = 'application/fhir+json; charset=utf-8';

const statuses: Record<ProblemCode, number> = {
  structure: 400,
  required: 422,
  value: 422,
  invariant: 422,
  invalid: 422,
  'code-invalid': 422,
  'not-supported': 400,
  'not-found': 404,
  deleted: 410,
  'multiple-matches': 412,
  duplicate: 409,
  conflict: 409,
  'lock-error': 412,
  'business-rule': 422,
  'too-long': 413,
  'too-costly': 403,
  throttled: 429,
  login: 401,
  expired: 401,
  forbidden: 403,
  transient: 503,
  timeout: 503,
  exception: 500,
};

/**
 * 422 says that the resource sent breaks a rule; the same fault in a URL is a bad request.
 * @see https://hl7.org/fhir/R4/http.html#search 400 for a search that could not be processed
 */
export function statusOf(problem: Problem, sendsResource: boolean): number {
  if (problem instanceof HttpProblem) return problem.status;
  if (problem instanceof ProblemList && problem.all[0] !== undefined) return statusOf(problem.all[0], sendsResource);
  const status = statuses[problem.code];
  return status === 422 && !sendsResource ? 400 : status;
}

/** One text for unknown, hidden and deleted: what may not be seen is not there. */
const notFoundBody = outcomeOf([
  {
    severity: 'error',
    code: 'not-found',
    diagnostics: 'There is no such resource, or it is not visible with this token.',
  },
]);

export interface Issue {
  readonly severity: 'error' | 'warning' | 'information';
  readonly code: string;
  readonly diagnostics: string;
  readonly expression?: readonly string[];
  readonly hint?: string;
}

/** @see https://hl7.org/fhir/R4/operationoutcome.html */
export function outcomeOf(issues: readonly Issue[]): string {
  return JSON.stringify({
    resourceType: 'OperationOutcome',
    issue: issues.map(({ severity, code, diagnostics, expression = [], hint }) => ({
      severity,
      code,
      ...(hint === undefined ? {} : { details: { text: hint } }),
      diagnostics,
      ...(expression.length === 0 ? {} : { expression }),
    })),
  });
}

export function issueOf(problem: Problem, severity: Issue['severity'] = 'error'): Issue {
  return {
    severity,
    code: problem.code,
    diagnostics: problem.message,
    expression: problem.expression,
    hint: problem.hint,
  };
}

const retrySeconds = '1';
const challenges = `Bearer realm="hub", error="invalid_token", DPoP algs="${proofAlgorithms.join(' ')}"`;

/**
 * @param correlationId names the log line of what is our fault; the cause itself stays with us
 */
export function answerOf(error: unknown, sendsResource: boolean, correlationId: string): Answer {
  if (!(error instanceof Problem)) {
    const diagnostics = `An error of the hub. Its operator finds the cause under ${correlationId}.`;
    return { status: 500, body: outcomeOf([{ severity: 'error', code: 'exception', diagnostics }]) };
  }
  const status = statusOf(error, sendsResource);
  if (error.code === 'not-found' && !(error instanceof HttpProblem)) return { status, body: notFoundBody };
  const headers: Record<string, string> = {};
  // RFC 9110 section 11.6.1 wants the challenge; RFC 6750 section 3.1 the reason.
  // RFC 9449 section 7.1: which proofs are taken, beside bearer tokens.
  if (status === 401) headers['www-authenticate'] = challenges;
  if (status === 403 && error.code === 'forbidden')
    headers['www-authenticate'] = 'Bearer realm="hub", error="insufficient_scope"';
  if (status === 503 || status === 429) {
    headers['retry-after'] = error instanceof Throttled ? String(error.retrySeconds) : retrySeconds;
  }
  // What is left of the body is not read; nothing else could come on this connection.
  if (status === 413) headers['connection'] = 'close';
  return {
    status,
    headers,
    body: outcomeOf((error instanceof ProblemList ? error.all : [error]).map((problem) => issueOf(problem))),
  };
}

/**
 * Every answer of the API: nothing is kept by caches, nothing is rendered or sniffed by browsers.
 * @see LEAKS: a cached answer outlives a revoked consent
 */
export const commonHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

export function respond(response: ServerResponse, answer: Answer): void {
  const { status, body, chunks, headers, contentType = fhirJson } = answer;
  if (chunks !== undefined) {
    response.writeHead(status, { ...commonHeaders, 'content-type': contentType, ...headers });
    // An error half way cuts the answer: chunked encoding lets the caller see that it is not whole.
    pipeline(withTrailers(response, chunks, answer), response).catch(() => response.destroy());
    return;
  }
  if (body === undefined) {
    response.writeHead(
      status,
      status === 304 || status === 204
        ? { ...commonHeaders, ...headers }
        : { ...commonHeaders, ...headers, 'content-length': 0 },
    );
    response.end();
    return;
  }
  const content = body.length < bytesAtOnceMin ? body : Buffer.from(body);
  response.writeHead(status, {
    ...commonHeaders,
    'content-type': contentType,
    'content-length': Buffer.byteLength(content),
    ...headers,
  });
  response.end(content);
}

/** The chunks, and behind the last what is only then known. @see https://www.rfc-editor.org/rfc/rfc9110#name-trailer-fields */
export async function* withTrailers(
  response: ServerResponse,
  chunks: AsyncIterable<string>,
  { trailers }: Answer,
): AsyncGenerator<string> {
  yield* chunks;
  if (trailers !== undefined) response.addTrailers(trailers());
}

/** A short text leaves in one packet with its head; a long one is made bytes once, and not walked for its length and again to be sent. */
const bytesAtOnceMin = 32_768;
