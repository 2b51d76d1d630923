import assert from 'node:assert/strict';
import fc from 'fast-check';
import { tokenForms, tokenHash } from '../../src/fhir/hash.ts';

describe('token hashes (R4 search.html#token)', () => {
  const stored = tokenForms({ param: 'code', system: 'http://loinc.org', code: '718-7' });
  const bare = tokenForms({ param: 'code', code: 'x' });
  const rows: [string, bigint[], bigint, boolean][] = [
    ['system|code', stored, tokenHash('code', 'http://loinc.org', '718-7'), true],
    ['code', stored, tokenHash('code', undefined, '718-7'), true],
    ['system|', stored, tokenHash('code', 'http://loinc.org', undefined), true],
    ['|code, but there is a system', stored, tokenHash('code', '', '718-7'), false],
    ['another system', stored, tokenHash('code', 'urn:x', '718-7'), false],
    ['another parameter', stored, tokenHash('combo-code', 'http://loinc.org', '718-7'), false],
    ['|code of a token without system', bare, tokenHash('code', '', 'x'), true],
    ['code of a token without system', bare, tokenHash('code', undefined, 'x'), true],
    ['case, when in doubt, does not count', bare, tokenHash('code', undefined, 'X'), true],
  ];
  for (const [what, forms, hash, isFound] of rows)
    it(`${what}: ${isFound}`, () => assert.equal(forms.includes(hash), isFound));

  it('case counts in UCUM: mg is not Mg', () => {
    const ucum = 'http://unitsofmeasure.org';
    assert.notEqual(tokenHash('unit', ucum, 'mg'), tokenHash('unit', ucum, 'Mg'));
  });
  it('is 64 bits, signed, and never changes', () => {
    assert.equal(tokenHash('code', 'http://loinc.org', '718-7'), 7149044150911444740n);
    const hash = tokenHash('a', 'b', 'c');
    assert.equal(BigInt.asIntN(64, hash), hash);
  });
  it('parts cannot be shifted into one another', () => {
    const part = fc.string({ unit: fc.constantFrom('a', ':', '1', '*', '|') });
    fc.assert(
      fc.property(part, part, part, part, part, part, (a, b, c, d, e, f) => {
        fc.pre(a !== d || b !== e || c !== f);
        assert.notEqual(tokenHash(a, b, c), tokenHash(d, e, f));
      }),
    );
  });
});
