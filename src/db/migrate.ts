/**
 * Brings the schema up to date. Migrations are numbered SQL files, forward only, run by knex under an advisory lock, so
 * several processes may start at once.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import pg from 'pg';
import { Problem } from '../fhir/problem.ts';

const directory = join(import.meta.dirname, '..', '..', 'migrations');
/** Any fixed number: the key of the lock that migrating processes share. */
export const lockKey = 7_242_024;
/** A host that does not answer by then is down, or behind a wall. */
const connectMs = 10_000;
const majorMin = 15;

/** @returns the names of the migrations that ran */
export async function migrate(url: string): Promise<string[]> {
  if (await isUpToDate(url)) return [];
  // Loaded only when there is something to do: it costs a serving process 13 MB and 100 ms it never uses again.
  const { default: knex } = await import('knex');
  const db = knex({ client: 'pg', connection: url, pool: { min: 1, max: 2 } });
  try {
    return await db.transaction(async (lock) => {
      await lock.raw('select pg_advisory_xact_lock(?)', [lockKey]);
      // knex's own lock row outlives a process that is killed; ours ends with its connection.
      if (await lock.schema.hasTable('knex_migrations_lock'))
        await db.migrate.forceFreeMigrationsLock({ migrationSource });
      const [, applied]: [number, string[]] = await db.migrate.latest({
        migrationSource,
        disableMigrationsListValidation: false,
      });
      return applied;
    });
  } finally {
    await db.destroy();
  }
}

async function isUpToDate(url: string): Promise<boolean> {
  const client = await connect(url);
  try {
    const { rows } = await client.query<{ name: string }>('select name from knex_migrations order by name');
    const wanted = await migrationNames();
    return rows.length === wanted.length && rows.every((row, index) => row.name === wanted[index]);
  } catch (error) {
    // 42P01: a database that was never migrated.
    if ((error as { code?: string }).code === '42P01') return false;
    throw error;
  } finally {
    await client.end();
  }
}

/** @throws Problem transient, or not-supported for a server that is too old */
export async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectMs });
  await client.connect().catch(unreachable);
  await requireVersion(client).catch(async (error: unknown) => {
    await client.end();
    throw error;
  });
  return client;
}

/** The server's own words name host, user or database, never the password. */
function unreachable(cause: Error): never {
  throw new Problem(
    'transient',
    `the database cannot be reached: ${cause.message || String((cause as { code?: string }).code)}`,
    {
      hint: 'Check DATABASE_URL and that PostgreSQL runs there; unset it to use the embedded one.',
      cause,
    },
  );
}

async function requireVersion(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number }>(
    "select current_setting('server_version_num')::int / 10000 as version",
  );
  const major = rows[0]?.version ?? 0;
  if (major >= majorMin) return;
  throw new Problem('not-supported', `the database is PostgreSQL ${major}; the hub needs ${majorMin} or newer`, {
    hint: 'Point DATABASE_URL to a newer one.',
  });
}

export async function migrationNames(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.sql')).toSorted();
}

const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: migrationNames,
  getMigrationName: (name) => name,
  getMigration: async (name) => {
    const text = await readFile(join(directory, name), 'utf8');
    return {
      up: async (db) => {
        await db.raw(text);
      },
      down: async () => {
        throw new Error('migrations go forward only');
      },
    };
  },
};
