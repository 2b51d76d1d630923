/** The guards as a section of docs/privacy.md, made from the list: `npm run leaks -- --table`. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { guards } from './guards.ts';
import { root } from './project.ts';

const path = join(root, 'docs/privacy.md');
export const [begin, end] = ['<!-- guards: made by npm run leaks -->', '<!-- end of guards -->'];

/** A row for each guard, as wide as oxfmt makes it. */
export function tableOf(): string {
  const head = ['way', 'guard', 'in', 'tests that notice'];
  const rows = guards.map(({ leak, what, file, tests }) => [
    String(leak),
    what,
    `\`${file}\``,
    tests.map((one) => `\`${one.replace('test/', '')}\``).join(', '),
  ]);
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => (row[at] as string).length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, at) => cell.padEnd(widths[at] as number)).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

/** @returns what stands between the marks */
export async function writtenTable(): Promise<string | undefined> {
  return (await readFile(path, 'utf8')).split(begin)[1]?.split(end)[0]?.trim();
}

export async function writeTable(): Promise<void> {
  const text = await readFile(path, 'utf8');
  const [before = ''] = text.split(begin);
  const [, after = ''] = text.split(end);
  await writeFile(path, `${before}${begin}\n\n${tableOf()}\n\n${end}${after}`);
}
