/** Pages of $everything while others write: every row that was there throughout comes exactly once. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Database } from '../../src/db.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';
import type { Position } from '../../src/store/search/cursor.ts';
import { selectEverything } from '../../src/store/everything.ts';
import { everything } from '../../src/store/visibility.ts';
import { given, givenDatabase } from '../given.ts';

const owner = 'Organization/hospital';
const runs = 25;

describe('$everything in pages, while rows come and go', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let database: Database;
  let people = 0;
  before(async () => {
    world = await givenDatabase();
    ({ database } = world);
  });
  after(() => world.close());

  const all = everything('test');
  const put = async (...resources: AnyResource[]): Promise<void> => {
    const writes = resources.map((resource) => ({ kind: 'update' as const, owner, resource }));
    await database.inTransaction((tx) => commit(tx, writes, { at: new Date() }));
  };
  const remove = async (id: string): Promise<void> => {
    const write = { kind: 'delete' as const, owner, resource: { resourceType: 'Observation', id } };
    await database.inTransaction((tx) => commit(tx, [write], { at: new Date() }));
  };

  it('neither repeats nor loses a row that existed throughout', async () => {
    const day = (n: number): string => `2026-01-${String(n).padStart(2, '0')}`;
    const world = fc.record({
      count: fc.integer({ min: 1, max: 4 }),
      stays: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 12 }),
      goes: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }),
      comes: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(world, async ({ count, stays, goes, comes }) => {
        const patient = `p${++people}`;
        const observation = (kind: string, n: number, on: number): AnyResource =>
          given.observation({ id: `${patient}-${kind}${n}`, patient, effective: day(on) });
        await put(
          given.patient({ id: patient }),
          ...stays.map((on, n) => observation('stays', n, on)),
          ...goes.map((on, n) => observation('goes', n, on)),
        );
        const seen: string[] = [];
        for (let after: Position | undefined, page = 0; ; page++) {
          const request = { patients: [patient], count, ...(after && { after }) };
          const found = await selectEverything(database, { own: all, any: all }, request);
          seen.push(...found.rows.map(({ id }) => id));
          after = found.next;
          if (after === undefined) break;
          if (page < goes.length) await remove(`${patient}-goes${page}`);
          if (page < comes.length) await put(observation('comes', page, comes[page] as number));
        }
        assert.equal(new Set(seen).size, seen.length, 'a row twice');
        const throughout = [patient, ...stays.map((_, n) => `${patient}-stays${n}`)];
        assert.deepEqual(
          throughout.filter((id) => !seen.includes(id)),
          [],
          'a row lost',
        );
      }),
      { numRuns: runs },
    );
  });

  it('goes from one record of a person to the next, and then to what names them elsewhere', async () => {
    await put(
      given.patient({ id: 'one' }),
      given.patient({ id: 'two' }),
      given.patient({ id: 'child' }),
      given.observation({ id: 'of-one', patient: 'one' }),
      given.observation({ id: 'of-two', patient: 'two' }),
      { ...given.observation({ id: 'of-child', patient: 'child' }), performer: [{ reference: 'Patient/two' }] },
    );
    const seen: string[] = [];
    let after: Position | undefined;
    do {
      const request = { patients: ['one', 'two'], count: 1, ...(after && { after }) };
      const page = await selectEverything(database, { own: all, any: all }, request);
      seen.push(...page.rows.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    assert.deepEqual(seen, ['of-one', 'one', 'of-two', 'two', 'of-child']);
    // The column keeps whom any version named; the row counts while the current one does.
    await put(given.observation({ id: 'of-child', patient: 'child' }));
    const page = await selectEverything(database, { own: all, any: all }, { patients: ['two'], count: 10 });
    assert.deepEqual(
      page.rows.map(({ id }) => id),
      ['of-two', 'two'],
    );
  });
});
