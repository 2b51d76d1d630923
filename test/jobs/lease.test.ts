import assert from 'node:assert/strict';
import { sql } from '../../src/db/sql.ts';
import { openLeases } from '../../src/jobs/lease.ts';
import { givenDatabase } from '../given.ts';

describe('leases: workers that are gone', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => void (world = await givenDatabase()));
  after(() => world.close());
  const workers = async (): Promise<string[]> =>
    (await world.database.query<{ worker: string }>(sql`select worker from export_worker order by 1`)).map(
      ({ worker }) => worker,
    );

  it('given a machine that stood still, then a worker that comes back does not wait for another that does', async () => {
    const { database } = world;
    await database.query(sql`
      insert into export_worker (worker, expires_at) select w, now() - interval '2 minutes' from unnest(array['b', 'c']) w`);
    const leases = await database.inTransaction(async (tx) => {
      // Of b's own renewal, which then looks for who is gone, as a's does.
      await tx.query(sql`update export_worker set expires_at = now() + interval '1 minute' where worker = 'b'`);
      return openLeases({ database, worker: 'a', kind: 'export' });
    });
    assert.deepEqual(await workers(), ['a', 'b']);
    await leases.close();
    assert.deepEqual(await workers(), ['b']);
  });
});
