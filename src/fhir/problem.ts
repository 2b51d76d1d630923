/**
 * The one expected error of the hub. `code` is FHIR's own IssueType, so every border can render it:
 * `api/respond.ts` as OperationOutcome and status, `adapters/hl7v2/ack.ts` as MSA and ERR.
 *
 * Anything thrown that is not a Problem is our bug. A message never holds patient data.
 *
 * @see https://hl7.org/fhir/R4/valueset-issue-type.html
 */
export type ProblemCode =
  | 'structure'
  | 'required'
  | 'value'
  | 'invariant'
  | 'invalid'
  | 'code-invalid'
  | 'not-supported'
  | 'not-found'
  | 'deleted'
  | 'multiple-matches'
  | 'duplicate'
  | 'conflict'
  | 'lock-error'
  | 'business-rule'
  | 'too-long'
  | 'too-costly'
  | 'throttled'
  | 'login'
  | 'expired'
  | 'forbidden'
  | 'transient'
  | 'timeout'
  | 'exception';

export interface ProblemDetail {
  /** FHIRPath or HL7v2 position (`PID-3.1`) of what is wrong. */
  readonly expression?: string | readonly string[];
  /** What the sender can do about it, in one sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly expression: readonly string[];
  readonly hint: string | undefined;
  /** Which of several things that were sent together it is about; said by who handles them one by one ({@link atIndex}). */
  index: number | undefined;

  constructor(code: ProblemCode, diagnostics: string, detail: ProblemDetail = {}) {
    super(diagnostics, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.expression =
      detail.expression === undefined
        ? []
        : typeof detail.expression === 'string'
          ? [detail.expression]
          : detail.expression;
    this.hint = detail.hint;
  }
}

/** The same error, saying which of several it is about. */
export function atIndex(index: number, error: unknown): unknown {
  if (error instanceof Problem) error.index = index;
  return error;
}
