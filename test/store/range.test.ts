/** The SQL of each prefix against its definition (fhir/range.ts), over every way two intervals can lie to each other. */
import assert from 'node:assert/strict';
import { givenDatabase } from '../given.ts';
import { sql, type Sql } from '../../src/db/sql.ts';
import { matchesDate, matchesNumber, type Interval } from '../../src/fhir/range.ts';
import { searchParam } from '../../src/fhir/params.ts';
import type { Prefix, SearchParam } from '../../src/fhir/search-request.ts';
import { dateKey, matchDate, timestampOf } from '../../src/store/params/date.ts';
import { matchNumber, numberKey } from '../../src/store/params/number.ts';

const prefixes: Prefix[] = ['eq', 'ne', 'gt', 'lt', 'ge', 'le', 'sa', 'eb', 'ap'];
const param = searchParam('Observation', 'date') as SearchParam;
const bounds = [Number.NEGATIVE_INFINITY, 0, 1, 2, 3, 4, 5, Number.POSITIVE_INFINITY];
const intervals: Interval[] = bounds.flatMap((low) =>
  bounds.filter((high) => high >= low).map((high) => ({ low, high })),
);
const searched: Interval = { low: 2, high: 4 };

describe('search prefixes: SQL and definition agree', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());

  /** For each interval whether the condition holds for a row that stores it: as main date, and as range under the key. */
  const evaluate = async (key: bigint, condition: Sql): Promise<boolean[]> => {
    const rows = await world.database.query<{ matches: boolean }>(sql`
      select ${condition} as matches
      from (
        select n, low_at as date_low, high_at as date_high, low_at as last_updated,
          array[${String(key)}::bigint] as range_keys, array[low] as range_lows, array[high] as range_highs
        from unnest(${intervals.map(({ low }) => low)}::float8[], ${intervals.map(({ high }) => high)}::float8[],
          ${intervals.map(({ low }) => timestampOf(low))}::timestamptz[],
          ${intervals.map(({ high }) => timestampOf(high))}::timestamptz[])
          with ordinality as t (low, high, low_at, high_at, n)) r
      order by n`);
    return rows.map(({ matches }) => matches);
  };

  for (const prefix of prefixes) {
    const value = { prefix, ...searched };
    it(`${prefix} of a number`, async () => {
      const condition = matchNumber({ kind: 'number', param, index: 'x', values: [value] }, 'r');
      const expected = intervals.map((stored) => matchesNumber(value, stored));
      assert.deepEqual(await evaluate(numberKey('x'), condition), expected);
      assert.ok(expected.includes(true) && expected.includes(false));
    });

    it(`${prefix} of a date that is the type's main date`, async () => {
      const condition = matchDate({ kind: 'date', param, index: 'date', values: [value] }, 'r', 'date');
      const expected = intervals.map((stored) => matchesDate(value, stored));
      assert.deepEqual(await evaluate(0n, condition), expected);
    });

    it(`${prefix} of another date`, async () => {
      const condition = matchDate({ kind: 'date', param, index: 'issued', values: [value] }, 'r', 'date');
      const expected = intervals.map((stored) => matchesDate(value, stored));
      assert.deepEqual(await evaluate(dateKey('issued'), condition), expected);
      assert.deepEqual(
        await evaluate(dateKey('other'), condition),
        expected.map(() => false),
      );
    });

    it(`${prefix} of _lastUpdated, an instant that fills its millisecond`, async () => {
      const condition = matchDate({ kind: 'date', param, index: '_lastUpdated', values: [value] }, 'r', 'date');
      const found = await evaluate(0n, condition);
      intervals.forEach(({ low }, index) => {
        if (Number.isFinite(low)) assert.equal(found[index], matchesDate(value, { low, high: low + 1 }), `at ${low}`);
      });
    });
  }
});
