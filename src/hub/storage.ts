/** The database every door of the hub opens: the configured one, else the embedded one, with the schema up to date. */
import type { Config } from '../config.ts';
import { openDatabase, type Database, type DatabaseOptions } from '../db.ts';
import { startEmbedded, type EmbeddedOptions } from '../db/embedded.ts';
import { migrate } from '../db/migrate.ts';
import { followIndex, type Following } from '../store/index-revision.ts';

export interface Storage {
  readonly url: string;
  readonly database: Database;
  /** Names of the migrations that this start ran. */
  readonly migrated: readonly string[];
  /** The search parameters in force, followed. */
  readonly index: Following;
  close(): Promise<void>;
}

export async function openStorage(
  config: Pick<Config, 'databaseUrl' | 'dataDir'>,
  options: Pick<EmbeddedOptions, 'onEvent'> & Omit<DatabaseOptions, 'url'> = {},
): Promise<Storage> {
  const { databaseUrl, dataDir } = config;
  const server =
    databaseUrl === undefined
      ? await startEmbedded({ dataDir, onEvent: options.onEvent })
      : { url: databaseUrl, stop: async () => undefined };
  const { url } = server;
  try {
    const migrated = await migrate(url);
    const database = openDatabase({ ...options, url });
    const index = await followIndex(database);
    return {
      url,
      database,
      migrated,
      index,
      close: async () => {
        index.close();
        await database.close();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
