/** Our canonical form against the library's own conversions, and what must not convert. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { canonicalUnit, toCanonical } from '../../src/fhir/ucum.ts';

interface Converter {
  convertUnitTo(from: string, value: number, to: string): { status: string; toVal: number | null };
}
const { UcumLhcUtils } = createRequire(import.meta.url)('@lhncbc/ucum-lhc') as {
  UcumLhcUtils: { getInstance(): Converter };
};

const same = (from: string, to: string): boolean =>
  canonicalUnit(from)?.dimension !== undefined && canonicalUnit(from)?.dimension === canonicalUnit(to)?.dimension;

describe('UCUM canonical form (ucum.org/ucum)', () => {
  for (const [from, value, to] of [
    ['mg', 5400, 'g'],
    ['mg/dL', 97, 'g/L'],
    ['mmol/L', 5.4, 'umol/mL'],
    ['10*3/uL', 6.1, '10*9/L'],
    ['{cells}/uL', 350, '/mm3'],
    ['mm[Hg]', 120, 'kPa'],
    ['Cel', 37, '[degF]'],
    ['[degF]', 98.6, 'K'],
    ['%', 12.5, '1'],
    ['U/L', 30, 'nkat/L'],
    ['[lb_av]', 150, 'kg'],
    ['[in_i]', 70, 'cm'],
    ['h', 2, 'min'],
  ] as const) {
    it(`${value} ${from} in ${to}`, () => {
      const unit = [canonicalUnit(from), canonicalUnit(to)] as const;
      assert.ok(unit[0] && unit[1] && same(from, to));
      const { toVal } = UcumLhcUtils.getInstance().convertUnitTo(from, value, to);
      const [ours, theirs] = [toCanonical(unit[0], value), toCanonical(unit[1], toVal as number)];
      assert.ok(Math.abs(ours - theirs) <= 1e-9 * Math.abs(ours), `${ours} ${theirs}`);
    });
  }
  // What the library declines to convert, though UCUM defines it: eq is a mole, k is a thousand.
  for (const [from, value, to, expected] of [
    ['meq/L', 140, 'mmol/L', 140],
    ['k[iU]/L', 3, '[iU]/mL', 3],
  ] as const) {
    it(`${value} ${from} in ${to} is ${expected}`, () => {
      const unit = [canonicalUnit(from), canonicalUnit(to)] as const;
      assert.ok(unit[0] && unit[1] && same(from, to));
      assert.equal(toCanonical(unit[0], value), toCanonical(unit[1], expected));
    });
  }
  it('5400 mg and 5.4 g are the same number, digit by digit', () => {
    const [milligram, gram] = [canonicalUnit('mg'), canonicalUnit('g')];
    assert.ok(milligram && gram);
    for (const grams of [5.4, 0.1, 0.3, 1.005, 97, 1234.567]) {
      assert.equal(toCanonical(milligram, Number((grams * 1000).toPrecision(15))), toCanonical(gram, grams));
    }
  });
  for (const [one, other] of [
    ['g', 'L'],
    ['[iU]/L', "[arb'U]/L"],
    ['[iU]', '1'],
    ['mg', 'Mg/L'],
    ['Cel', 'g'],
  ] as const) {
    it(`${one} and ${other} do not convert`, () => assert.ok(!same(one, other)));
  }
  for (const code of [
    '[pH]',
    'B[V]',
    'furlongs',
    '',
    '((((((',
    'mg/',
    '__proto__',
    'constructor',
    'toString/L',
    'g'.repeat(100),
  ]) {
    it(`'${code.slice(0, 10)}' has no canonical form`, () => assert.equal(canonicalUnit(code), undefined));
  }
  it('case counts: mg is not Mg', () => {
    assert.notEqual(canonicalUnit('mg')?.factor, canonicalUnit('Mg')?.factor);
  });
});
