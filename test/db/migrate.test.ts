import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../../src/db/migrate.ts';
import { Problem } from '../../src/fhir/problem.ts';

describe('migrate', () => {
  const name = `test_migrate_${process.pid}`;
  let url: string;
  const admin = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: process.env['HUB_TEST_DATABASE'] });
    await client.connect();
    await client.query(statement);
    await client.end();
  };
  beforeEach(async () => {
    await admin(`create database ${name}`);
    url = (process.env['HUB_TEST_DATABASE'] as string).replace(/\/postgres$/, `/${name}`);
  });
  afterEach(() => admin(`drop database ${name} with (force)`));

  const wanted = async (): Promise<string[]> =>
    (await readdir(join(import.meta.dirname, '..', '..', 'migrations')))
      .filter((file) => file.endsWith('.sql'))
      .toSorted();

  it('runs every file once, in order, and then nothing', async () => {
    assert.deepEqual(await migrate(url), await wanted());
    assert.deepEqual(await migrate(url), []);
  });

  it('given a database that is not there, says so and what to check', async () => {
    const nowhere = url.replace(name, 'not_there');
    await assert.rejects(
      migrate(nowhere),
      (error) => error instanceof Problem && /not_there/.test(error.message) && /DATABASE_URL/.test(error.hint ?? ''),
    );
  });

  it('given several processes at once, one runs them and the others wait', async () => {
    const runs = await Promise.all(Array.from({ length: 4 }, () => migrate(url)));
    assert.deepEqual(runs.flat(), await wanted());
  });

  it('given a process that was killed while it held the lock row, goes on', async () => {
    await migrate(url);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('update knex_migrations_lock set is_locked = 1');
    await client.query('delete from knex_migrations where name = (select max(name) from knex_migrations)');
    const tables = await client.query<{ name: string }>(
      "select tablename as name from pg_tables where schemaname = 'public' and tablename not like 'knex%'",
    );
    for (const table of tables.rows) await client.query(`drop table "${table.name}" cascade`);
    const routines = await client.query<{ name: string }>(
      "select oid::regprocedure::text as name from pg_proc where pronamespace = 'public'::regnamespace",
    );
    for (const routine of routines.rows) await client.query(`drop routine ${routine.name}`);
    await client.query('delete from knex_migrations');
    await client.end();
    assert.deepEqual(await migrate(url), await wanted());
  });
});
