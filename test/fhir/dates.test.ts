import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseDate, periodInterval, readDate, timingInterval } from '../../src/fhir/dates.ts';
import { Problem } from '../../src/fhir/problem.ts';

const at = (text: string): number => Date.parse(text);

describe('FHIR dates as intervals (R4 datatypes.html#dateTime, search.html#date)', () => {
  const rows: [string, string, string, string][] = [
    ['2024', '2024-01-01T00:00:00Z', '2025-01-01T00:00:00Z', 'year'],
    ['2024-02', '2024-02-01T00:00:00Z', '2024-03-01T00:00:00Z', 'month'],
    ['2024-12', '2024-12-01T00:00:00Z', '2025-01-01T00:00:00Z', 'month'],
    ['2024-02-29', '2024-02-29T00:00:00Z', '2024-03-01T00:00:00Z', 'day'],
    ['2024-03-05T10:00', '2024-03-05T10:00:00Z', '2024-03-05T10:01:00Z', 'minute'],
    ['2024-03-05T10:00:00+08:00', '2024-03-05T02:00:00Z', '2024-03-05T02:00:01Z', 'second'],
    ['2024-03-05T10:00:00.5-03:30', '2024-03-05T13:30:00.5Z', '2024-03-05T13:30:00.6Z', 'millisecond'],
    ['2024-03-05T10:00:00.1239Z', '2024-03-05T10:00:00.123Z', '2024-03-05T10:00:00.124Z', 'millisecond'],
  ];
  for (const [text, low, high, precision] of rows) {
    it(`${text} is [${low}, ${high})`, () => {
      assert.deepEqual(readDate(text), { low: at(low), high: at(high), precision });
    });
  }
  it('0099 is a year of the first century, not 1999', () => {
    assert.equal(new Date(readDate('0099')?.low ?? 0).getUTCFullYear(), 99);
  });

  for (const text of [
    '',
    '24',
    '0000',
    '0000-01-01',
    '2024-13',
    '2024-00',
    '2023-02-29',
    '2024-02-30',
    '2024-1-1',
    '2024-03-05T24:00:00Z',
    '2024-03-05T10:60:00Z',
    '2024-03-05T10:00:00+15:00',
    '2024-03-05T10',
    '2024-03-05 10:00:00Z',
    '20240305',
    'x2024',
    '2024x',
  ]) {
    it(`refuses '${text}'`, () => {
      assert.equal(readDate(text), undefined);
      assert.throws(
        () => parseDate(text),
        (error) => error instanceof Problem && error.code === 'value',
      );
    });
  }

  it('any instant reads as itself, in any zone', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-02'), max: new Date('9999-12-31'), noInvalidDate: true }),
        fc.integer({ min: -14 * 60, max: 14 * 60 }),
        (date, offset) => {
          const local = new Date(date.getTime() + offset * 60_000).toISOString();
          fc.pre(/^\d{4}-/.test(local));
          const zone = `${offset < 0 ? '-' : '+'}${String(Math.trunc(Math.abs(offset) / 60)).padStart(2, '0')}:${String(Math.abs(offset) % 60).padStart(2, '0')}`;
          assert.equal(readDate(local.replace('Z', zone))?.low, date.getTime());
        },
      ),
    );
  });

  it('a less precise text of the same instant contains the more precise one', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('1000-01-01'), max: new Date('9998-12-31'), noInvalidDate: true }),
        (date) => {
          const text = date.toISOString();
          const intervals = [text, `${text.slice(0, 19)}Z`, text.slice(0, 10), text.slice(0, 7), text.slice(0, 4)].map(
            (t) => readDate(t),
          );
          for (let i = 1; i < intervals.length; i++) {
            const [inner, outer] = [intervals[i - 1], intervals[i]];
            assert.ok(inner && outer && outer.low <= inner.low && inner.high <= outer.high);
          }
        },
      ),
    );
  });

  it('never throws on any text', () => {
    fc.assert(fc.property(fc.string(), (text) => void readDate(text)));
  });
});

describe('Period and Timing (R4 datatypes.html#Period, search.html#date)', () => {
  it('the end includes its whole precision', () => {
    assert.deepEqual(periodInterval({ start: '2012-02-01', end: '2012-02-03' }), {
      low: at('2012-02-01'),
      high: at('2012-02-04'),
    });
  });
  it('an open end is infinite', () => {
    assert.deepEqual(periodInterval({ start: '2012' }), { low: at('2012-01-01'), high: Infinity });
    assert.deepEqual(periodInterval({ end: '2012' }), { low: -Infinity, high: at('2013-01-01') });
  });
  it('a period of nothing has no interval', () => assert.equal(periodInterval({}), undefined));
  it('a timing counts by its outer limits', () => {
    assert.deepEqual(timingInterval({ event: ['2024-01-05', '2024-01-02'] }), {
      low: at('2024-01-02'),
      high: at('2024-01-06'),
    });
    assert.deepEqual(timingInterval({ repeat: { boundsPeriod: { start: '2024' } } }), {
      low: at('2024-01-01'),
      high: Infinity,
    });
    assert.equal(timingInterval({ repeat: { frequency: 1 } }), undefined);
  });
});
