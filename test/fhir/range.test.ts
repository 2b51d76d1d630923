import assert from 'node:assert/strict';
import { readDate } from '../../src/fhir/dates.ts';
import { matchesDate, matchesNumber } from '../../src/fhir/range.ts';
import type { Prefix, RangeValue } from '../../src/fhir/search-request.ts';
import { searchParam } from '../../src/fhir/params.ts';
import { readDateValue, readNumberValue } from '../../src/fhir/search/values.ts';

const date = searchParam('Observation', 'date')!;
const probability = searchParam('RiskAssessment', 'probability')!;
const now = Date.parse('2024-06-01T00:00:00Z');

/** R4 search.html#prefix and #date: the searched value, the stored one, whether it is found. */
const dates: [string, string, boolean][] = [
  ['2013-01-14', '2013-01-14T10:00:00Z', true],
  ['2013-01-14', '2013-01-14', true],
  ['2013-01-14', '2013-01-15T00:00:00Z', false],
  ['2013-01-14', '2013-01', false],
  ['ne2013-01-14', '2013-01-15T00:00:00Z', true],
  ['ne2013-01-14', '2013-01-14T10:00:00Z', false],
  ['lt2013-01-14T10:00', '2013-01-14', true],
  ['lt2013-01-14', '2013-01-14T10:00:00Z', false],
  ['gt2013-01-14T10:00', '2013-01-14', true],
  ['gt2013-01-14', '2013-01-14', false],
  ['ge2013-03-14', '2013-03-14', true],
  ['ge2013-03-14', '2013-03-13T23:59:59Z', false],
  ['ge2013-03-14', '2013-03', true],
  ['le2013-03-14', '2013-03-14T23:59:59Z', true],
  ['le2013-03-14', '2013-03-15', false],
  ['sa2013-03-14', '2013-03-15', true],
  ['sa2013-03-14', '2013-03', false],
  ['eb2013-03-14', '2013-03-13', true],
  ['eb2013-03-14', '2013-03-14', false],
  ['ap2024-05-31', '2024-05-31', true],
  ['ap2023-06-01', '2023-07-05', true],
  ['ap2023-06-01', '2023-08-01', false],
];

/** R4 search.html#number: the searched number, the stored one. */
const numbers: [string, number, boolean][] = [
  ['100', 99.5, true],
  ['100', 100.4999, true],
  ['100', 100.5, false],
  ['100.00', 99.996, true],
  ['100.00', 99.99, false],
  ['1e2', 95, true],
  ['1e2', 104.9, true],
  ['1e2', 105, false],
  ['lt100', 99.99, true],
  ['lt100', 100, false],
  ['le100', 100, true],
  ['le100', 100.1, false],
  ['gt100', 100.0001, true],
  ['gt100', 100, false],
  ['ge100', 100, true],
  ['ge100', 99.99, false],
  ['ne100', 99, true],
  ['ne100', 100.2, false],
  ['sa100', 100.1, true],
  ['eb100', 99.9, true],
  ['eb100', 100, false],
  ['ap100', 91, true],
  ['ap100', 89, false],
  ['-5.4', -5.44, true],
  ['-5.4', -5.5, false],
  ['5.4', 5.35, true],
  ['5.4', 5.45, false],
];

describe('prefixes and precision', () => {
  for (const [searched, stored, isFound] of dates) {
    it(`date ${searched} against ${stored}: ${isFound}`, () => {
      assert.equal(matchesDate(readDateValue(searched, date, now), readDate(stored)!), isFound);
    });
  }
  for (const [searched, stored, isFound] of numbers) {
    it(`number ${searched} against ${stored}: ${isFound}`, () => {
      assert.equal(matchesNumber(readNumberValue(searched, probability), { low: stored, high: stored }), isFound);
    });
  }

  const open = { low: readDate('2013-01-01')!.low, high: Infinity };
  const periods: [Prefix, boolean][] = [
    ['eq', false],
    ['ne', true],
    ['gt', true],
    ['ge', true],
    ['lt', true],
    ['sa', false],
    ['eb', false],
    ['ap', true],
  ];
  for (const [prefix, isFound] of periods) {
    it(`a period from 2013 on without an end, against ${prefix}2013-06: ${isFound}`, () => {
      const { low, high } = readDate('2013-06')!;
      const searched: RangeValue = { prefix, low, high };
      assert.equal(matchesDate(searched, open), isFound);
    });
  }
  it('a quantity below a limit may be lower still: <5 is found by lt2 and not by gt5', () => {
    const stored = { low: -Infinity, high: 5 };
    assert.equal(matchesNumber({ prefix: 'lt', low: 2, high: 2 }, stored), true);
    assert.equal(matchesNumber({ prefix: 'gt', low: 5, high: 5 }, stored), false);
    assert.equal(matchesNumber({ prefix: 'eq', low: 4.5, high: 5.5 }, stored), false);
  });
});
