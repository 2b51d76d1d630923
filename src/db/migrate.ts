/**
 * Brings the schema up to date. Migrations are numbered SQL files, forward only, run by knex under an advisory lock, so
 * several processes may start at once.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';

const directory = join(import.meta.dirname, '..', '..', 'migrations');
/** Any fixed number: the key of the lock that migrating processes share. */
const lockKey = 7_242_024;

export async function migrate(url: string): Promise<string[]> {
  // Loaded here, not at the top: the query builder costs a serving process 13 MB and 100 ms it never uses again.
  const { default: knex } = await import('knex');
  const db = knex({ client: 'pg', connection: url, pool: { min: 1, max: 2 } });
  try {
    return await db.transaction(async (lock) => {
      await lock.raw('select pg_advisory_xact_lock(?)', [lockKey]);
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

const migrationSource: Knex.MigrationSource<string> = {
  getMigrations: async () => (await readdir(directory)).filter((name) => name.endsWith('.sql')).toSorted(),
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
