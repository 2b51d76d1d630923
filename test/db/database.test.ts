import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '../../src/db.ts';
import { sql, textArray, type Sql } from '../../src/db/sql.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { givenDatabase } from '../given.ts';
import { until } from '../until.ts';

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

  it('plans a statement once, and spreads none over processes', async () => {
    const setting = async (name: string): Promise<unknown> =>
      (await world.database.query(sql`select current_setting(${name}) as value`))[0];
    assert.deepEqual(await setting('plan_cache_mode'), { value: 'force_generic_plan' });
    assert.deepEqual(await setting('max_parallel_workers_per_gather'), { value: '0' });
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

  it('a connection that is lost between two statements of a transaction ends the transaction, not the process', async () => {
    const lost = world.database.inTransaction(async (tx) => {
      const [own] = await tx.query<{ pid: number }>(sql`select pg_backend_pid() as pid`);
      await world.database.query(sql`select pg_terminate_backend(${own?.pid ?? 0})`);
      // Long enough for the end to be heard while no statement is under way.
      await sleep(100);
      return tx.query(sql`select 1`);
    });
    await assert.rejects(lost, { name: 'Problem', code: 'transient' });
    assert.deepEqual(await world.database.inTransaction((tx) => tx.query(sql`select 1 as one`)), [{ one: 1 }]);
  });

  it('given a connection that ends, then everything that was asked fails as transient, and the next is served', async () => {
    const database = openDatabase({ url: world.url, pipelines: 1, applicationName: 'test-lost' });
    try {
      const rest = (seconds: number): Promise<object[]> => database.query(sql`select pg_sleep(${seconds})`);
      const one = (): Promise<object[]> => database.query(sql`select 1 as one`);
      await Promise.all([rest(0), one()]);
      const asked = Promise.allSettled([rest(20), one(), one()]);
      const own = sql`from pg_stat_activity where application_name = 'test-lost'`;
      const resting = sql`select ${own} and wait_event = 'PgSleep'`;
      await until('it is under way', async () => (await world.database.query(resting)).length > 0);
      await world.database.query(sql`select pg_terminate_backend(pid) ${own}`);
      for (const settled of await asked) {
        const isTransient = settled.status === 'rejected' && isTransientProblem(settled.reason);
        assert.ok(isTransient, settled.status);
      }
      // PostgreSQL says that it ends the connection before it does: what comes in between is transient as well.
      let found: object[] = [];
      const isServed = async (): Promise<boolean> => {
        try {
          found = await one();
          return true;
        } catch (error) {
          if (isTransientProblem(error)) return false;
          throw error;
        }
      };
      await until('the next is served', isServed);
      assert.deepEqual(found, [{ one: 1 }]);
    } finally {
      await database.close();
    }
  });

  it('given a server that takes connections and says nothing, then transient, for single statements and transactions', async () => {
    const mute = createServer(() => undefined);
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    const database = openDatabase({ url: `postgres://hub@127.0.0.1:${port}/nowhere`, connectTimeoutMs: 100 });
    try {
      await assert.rejects(database.query(sql`select 1`), { name: 'Problem', code: 'transient' });
      await assert.rejects(
        database.inTransaction((tx) => tx.query(sql`select 1`)),
        { name: 'Problem', code: 'transient' },
      );
    } finally {
      await database.close();
      mute.close();
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
      const database = openDatabase({ url: world.url, poolMax: 1, snapshotsMax: 1, snapshotTimeoutMs: 500 });
      try {
        await assert.rejects(
          database.inSnapshot((tx) => tx.query(sql`select pg_sleep(5)`)),
          (error) => error instanceof Problem && error.code === 'too-costly',
        );
        assert.deepEqual(await database.inSnapshot((tx) => tx.query(sql`select 1 as one`)), [{ one: 1 }]);
        assert.deepEqual(await database.inTransaction((tx) => tx.query(sql`select pg_sleep(0.6)::text as done`)), [
          { done: '' },
        ]);
      } finally {
        await database.close();
      }
    });

    it('as many as take all their connections hold up no write', async () => {
      const database = openDatabase({ url: world.url, poolMax: 1, snapshotsMax: 1 });
      try {
        // Holds the one connection until it is let go.
        const { promise: released, resolve: release } = Promise.withResolvers<void>();
        let isOver = false;
        const long = database
          .inSnapshot(async (tx) => {
            await tx.query(sql`select 1 as one`);
            await released;
          })
          .then(() => {
            isOver = true;
          });
        assert.deepEqual(await database.inTransaction((tx) => tx.query(sql`select 1 as one`)), [{ one: 1 }]);
        assert.equal(isOver, false);
        release();
        await long;
      } finally {
        await database.close();
      }
    });
  });
});

function isTransientProblem(error: unknown): boolean {
  return error instanceof Problem && error.code === 'transient';
}
