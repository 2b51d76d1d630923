import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { openMark } from '../../src/ingest/marks.ts';

describe('marks of identifiers', () => {
  const mark = openMark(createSecretKey(Buffer.alloc(32, 1)));

  it('case, width, spaces and dashes do not count; another number does', () => {
    assert.equal(mark('ａｂ-12 3'), mark('AB123'));
    assert.notEqual(mark('AB124'), mark('AB123'));
  });

  it('an identifier of a million accents comes to an end', () => {
    assert.equal(typeof mark(`A${'\u0323\u0301'.repeat(500_000)}`), 'number');
  });
});
