/** A copy of the project that a guard can be removed from. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import type { Guard } from './guard.ts';

export const root = resolve(import.meta.dirname, '../../..');
const notCopied = new Set(['node_modules', '.git', 'coverage', 'data', 'bench']);
/** Of one guard's tests; some of them start hubs. */
const testsMsMax = 300_000;
/** Of one test, on a machine that has other things to do. */
const testMsMax = 60_000;
const reportBytesMax = 64 << 20;

/** What mocha's reporter `json` writes. */
export interface Report {
  readonly stats: { readonly passes: number; readonly failures: number };
  readonly failures: readonly {
    readonly fullTitle: string;
    readonly err: { readonly message?: string; readonly code?: string };
  }[];
}

export interface Project {
  /** Up to the first failure. @returns undefined when the run gave no report: it did not get as far as a test */
  test(wanted: Pick<Guard, 'tests' | 'grep'>): Promise<Report | undefined>;
  without<T>(guard: Guard, work: () => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** @param environment names a server with the template, as `environmentOf` of test/setup.ts does */
export async function openProject(environment: NodeJS.ProcessEnv = process.env): Promise<Project> {
  const copy = await mkdtemp(join(tmpdir(), 'hub-guards-'));
  await cp(root, copy, {
    recursive: true,
    filter: (path) => !notCopied.has(relative(root, path).split('/')[0] ?? ''),
  });
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  const report = join(copy, 'report.json');
  return {
    test: async ({ tests, grep }) => {
      await rm(report, { force: true });
      const mocha = join(root, 'node_modules/mocha/bin/mocha.js');
      const options = [
        '--no-config',
        '--timeout',
        String(testMsMax),
        '--exit',
        '--bail',
        ...(grep ? ['--fgrep', grep] : []),
      ];
      const reporting = ['--reporter', 'json', '--reporter-option', `output=${report}`];
      await new Promise<void>((done) => {
        const env = { ...process.env, ...environment, NODE_COMPILE_CACHE: join(copy, '.compiled') };
        const limits = { cwd: copy, timeout: testsMsMax, maxBuffer: reportBytesMax, env };
        execFile(process.execPath, [mocha, ...options, ...reporting, ...tests], limits, () => done());
      });
      try {
        return JSON.parse(await readFile(report, 'utf8')) as Report;
      } catch {
        return undefined;
      }
    },
    without: async (guard, work) => {
      const path = join(copy, guard.file);
      const source = await readFile(path, 'utf8');
      await writeFile(path, withoutGuard(source, guard));
      try {
        return await work();
      } finally {
        await writeFile(path, source);
      }
    },
    close: () => rm(copy, { recursive: true, force: true }),
  };
}

/** @throws when the file no longer says `from`, or says it more than once: the list of guards is behind the code */
export function withoutGuard(source: string, { file, from, to }: Guard): string {
  const parts = source.split(from);
  if (parts.length !== 2) throw new Error(`${file} says ${parts.length - 1} times what the guard is found by: ${from}`);
  return parts.join(to);
}
