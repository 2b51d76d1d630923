import assert from 'node:assert/strict';
import { checkNationalId } from '../../src/fhir/identifiers.ts';

describe('GB 11643 resident identity number', () => {
  // 11010519491231002X and 440524188001010014 are the two worked examples printed in GB 11643-1999.
  const accepted: [string, string][] = [
    ['11010519491231002X', '11010519491231002X'],
    ['440524188001010014', '440524188001010014'],
    [' 11010519491231002x ', '11010519491231002X'],
    ['110105491231002', '11010519491231002X'],
  ];
  for (const [text, expected] of accepted) {
    it(`${text} is the number ${expected}`, () => assert.equal(checkNationalId(text), expected));
  }

  const refused: [string, string][] = [
    ['110105194912310021', 'a wrong check digit'],
    ['11010519491331002X', 'month 13'],
    ['110105194902300025', '30 February'],
    ['99010519491231002X', 'a region that does not exist'],
    ['11010519491231002', '17 characters'],
    ['1101051949123100X2', 'X before the end'],
    ['000000000000000', 'a placeholder'],
    ['', 'nothing'],
  ];
  for (const [text, why] of refused) {
    it(`${text} is none: ${why}`, () => assert.equal(checkNationalId(text), undefined));
  }
});
