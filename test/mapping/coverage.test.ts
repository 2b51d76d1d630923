import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderCoverage } from '../../src/mapping/tables/coverage.ts';
import { loadMaps } from '../../src/mapping/table.ts';
import { mappings } from './given.ts';

describe('docs/coverage.md', () => {
  const { base } = loadMaps(mappings);
  const lines = renderCoverage(base).split('\n');

  it('is what the rules say now (npm run coverage)', () => {
    const written = readFileSync(join(mappings, '..', 'docs', 'coverage.md'), 'utf8').split('\n');
    // Line by line: a difference of one rule is shown as one.
    assert.deepEqual(written, lines);
  });

  it('has a line for each rule of a map that a message uses', () => {
    const used = new Set(base.messages.flatMap(({ build }) => build.flatMap(({ maps }) => maps)));
    const rules = [...base.segments.values()].filter(({ id }) => used.has(id)).flatMap((map) => map.rules);
    const types = [...base.datatypes.values()].flatMap((map) => map.rules);
    const listed = lines.filter(
      (line) => line.startsWith('| ') && line.split(' | ').length === 5 && !line.includes('---'),
    );
    const heads = listed.filter((line) => line.startsWith('| from |')).length;
    assert.equal(listed.length - heads, rules.length + types.length);
  });

  it('names field, element, function, condition and map of a rule', () => {
    const found = lines.find((line) => line.startsWith('| PID-3 each |'));
    assert.match(found ?? '', /^\| PID-3 each \| Patient\.identifier\[\] \| CX/);
  });
});
