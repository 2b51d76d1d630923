/** A guard of docs/leaks.md as an edit that removes it, and the tests that notice. */
export interface Guard {
  /** Number of docs/leaks.md. */
  readonly leak: number;
  readonly what: string;
  readonly file: string;
  /** Text that the file has once. */
  readonly from: string;
  /** What somebody might have written by mistake: valid, so that the tests fail for the leak and not for the syntax. */
  readonly to: string;
  /** The test files that notice. */
  readonly tests: readonly string[];
  /** Only the tests whose title has this text: of files that take long. */
  readonly grep?: string;
}
