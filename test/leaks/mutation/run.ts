/**
 * Removes each guard of docs/leaks.md in turn, in a copy of the project, and runs the tests that should notice: `npm run leaks`.
 * A guard whose removal no test notices is a guard that nobody watches, and the run ends with 1.
 *
 *     npm run leaks [-- --only 8,16]
 *     npm run leaks -- --table      brings the table of docs/privacy.md up to date, and runs nothing
 *
 * What counts as noticed is an assertion that fails. A copy that does not start, or fails for the syntax of what was put in
 * place of the guard, proves nothing and is reported as such.
 */
import { parseArgs } from 'node:util';
import { availableParallelism } from 'node:os';
import { environmentOf, mochaGlobalSetup, mochaGlobalTeardown } from '../../setup.ts';
import { guards, type Guard } from './guards.ts';
import { openProject, type Project, type Report } from './project.ts';
import { writeTable } from './table.ts';

/** Each a mocha with its hub and its PostgreSQL. */
const projectsMax = 2;

export type Verdict = 'noticed' | 'not noticed' | 'proves nothing';

export interface Outcome {
  readonly verdict: Verdict;
  /** The first test that failed, or why it proves nothing. */
  readonly by: string;
}

export function verdictOf(report: Report | undefined): Outcome {
  if (report === undefined) return { verdict: 'proves nothing', by: 'the tests did not run' };
  if (report.stats.failures === 0) return { verdict: 'not noticed', by: `${report.stats.passes} tests pass` };
  const assertion = report.failures.find(({ err }) => err.code === 'ERR_ASSERTION');
  if (assertion !== undefined) return { verdict: 'noticed', by: assertion.fullTitle };
  return { verdict: 'proves nothing', by: report.failures[0]?.err.message ?? '' };
}

export async function tryWithout(project: Project, guard: Guard): Promise<Outcome> {
  return verdictOf(await project.without(guard, () => project.test(guard)));
}

/** A file of tests, or those of its tests that a guard names. */
interface Part {
  readonly file: string;
  readonly grep?: string;
}
const partsOf = ({ tests, grep }: Guard): Part[] =>
  tests.map((file) => ({ file, ...(grep === undefined ? {} : { grep }) }));
const keyOf = ({ file, grep = '' }: Part): string => `${file} ${grep}`;

/** Of tests that fail with every guard in place, or whose failure proves nothing: a machine that has other things to do is slow. */
const attemptsMax = 2;

/** With every guard in place each of these tests passes. @returns what does not, by {@link keyOf}, with the reason */
async function failuresBefore(projects: readonly Project[], chosen: readonly Guard[]): Promise<Map<string, string>> {
  const parts = [...new Map(chosen.flatMap(partsOf).map((part) => [keyOf(part), part])).values()];
  const failures = new Map<string, string>();
  await share(projects, parts, async (project, part) => {
    const reason = await again(
      async () => failureOf(await project.test({ tests: [part.file], ...part })),
      (one) => one === undefined,
    );
    if (reason !== undefined) failures.set(keyOf(part), reason);
  });
  return failures;
}

function failureOf(report: Report | undefined): string | undefined {
  if (report === undefined) return 'the tests did not run';
  const [first] = report.failures;
  return first && `${first.fullTitle}: ${first.err.message ?? ''}`;
}

async function again<T>(work: () => Promise<T>, isGood: (value: T) => boolean): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const value = await work();
    if (isGood(value) || attempt === attemptsMax) return value;
  }
}

/** Each project takes the next of them as soon as it is done with one. */
async function share<T>(
  projects: readonly Project[],
  all: readonly T[],
  work: (project: Project, one: T) => Promise<void>,
): Promise<void> {
  const left = [...all];
  await Promise.all(
    projects.map(async (project) => {
      for (let one = left.shift(); one !== undefined; one = left.shift()) await work(project, one);
    }),
  );
}

async function run(chosen: readonly Guard[]): Promise<ReadonlyMap<Guard, Outcome>> {
  await mochaGlobalSetup();
  const count = Math.min(projectsMax, availableParallelism());
  const projects = await Promise.all(Array.from({ length: count }, (_, number) => openProject(environmentOf(number))));
  try {
    const failing = await failuresBefore(projects, chosen);
    for (const [key, reason] of failing) console.error(`With every guard in place ${key} fails: ${reason}`);
    const outcomes = new Map<Guard, Outcome>();
    await share(projects, chosen, async (project, guard) => {
      const startedAt = performance.now();
      const isShaky = partsOf(guard).some((part) => failing.has(keyOf(part)));
      const outcome: Outcome = isShaky
        ? { verdict: 'proves nothing', by: 'its tests fail with every guard in place' }
        : await again(
            () => tryWithout(project, guard),
            ({ verdict }) => verdict !== 'proves nothing',
          );
      outcomes.set(guard, outcome);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
      const { leak, what } = guard;
      console.log(`${outcome.verdict.padEnd(14)} ${String(leak).padStart(2)} ${what} (${seconds} s): ${outcome.by}`);
    });
    return outcomes;
  } finally {
    for (const project of projects) await project.close();
    await mochaGlobalTeardown();
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, table: { type: 'boolean', default: false } } });
  if (values.table) return writeTable();
  const only = values.only?.split(',').map(Number);
  const startedAt = performance.now();
  const outcomes = await run(guards.filter(({ leak }) => only?.includes(leak) ?? true));
  const noticed = [...outcomes.values()].filter(({ verdict }) => verdict === 'noticed').length;
  if (noticed < outcomes.size) process.exitCode = 1;
  const minutes = ((performance.now() - startedAt) / 60_000).toFixed(1);
  console.log(`${noticed} of ${outcomes.size} guards are noticed when they are gone (${minutes} min)`);
}

if (import.meta.main) await main();
