/** Tests as documents name them: the file, and how the title of one of its tests begins. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** `file`: title; `file`: title */
export function testsIn(cell: string): { file: string; title: string }[] {
  return [...cell.matchAll(/`([^`]+\.test\.ts)`: (.+?)(?=; `test|$)/g)].map(([, file = '', title = '']) => ({
    file,
    title,
  }));
}

/** The title stands in the file as a literal, in quotes or at the head of a template, or after what varies of one. */
export function hasTitle(file: string, title: string): boolean {
  const path = join(root, file);
  if (!existsSync(path)) return false;
  const source = readFileSync(path, 'utf8');
  return ["'", '"', '`', '}', '} '].some((quote) => source.includes(`${quote}${title}`));
}
