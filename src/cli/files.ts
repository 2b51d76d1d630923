/** Files that a command is given: one that is not there is an answer, not a defect. */
import { accessSync, constants, readFileSync } from 'node:fs';
import { Problem } from '../fhir/problem.ts';

/** @param file `-` is stdin @throws Problem not-found */
export function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** @throws Problem not-found */
export function textOf(file: string): string {
  return bytesOf(file).toString('utf8');
}

/** Of what is read later, or bit by bit. @param path of a file or a folder @throws Problem not-found */
export function assertReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): Problem {
  return new Problem('not-found', `${path} cannot be read`, { hint: 'Is the path right, and may you read it?', cause });
}
