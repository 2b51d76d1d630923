/** The list of guards is not behind the code, nor its table; and the run sees a guard that is gone, as a small share of it shows. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Guard } from './guard.ts';
import { guards } from './guards.ts';
import { openProject, root, withoutGuard, type Report } from './project.ts';
import { tryWithout, verdictOf } from './run.ts';
import { tableOf, writtenTable } from './table.ts';

const textOf = (path: string): string => readFileSync(join(root, path), 'utf8');
const numbersOf = (leaks: readonly number[]): number[] => [...new Set(leaks)].toSorted((a, b) => a - b);

describe('LEAKS: the guards that are removed in turn (npm run leaks)', () => {
  it('each is in its file once, and something else stands there without it', () => {
    for (const guard of guards)
      assert.notEqual(withoutGuard(textOf(guard.file), guard), textOf(guard.file), guard.what);
  });

  it('each has tests that exist', () => {
    for (const { tests, what } of guards) {
      assert.ok(tests.length > 0, what);
      for (const file of tests) assert.ok(existsSync(join(root, file)), `${what}: ${file}`);
    }
  });

  it('every way of docs/leaks.md has one', () => {
    const ways = Array.from(textOf('docs/leaks.md').matchAll(/^\| (\d+) +\|/gm), ([, number]) => Number(number));
    assert.deepEqual(numbersOf(guards.map(({ leak }) => leak)), numbersOf(ways));
    assert.equal(ways.length, 54);
  });

  it('no two are the same edit', () => {
    const edits = guards.map(({ file, from, to }) => JSON.stringify([file, from, to]));
    assert.equal(new Set(edits).size, edits.length);
  });

  it('the table of docs/privacy.md is that of the list: npm run leaks -- --table', async () => {
    assert.equal(await writtenTable(), tableOf());
  });

  const noTests: Report = { stats: { passes: 3, failures: 0 }, failures: [] };
  const failing = (code: string): Report => {
    return { stats: { passes: 3, failures: 1 }, failures: [{ fullTitle: 'a title', err: { code, message: 'm' } }] };
  };
  const verdicts: readonly [string, Report | undefined, string][] = [
    ['tests that pass', noTests, 'not noticed'],
    ['an assertion that fails', failing('ERR_ASSERTION'), 'noticed'],
    ['another error', failing('ERR_MODULE_NOT_FOUND'), 'proves nothing'],
    ['no report', undefined, 'proves nothing'],
  ];
  for (const [title, report, verdict] of verdicts) {
    it(`${title}: ${verdict}`, () => assert.equal(verdictOf(report).verdict, verdict));
  }

  it('a guard that is removed from a copy of the project is noticed there, and the copy is whole again', async function () {
    this.timeout(300_000);
    const guard = guards.find(({ file }) => file === 'src/fhir/narrative.ts') as Guard;
    const project = await openProject();
    try {
      assert.equal((await tryWithout(project, guard)).verdict, 'noticed');
      assert.equal(verdictOf(await project.test(guard)).verdict, 'not noticed');
    } finally {
      await project.close();
    }
  });
});
