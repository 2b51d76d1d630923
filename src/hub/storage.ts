/** The database every door of the hub opens: the configured one, else the embedded one, with the schema up to date. */
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { openDatabase, type Database, type DatabaseOptions } from '../db.ts';
import { startEmbedded, type EmbeddedOptions } from '../db/embedded.ts';
import { prepareDatabase, type Urls } from '../db/run-time-role.ts';
import type { SensitivitySets } from '../fhir/sensitivity/sets.ts';
import { readSensitivity } from '../mapping/sensitivity/read.ts';
import { followIndex, type Following } from '../store/index-revision.ts';
import { followLabels, registerSets, type LabelFollowing } from '../store/labels/current.ts';

export interface Storage {
  /** Of the role that serves. */
  readonly url: string;
  /** That role owns the tables. */
  readonly isOwner: boolean;
  readonly database: Database;
  /** Names of the migrations that this start ran. */
  readonly migrated: readonly string[];
  /** The search parameters in force, followed. */
  readonly index: Following;
  /** The sensitivity sets in force, followed. */
  readonly labels: LabelFollowing;
  /** Whether the sets of this host's files are in force: `older` ones have been replaced, and are not. */
  readonly sets: 'new' | 'known' | 'older';
  close(): Promise<void>;
}

export async function openStorage(
  config: Pick<Config, 'databaseUrl' | 'databaseOwnerUrl' | 'dataDir' | 'sensitivityDir'>,
  options: Pick<EmbeddedOptions, 'onEvent'> & Omit<DatabaseOptions, 'url'> = {},
): Promise<Storage> {
  const server = await reachServer(config, options);
  const { url } = server;
  try {
    const { migrated, isOwner } = await prepareDatabase(server);
    const database = openDatabase({ ...options, url });
    const index = await followIndex(database);
    const sets = await registerSets(database, readSets(config));
    const labels = await followLabels(database);
    return {
      url,
      isOwner,
      database,
      migrated,
      index,
      labels,
      sets,
      close: async () => {
        index.close();
        labels.close();
        await database.close();
        await server.stop();
      },
    };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function reachServer(
  { databaseUrl, databaseOwnerUrl, dataDir }: Pick<Config, 'databaseUrl' | 'databaseOwnerUrl' | 'dataDir'>,
  { onEvent }: Pick<EmbeddedOptions, 'onEvent'>,
): Promise<Urls & { stop(): Promise<void> }> {
  if (databaseUrl !== undefined) return { url: databaseUrl, ownerUrl: databaseOwnerUrl, stop: () => Promise.resolve() };
  const embedded = await startEmbedded({ dataDir, onEvent });
  return { url: embedded.runTimeUrl, ownerUrl: embedded.url, stop: () => embedded.stop() };
}

/** @throws Problem invalid naming file and line */
export function readSets({ sensitivityDir }: Pick<Config, 'sensitivityDir'>): SensitivitySets {
  return readSensitivity([shipped, ...(sensitivityDir === undefined ? [] : [sensitivityDir])]);
}
const shipped = join(import.meta.dirname, '..', '..', 'mappings', 'sensitivity');
