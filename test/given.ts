/** The builder of every test's world. A test names only what matters to it; the rest has a plain default. */
import pg from 'pg';
import { openDatabase, type Database } from '../src/db.ts';

let databases = 0;

/** A database of its own, cloned from the migrated template; `close` drops it. */
export async function givenDatabase(): Promise<{ url: string; database: Database; close(): Promise<void> }> {
  const server = process.env['HUB_TEST_DATABASE'];
  if (server === undefined) throw new Error('run tests through mocha: test/setup.ts starts the database');
  const name = `test_${process.pid}_${++databases}`;
  await admin(server, `create database ${name} template hub_template`);
  const url = server.replace(/\/postgres$/, `/${name}`);
  const database = openDatabase({ url, poolMax: 8 });
  return {
    url,
    database,
    close: async () => {
      await database.close();
      await admin(server, `drop database ${name} with (force)`);
    },
  };
}

async function admin(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
