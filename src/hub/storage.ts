/** The database every door of the hub opens: the configured one, else the embedded one, with the schema up to date. */
import type { Config } from '../config.ts';
import { openDatabase, type Database, type DatabaseOptions } from '../db.ts';
import { startEmbedded, type EmbeddedOptions } from '../db/embedded.ts';
import { migrate } from '../db/migrate.ts';

export interface Storage {
  readonly url: string;
  readonly database: Database;
  /** Names of the migrations that this start ran. */
  readonly migrated: readonly string[];
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
    return {
      url,
      database,
      migrated,
      close: async () => {
        await database.close();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}
