import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import type { Tx } from '../../src/db.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { outboxStart, readOutbox } from '../../src/feeds/outbox.ts';
import { commit } from '../../src/store/commit.ts';

describe('outbox', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());

  const write = (tx: Tx, ...ids: string[]) =>
    commit(
      tx,
      ids.map((id) => ({ kind: 'update', resource: given.patient({ id }), owner: 'Organization/a' })),
      { at: new Date() },
    );
  const idsAfter = async (cursor: string): Promise<string[]> =>
    (await readOutbox(world.database, cursor, 100)).flatMap(({ changes }) => changes.map(({ id }) => id));

  it('one entry a commit, with every changed row and none of the unchanged', async () => {
    await world.database.inTransaction((tx) => write(tx, 'a', 'b'));
    await world.database.inTransaction((tx) => write(tx, 'a', 'c'));
    await world.database.inTransaction((tx) => write(tx, 'a'));
    const entries = await readOutbox(world.database, outboxStart, 100);
    assert.deepEqual(
      entries.map(({ changes }) => changes.map(({ type, id, version }) => `${type}/${id}/${version}`)),
      [['Patient/a/1', 'Patient/b/1'], ['Patient/c/1']],
    );
    assert.deepEqual(await idsAfter(entries[0]?.cursor ?? ''), ['c']);
    assert.deepEqual(await idsAfter(entries[1]?.cursor ?? ''), []);
  });

  it('a commit that overtakes an older transaction waits for it: the older one is not lost', async () => {
    const [last] = (await readOutbox(world.database, outboxStart, 100)).slice(-1);
    const cursor = last?.cursor ?? outboxStart;
    const slow = Promise.withResolvers<void>();
    const written = Promise.withResolvers<void>();
    const older = world.database.inTransaction(async (tx) => {
      await write(tx, 'slow');
      written.resolve();
      await slow.promise;
    });
    await written.promise;
    await world.database.inTransaction((tx) => write(tx, 'fast'));
    assert.deepEqual(await idsAfter(cursor), []);
    slow.resolve();
    await older;
    assert.deepEqual(await idsAfter(cursor), ['slow', 'fast']);
  });

  it('a transaction that fails leaves no entry', async () => {
    const before = await idsAfter(outboxStart);
    await assert.rejects(
      world.database.inTransaction(async (tx) => {
        await write(tx, 'undone');
        throw new Problem('invalid', 'changed our mind');
      }),
    );
    assert.deepEqual(await idsAfter(outboxStart), before);
  });

  it('refuses a cursor that is none', async () => {
    await assert.rejects(readOutbox(world.database, "0/0'; --", 10), Problem);
  });
});
