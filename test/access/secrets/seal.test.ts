/** What is sealed at rest opens for what it was sealed for, by a key that is known, and for nothing else. */
import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { openSealer } from '../../../src/access/secrets/seal.ts';
import { keyringOf } from './given-keys.ts';

describe('sealed at rest', () => {
  const sealer = openSealer(keyringOf());
  const sealed = sealer.seal('secret', 'account-1');
  it('opens for what it was sealed for', () => assert.equal(sealer.open(sealed, 'account-1'), 'secret'));
  it('names its key, and shows nothing', () => {
    assert.match(sealed, /^[0-9a-f]{8}\.[\w-]+$/);
    assert.equal(sealed.includes('secret'), false);
    assert.notEqual(sealer.seal('secret', 'account-1'), sealed);
  });
  const other = openSealer(keyringOf());
  const wrong: [string, () => string | undefined][] = [
    ['another row', () => sealer.open(sealed, 'account-2')],
    ['another key', () => other.open(sealed, 'account-1')],
    [
      'another key that says it is this one',
      () => other.open(other.seal('', '').slice(0, 9) + sealed.slice(9), 'account-1'),
    ],
    ['a changed text', () => sealer.open(sealed.slice(0, -2) + (sealed.endsWith('AA') ? 'BB' : 'AA'), 'account-1')],
    ['half of it', () => sealer.open(sealed.slice(0, 20), 'account-1')],
    ['nothing', () => sealer.open('', 'account-1')],
  ];
  it('opens by a key that was replaced, and is sealed by the one that replaced it', () => {
    const [old, anew] = [createSecretKey(randomBytes(32)), createSecretKey(randomBytes(32))];
    const before = openSealer(keyringOf(old));
    const after = openSealer(keyringOf(anew, old));
    assert.equal(after.open(before.seal('secret', 'a'), 'a'), 'secret');
    assert.equal(before.open(after.seal('secret', 'a'), 'a'), undefined);
  });
  for (const [name, open] of wrong) it(`does not open with ${name}`, () => assert.equal(open(), undefined));
});
