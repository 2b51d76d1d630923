/**
 * A backup of the embedded cluster while it serves, by PostgreSQL's own protocol for copying files: between its start and its end every file is
 * copied as it is, torn or not, and the write-ahead log of that time makes them whole when the copy is first started. A slot keeps that log.
 *
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
import { copyFile, mkdir, open, opendir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { Problem } from '../fhir/problem.ts';

export interface BackupEnd {
  readonly bytes: number;
  readonly files: number;
  /** What was committed before this is in the copy. */
  readonly startedAt: Date;
}

/** Contents that PostgreSQL makes anew, or that are copied after the end. @see "Backing Up The Data Directory" of the page above */
const emptied = new Set([
  'pg_wal',
  'pg_replslot',
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const left = /^(postmaster\.(pid|opts)|\.s\.PGSQL\..*|pg_internal\.init|pgsql_tmp.*|backup_label|tablespace_map)$/;

/**
 * @param url of the superuser; @param from the cluster's directory; @param to an empty directory
 * @throws Problem not-supported for a cluster that has tablespaces elsewhere
 */
export async function backUpCluster(url: string, from: string, to: string): Promise<BackupEnd> {
  const client = new pg.Client({ connectionString: url, application_name: 'hub-backup', keepAlive: true });
  client.on('error', () => undefined);
  await client.connect();
  const total = { bytes: 0, files: 0 };
  try {
    // Ends with this session, whatever happens to it.
    await client.query(`select pg_create_physical_replication_slot('hub_backup_' || pg_backend_pid(), true, true)`);
    const { rows: begun } = await client.query<{ at: Date }>(`select now() as at, pg_backup_start('hub backup', true)`);
    await copyTree(from, to, total);
    const { rows } = await client.query<{ labelfile: string; spcmapfile: string }>(
      `select labelfile, spcmapfile from pg_backup_stop(false)`,
    );
    const { labelfile = '', spcmapfile = '' } = rows[0] ?? {};
    if (spcmapfile.trim() !== '')
      throw new Problem('not-supported', 'the cluster has tablespaces', { hint: 'Use pg_basebackup.' });
    await copyLog(from, to, labelfile, total);
    // Last: without it nobody takes the copy for whole.
    await writeFile(join(to, 'backup_label'), labelfile, { mode: 0o600, flush: true });
    return { ...total, startedAt: begun[0]?.at ?? new Date() };
  } finally {
    await client.end();
  }
}

interface Total {
  bytes: number;
  files: number;
}

async function copyTree(from: string, to: string, total: Total): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for await (const entry of await opendir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (left.test(entry.name)) continue;
    if (entry.isDirectory()) {
      if (emptied.has(entry.name)) await mkdir(target, { recursive: true, mode: 0o700 });
      else await copyTree(source, target, total);
    } else if (entry.isFile()) await copy(source, target, total);
  }
}

async function copy(source: string, target: string, total: Total): Promise<void> {
  try {
    await copyFile(source, target);
  } catch (error) {
    // A table that was dropped meanwhile: the log says so too.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  const file = await open(target, 'r+');
  try {
    await file.sync();
    total.bytes += (await file.stat()).size;
    total.files++;
  } finally {
    await file.close();
  }
}

/** From the segment in which the backup started to the one in which it ended: the slot has kept them. */
async function copyLog(from: string, to: string, labelfile: string, total: Total): Promise<void> {
  const [, first] = /^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)$/m.exec(labelfile) ?? [];
  if (first === undefined) throw new Error('the backup has no start');
  await mkdir(join(to, 'pg_wal', 'archive_status'), { recursive: true, mode: 0o700 });
  for (const name of await readdir(join(from, 'pg_wal'))) {
    if (!/^[0-9A-F]{24}$/.test(name) || name < first) continue;
    await copy(join(from, 'pg_wal', name), join(to, 'pg_wal', name), total);
  }
}
