import assert from 'node:assert/strict';
import { openDatabase } from '../../src/db.ts';
import { sql, textArray, type Sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { givenDatabase } from '../given.ts';

describe('statements on a connection', () => {
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  before(async () => {
    world = await givenDatabase();
  });
  after(() => world.close());

  it('gives the same rows, of the same types, the first time and when the columns are known', async () => {
    const statement = (n: number): Sql =>
      sql`select ${n}::int as n, null::text as nothing, ${textArray(['a', '"'])}::text[] as texts, true as yes`;
    // More than there are connections, one after the other and then in one packet.
    for (let n = 0; n < 5; n++) {
      assert.deepEqual(await world.database.query(statement(n)), [{ n, nothing: null, texts: ['a', '"'], yes: true }]);
    }
    const rows = await Promise.all([6, 7, 8, 9].map((n) => world.database.query<{ n: number }>(statement(n))));
    assert.deepEqual(
      rows.map(([row]) => row?.n),
      [6, 7, 8, 9],
    );
  });

  it('a statement that fails takes none of its neighbours along', async () => {
    const divide = (by: number): Promise<{ of: number }[]> => world.database.query(sql`select 12 / ${by}::int as of`);
    for (let round = 0; round < 3; round++) {
      const settled = await Promise.allSettled([1, 0, 2, 0, 3, 4].map(divide));
      const answers = settled.map((one) => (one.status === 'fulfilled' ? one.value[0]?.of : 'failed'));
      assert.deepEqual(answers, [12, 'failed', 6, 'failed', 4, 3]);
    }
  });

  it('statements of one turn are answered each with its own rows, whatever their order and number', async () => {
    const numbers = (n: number): Promise<{ n: number }[]> =>
      world.database.query(sql`select n from generate_series(1, ${n}::int) n`);
    const texts = (text: string): Promise<{ text: string }[]> =>
      world.database.query(sql`select ${text}::text as text`);
    for (let round = 0; round < 3; round++) {
      const asked = Array.from({ length: 60 }, (_, n) => (n % 3 === 0 ? texts(`t${n}`) : numbers(n % 5)));
      const found = (await Promise.all<object[]>(asked)).map((rows) => JSON.stringify(rows));
      const expected = Array.from({ length: 60 }, (_, n) =>
        JSON.stringify(n % 3 === 0 ? [{ text: `t${n}` }] : Array.from({ length: n % 5 }, (_row, i) => ({ n: i + 1 }))),
      );
      assert.deepEqual(found, expected);
    }
  });

  it('each statement of a turn sees what was committed when it began, and has a time of its own', async () => {
    const database = openDatabase({ url: world.url, pipelines: 1 });
    try {
      const time = (): Promise<{ at: string }[]> =>
        database.query(sql`select statement_timestamp()::text as at, pg_sleep(0.02)`);
      await time();
      const times = (await Promise.all([time(), time(), time()])).map(([row]) => row?.at);
      assert.equal(new Set(times).size, 3);
    } finally {
      await database.close();
    }
  });

  it('a value that cannot be sent is the error of its statement alone', async () => {
    const text = (value: unknown): Promise<object[]> => world.database.query(sql`select ${value}::text as text`);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (let round = 0; round < 3; round++) {
      const settled = await Promise.allSettled([text('a'), text(circular), text(7n), text(null), text('b')]);
      const found = settled.map((one) => (one.status === 'fulfilled' ? JSON.stringify(one.value[0]) : 'failed'));
      assert.deepEqual(found, ['{"text":"a"}', 'failed', '{"text":"7"}', '{"text":null}', '{"text":"b"}']);
    }
  });

  it('given a connection that ends, then everything that was asked fails as transient, and the next is served', async () => {
    const database = openDatabase({ url: world.url, pipelines: 1, applicationName: 'test-lost' });
    try {
      const sleep = (): Promise<object[]> => database.query(sql`select pg_sleep(1)`);
      const one = (): Promise<object[]> => database.query(sql`select 1 as one`);
      await Promise.all([sleep(), one()]);
      const asked = Promise.allSettled([sleep(), one(), one()]);
      const end = sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'test-lost'`;
      await new Promise((resolve) => setTimeout(resolve, 100));
      await world.database.query(end);
      for (const one of await asked) {
        assert.ok(one.status === 'rejected' && one.reason instanceof Problem && one.reason.code === 'transient');
      }
      // PostgreSQL says that it ends the connection before it does.
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.deepEqual(await one(), [{ one: 1 }]);
    } finally {
      await database.close();
    }
  });

  describe('a transaction that meets others', () => {
    const meet = sql`do $$ begin raise exception 'met' using errcode = '40001'; end $$`;

    it('is tried again, and then holds', async () => {
      let attempts = 0;
      const result = await world.database.inTransaction(async (tx) => {
        if (++attempts < 3) await tx.query(meet);
        return attempts;
      });
      assert.equal(result, 3);
    });

    it('is given up after a bounded number of attempts, as transient and never as our error', async () => {
      let attempts = 0;
      const meeting = world.database.inTransaction(async (tx) => {
        attempts++;
        await tx.query(meet);
      });
      await assert.rejects(meeting, (error) => error instanceof Problem && error.code === 'transient');
      assert.equal(attempts, 5);
    });
  });

  it('a statement without rows has none, each time', async () => {
    for (let round = 0; round < 5; round++) {
      assert.deepEqual(await world.database.query(sql`update audit_shard set last_seq = 0 where shard = ${-1}`), []);
    }
  });

  describe('in a snapshot', () => {
    it('all statements see one moment, and nothing is written', async () => {
      const count = sql`select count(*)::int as n from locator`;
      const add = sql`insert into locator (id_bucket, type, id, bucket) values (1, 1, 'added', 1)`;
      await world.database.inSnapshot(async (tx) => {
        const before = await tx.query(count);
        await world.database.query(add);
        assert.deepEqual(await tx.query(count), before);
      });
      await assert.rejects(
        world.database.inSnapshot((tx) => tx.query(add)),
        /read-only/,
      );
    });

    it('a statement that takes longer than a search may is too costly, and the connection goes on', async () => {
      const database = openDatabase({ url: world.url, poolMax: 1, snapshotsMax: 1, snapshotTimeoutMs: 50 });
      try {
        await assert.rejects(
          database.inSnapshot((tx) => tx.query(sql`select pg_sleep(5)`)),
          (error) => error instanceof Problem && error.code === 'too-costly',
        );
        assert.deepEqual(await database.inSnapshot((tx) => tx.query(sql`select 1 as one`)), [{ one: 1 }]);
        assert.deepEqual(await database.inTransaction((tx) => tx.query(sql`select pg_sleep(0.1)::text as done`)), [
          { done: '' },
        ]);
      } finally {
        await database.close();
      }
    });

    it('as many as take all their connections hold up no write', async () => {
      const database = openDatabase({ url: world.url, poolMax: 1, snapshotsMax: 1 });
      try {
        const long = database.inSnapshot((tx) => tx.query(sql`select pg_sleep(0.3)`));
        const startedAt = performance.now();
        await database.inTransaction((tx) => tx.query(sql`select 1 as one`));
        assert.ok(performance.now() - startedAt < 250);
        await long;
      } finally {
        await database.close();
      }
    });
  });
});
