/**
 * `hub backup DIR` while the hub serves, and `hub restore DIR` into an empty HUB_DATA_DIR: the embedded database, and the keys without which what
 * is sealed in it cannot be opened and what is signed not checked. Another database is backed up by its own tools (docs/operations.md).
 */
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readConfig } from '../config.ts';
import { backUpCluster } from '../db/backup.ts';
import { findBinaries, serverAccount } from '../db/binaries.ts';
import { adoptCluster, openCluster } from '../db/cluster.ts';
import { startEmbedded } from '../db/embedded.ts';
import { Problem } from '../fhir/problem.ts';

/** Of the data directory: the cluster is copied by its protocol, the rest are of a start. */
const notKeys = /^(pg|pg\.log|pg-port|pg\.init-.*)$/;

export async function runBackup(directory: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const { dataDir, databaseUrl } = readConfig(environment);
  if (databaseUrl !== undefined) {
    throw new Problem('not-supported', "DATABASE_URL names a database that is not the hub's own", {
      hint: 'Back it up with pg_basebackup or pg_dump, and HUB_DATA_DIR, which has the keys, as files.',
    });
  }
  const to = resolve(directory);
  await mkdir(to, { recursive: true, mode: 0o700 });
  if ((await readdir(to)).length > 0) {
    throw new Problem('conflict', 'the directory is not empty', { hint: 'Name a new one for each backup.' });
  }
  const started = performance.now();
  const account = await serverAccount();
  const embedded = await startEmbedded({ dataDir });
  try {
    const cluster = await openCluster(dataDir, await findBinaries(account), account);
    const { bytes, files, startedAt } = await backUpCluster(embedded.url, cluster.directory, join(to, 'pg'));
    // After the database: what it has sealed was sealed by keys that are there by now.
    await copyKeys(dataDir, to);
    const seconds = Math.round(performance.now() - started) / 1_000;
    console.log(JSON.stringify({ directory: to, startedAt, bytes, files, seconds }));
  } catch (error) {
    await rm(join(to, 'pg'), { recursive: true, force: true });
    throw error;
  } finally {
    await embedded.stop();
  }
}

export async function runRestore(directory: string, environment: NodeJS.ProcessEnv): Promise<void> {
  const { dataDir, databaseUrl } = readConfig(environment);
  if (databaseUrl !== undefined) throw new Problem('not-supported', 'DATABASE_URL is set', { hint: 'Unset it.' });
  const from = resolve(directory);
  const names = await readdir(join(from, 'pg')).catch((): string[] => []);
  if (!names.includes('backup_label')) {
    throw new Problem('not-found', 'there is no whole backup in this directory', { hint: 'hub backup DIR makes one.' });
  }
  await adoptCluster(join(from, 'pg'), dataDir, await serverAccount());
  await copyKeys(from, dataDir);
  console.log(JSON.stringify({ dataDir }));
}

async function copyKeys(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    if (!notKeys.test(name)) await cp(join(from, name), join(to, name), { recursive: true, preserveTimestamps: true });
  }
}
