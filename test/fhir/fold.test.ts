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

  it('folding twice is folding once', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) =>
        assert.equal(foldString(foldString(text)), foldString(text)),
      ),
    );
  });
});
