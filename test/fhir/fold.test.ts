import assert from 'node:assert/strict';
import fc from 'fast-check';
import { foldString } from '../../src/fhir/fold.ts';

describe('strings as string search sees them (R4 search.html#string)', () => {
  const same: [string, string][] = [
    ['Müller', 'muller'],
    ['JOSÉ', 'jose'],
    ['Ｗａｎｇ　Ｌｉ', 'wang li'],
    ['Ångström', 'angstrom'],
    ['e\u0301', 'é'],
    ['ﬁnn', 'finn'],
    ['Ἀθῆναι', 'αθηναι'],
    ['a \t b', 'a b'],
    ['ｶﾅ', 'カナ'],
    ['張偉', '张伟'],
  ];
  for (const [one, other] of same) it(`'${one}' is '${other}'`, () => assert.equal(foldString(one), foldString(other)));

  const different: [string, string][] = [
    ['王', '玉'],
    ['Muller', 'Mueller'],
    ['हिन्दी', 'हन्द'],
    ['a b', 'ab'],
  ];
  for (const [one, other] of different)
    it(`'${one}' is not '${other}'`, () => assert.notEqual(foldString(one), foldString(other)));

  it('of the marks on one letter thirty are kept', () => {
    assert.equal(foldString(`x${'\u05b0'.repeat(100)}y`), `x${'\u05b0'.repeat(30)}y`);
  });

  it('a million marks on one letter come to an end', () => {
    // Put in order by insertion, they would take minutes.
    assert.equal(foldString(`a${'\u0323\u0301'.repeat(500_000)}b`), 'ab');
  });

  it('folding twice is folding once', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) =>
        assert.equal(foldString(foldString(text)), foldString(text)),
      ),
    );
  });
});
