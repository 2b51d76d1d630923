import assert from 'node:assert/strict';
import { givenDatabase } from '../given.ts';
import { sql } from '../../src/db/sql.ts';

interface Explained {
  readonly 'QUERY PLAN': readonly [{ readonly Plan: { readonly 'Shared Hit Blocks': number } }];
}

describe('the index of keys', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());

  it('a look-up after many writes reads few pages: what waits to be sorted in is bounded (256 kB, 32 pages)', async () => {
    // In steps, as the list is looked at when a statement adds to it.
    for (let from = 0; from < 10_000; from += 100) {
      await world.database.query(sql`
        insert into resource (bucket, type, id, version, last_updated, owner, keys, body)
        select 0, 86, n::text, 1, now(), 'Organization/a', array(select hashint8extended(n, k) from generate_series(1, 7) k), ''
        from generate_series(${from}::int, ${from + 99}::int) n`);
    }
    const [explained] = await world.database.query<Explained>(sql`
      explain (analyze, buffers, format json) select from resource where keys && array[hashint8extended(77, 1)]`);
    const pages = explained?.['QUERY PLAN'][0].Plan['Shared Hit Blocks'] ?? Number.NaN;
    assert.ok(pages < 50, `${pages} pages were read`);
  });
});
