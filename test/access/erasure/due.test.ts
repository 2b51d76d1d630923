/** What is to be done at once is found by whoever looks next, however soon. */
import assert from 'node:assert/strict';
import { moveErasure, orderErasure, takeErasure } from '../../../src/access/erasure/erasure.ts';
import { sql } from '../../../src/db/sql.ts';
import { givenDatabase } from '../../given.ts';

describe('what is due', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());

  it('at once is taken by the next statement: an erasure that was ordered, and one that was moved on', async () => {
    await world.database.inTransaction(async (tx) => {
      for (let patient = 0; patient < 50; patient++) {
        const id = await orderErasure(tx, [`p${patient}`], { by: 'test', reason: 'test' });
        const ordered = await takeErasure(tx, id);
        assert.ok(ordered, `ordered ${patient}`);
        await moveErasure(tx, ordered, { state: 'ending' });
        assert.ok(await takeErasure(tx, id), `moved ${patient}`);
      }
    });
  });

  it('after a wait is not taken before', async () => {
    await world.database.inTransaction(async (tx) => {
      const id = await orderErasure(tx, ['waits'], { by: 'test', reason: 'test' });
      const ordered = await takeErasure(tx, id);
      assert.ok(ordered);
      await moveErasure(tx, ordered, { waitSeconds: 60 });
      assert.equal(await takeErasure(tx, id), undefined);
    });
  });

  it('is kept as the database says the time wherever it is the one that says it', async () => {
    const rows = await world.database.query<{ name: string }>(sql`
      select table_name as name from information_schema.columns
      where table_schema = 'public' and column_name = 'due_at' and datetime_precision = 6 order by 1`);
    assert.deepEqual(
      rows.map(({ name }) => name),
      ['erasure', 'export_job', 'subscription'],
    );
  });
});
