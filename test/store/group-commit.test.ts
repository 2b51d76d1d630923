import assert from 'node:assert/strict';
import { given, givenDatabase } from '../given.ts';
import { sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { openGroupCommit, type GroupCommit } from '../../src/store/group-commit.ts';

const owner = 'Organization/a';

describe('group commit', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let group: GroupCommit;
  before(async () => {
    world = await givenDatabase();
    group = openGroupCommit((work) => world.database.inTransaction(async (tx) => (await work(tx)).value), {
      clock: () => new Date(),
    });
  });
  after(() => world.close());

  const patient = (id: string) => [{ kind: 'update', resource: given.patient({ id }), owner } as const];

  it('writes that arrive together share transactions, and each gets its own answer', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => `together-${index}`);
    const written = await Promise.all(ids.map((id) => group.write(patient(id))));
    assert.deepEqual(
      written.map(([one]) => one?.id),
      ids,
    );
    const [{ commits } = { commits: 0 }] = await world.database.query<{ commits: number }>(
      sql`select count(*)::int as commits from outbox`,
    );
    assert.ok(commits < 10, `${commits} transactions for 50 writes`);
  });

  it('a refused write refuses itself alone', async () => {
    const outcomes = await Promise.allSettled([
      group.write(patient('fine-1')),
      group.write([{ kind: 'update', resource: given.observation({ id: 'bad', patient: 'nobody' }), owner }]),
      group.write(patient('fine-2')),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.ok(outcomes[1]?.status === 'rejected' && outcomes[1].reason instanceof Problem);
    const rows = await world.database.query<{ id: string }>(
      sql`select id from resource where id in ('fine-1', 'fine-2', 'bad') order by id`,
    );
    assert.deepEqual(
      rows.map(({ id }) => id),
      ['fine-1', 'fine-2'],
    );
  });
});
