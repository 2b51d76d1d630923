/** NDJSON in pieces -> lines. Holds one line at a time, of bounded length. @see https://github.com/ndjson/ndjson-spec */
import { Problem } from '../../../src/fhir/problem.ts';

const newline = 0x0a;
const carriageReturn = 0x0d;

export interface Line {
  readonly bytes: Buffer;
  /** False for a last line that nothing ends: it may have been cut. */
  readonly isEnded: boolean;
}

/**
 * Each line. Empty lines are lines.
 * @throws Problem too-long for a line of more bytes than allowed
 */
export async function* readLines(pieces: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Line, void, void> {
  let held: Buffer[] = [];
  let bytes = 0;
  const add = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > bytesMax) {
      throw new Problem('too-long', `a line of the export has more than ${bytesMax} bytes`, {
        expression: 'lineBytesMax',
        hint: 'Raise the setting `lineBytesMax`, or have the source export documents without their content.',
      });
    }
    held.push(part);
  };
  const end = (isEnded: boolean): Line => {
    const line = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
    [held, bytes] = [[], 0];
    return { bytes: line.at(-1) === carriageReturn ? line.subarray(0, -1) : line, isEnded };
  };
  for await (const piece of pieces) {
    let start = 0;
    for (let at = piece.indexOf(newline); at >= 0; at = piece.indexOf(newline, start)) {
      add(piece.subarray(start, at));
      yield end(true);
      start = at + 1;
    }
    if (start < piece.length) add(piece.subarray(start));
  }
  if (bytes > 0) yield end(false);
}
