/** docs/privacy-law.md: each article has a mechanism, and names tests that exist. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasTitle, testsIn } from './given-titles.ts';

const text = readFileSync(join(import.meta.dirname, '..', 'docs', 'privacy-law.md'), 'utf8');

/** Below a heading of the second level. */
function rowsOf(heading: string): string[][] {
  const [, rest = ''] = text.split(`\n## ${heading}\n`, 2);
  const [section = ''] = rest.split(/\n## /, 1);
  return section
    .split('\n')
    .filter((line) => /^\| \d/.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

describe('docs/privacy-law.md', () => {
  for (const [law, least] of [
    ['GDPR', 16],
    ['PIPL', 14],
  ] as const) {
    it(`${law}: each article has a mechanism and a test that exists`, () => {
      const rows = rowsOf(law);
      assert.ok(rows.length >= least, `${rows.length}`);
      for (const [article = '', asks = '', mechanism = '', tests = '', ...rest] of rows) {
        assert.deepEqual([asks === '', mechanism === '', rest], [false, false, []], article);
        assert.notDeepEqual(testsIn(tests), [], `${article} names no test`);
        for (const { file, title } of testsIn(tests)) assert.ok(hasTitle(file, title), `${article}: ${file}: ${title}`);
      }
    });
  }
});
