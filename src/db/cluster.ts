/**
 * The files of the embedded cluster: made once by initdb, settings written at each start, `postmaster.pid` read to learn
 * whether a server of an earlier process is still alive. Starting and watching the server is embedded.ts.
 */
import { execFile } from 'node:child_process';
import { createHash, createHmac, randomBytes, randomUUID } from 'node:crypto';
import {
  appendFile,
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Problem } from '../fhir/problem.ts';
import { canReach, exists, ignore, rootDirectory, serverEnvironment, type Account, type Binaries } from './binaries.ts';

const run = promisify(execFile);

export interface Cluster {
  /** The PostgreSQL data directory. */
  readonly directory: string;
  readonly password: string;
  /** Of the role that serves. It says nothing of the other one. */
  readonly runTimePassword: string;
  /** Whether the server listens on a socket in its directory; otherwise on a loopback port. */
  readonly hasSocket: boolean;
}

/** `sun_path` holds 104 bytes on macOS and the BSDs, 108 on Linux, with the final zero. */
const socketPathMax = 103;
/** Part of the socket's file name; on a socket of our own it cannot clash. */
export const socketPort = 5432;

/**
 * Makes the cluster when it is missing, keeps it when it exists.
 * @throws Problem not-supported for a cluster of another PostgreSQL version
 */
export async function openCluster(dataDir: string, binaries: Binaries, account: Account | undefined): Promise<Cluster> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, 'pg');
  if (!(await exists(join(path, 'PG_VERSION')))) await initialise(path, dataDir, binaries, account);
  const directory = await realpath(path);
  const version = Number.parseInt(await readFile(join(directory, 'PG_VERSION'), 'utf8'), 10);
  if (version !== binaries.major) {
    throw new Problem('not-supported', `${path} was made by PostgreSQL ${version}; this is ${binaries.major}`, {
      hint: `Dump it with PostgreSQL ${version} (pg_dump) and restore it into an empty HUB_DATA_DIR, or set DATABASE_URL.`,
    });
  }
  const password = (await readFile(join(directory, passwordFile), 'utf8')).trim();
  return {
    directory,
    password,
    runTimePassword: createHmac('sha256', password).update('run-time role').digest('base64url'),
    hasSocket: Buffer.byteLength(join(directory, `.s.PGSQL.${socketPort}`)) <= socketPathMax,
  };
}

const passwordFile = 'hub-password';

/** initdb works in a directory beside, and one rename makes it the cluster: a start cut short leaves nothing half made. */
async function initialise(
  path: string,
  dataDir: string,
  binaries: Binaries,
  account: Account | undefined,
): Promise<void> {
  const home = await findHome(dataDir, account);
  await removeLeftovers(home);
  const scratch = join(home, `pg.init-${process.pid}`);
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  const secret = `${scratch}.password`;
  await writeFile(secret, randomBytes(24).toString('base64url'), { mode: 0o600 });
  if (account) await Promise.all([scratch, secret].map((file) => chown(file, account.uid, account.gid)));
  await run(
    join(binaries.bin, 'initdb'),
    [
      '-D',
      scratch,
      '-U',
      'hub',
      '--encoding=UTF8',
      '--locale=C',
      '--auth-local=scram-sha-256',
      '--auth-host=scram-sha-256',
      `--pwfile=${secret}`,
    ],
    { env: serverEnvironment(binaries.lib), cwd: scratch, ...account },
  ).catch(initialiseFailed);
  await rename(secret, join(scratch, passwordFile));
  await appendFile(
    join(scratch, 'postgresql.conf'),
    `\n# Written by the hub at each start.\ninclude_if_exists = '${settingsFile}'\n`,
  );
  await place(scratch, path, home, dataDir);
}

async function place(scratch: string, path: string, home: string, dataDir: string): Promise<void> {
  const target = home === dataDir ? path : join(home, 'pg');
  // Another process may have been faster: its cluster stays, ours goes.
  await rename(scratch, target).catch(ignore('ENOTEMPTY', 'EEXIST'));
  await rm(scratch, { recursive: true, force: true });
  if (target !== path) await symlink(target, path).catch(ignore('EEXIST'));
}

/**
 * Makes the cluster of a data directory that has none from the files of another.
 * @throws Problem conflict when it has one
 */
export async function adoptCluster(from: string, dataDir: string, account: Account | undefined): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, 'pg');
  if (await exists(join(path, 'PG_VERSION'))) {
    throw new Problem('conflict', 'the data directory has a database already', {
      hint: 'Name an empty HUB_DATA_DIR: nothing is ever overwritten.',
    });
  }
  const home = await findHome(dataDir, account);
  await removeLeftovers(home);
  const scratch = join(home, `pg.init-${process.pid}`);
  await rm(scratch, { recursive: true, force: true });
  await cp(from, scratch, { recursive: true });
  await chmod(scratch, 0o700);
  if (account) {
    const all = await readdir(scratch, { recursive: true });
    for (const file of [scratch, ...all.map((name) => join(scratch, name))])
      await chown(file, account.uid, account.gid);
  }
  await place(scratch, path, home, dataDir);
}

/** initdb says in one line why: no account for the user id, no space, a directory on a file system without permissions. */
function initialiseFailed(cause: Error & { stderr?: string }): never {
  const reason = cause.stderr?.trim().split('\n').at(-1) ?? cause.message;
  throw new Problem('exception', `the embedded PostgreSQL cannot make its cluster: ${reason}`, {
    hint: 'Repair that, or set DATABASE_URL to another PostgreSQL.',
    cause,
  });
}

/**
 * The directory the cluster is made in: the data directory itself, except for root with a data directory that the
 * server's account cannot enter (a checkout under /root): then a place of our own, with a link from the data directory.
 */
async function findHome(dataDir: string, account: Account | undefined): Promise<string> {
  if (account === undefined) return dataDir;
  const mode = (await lstat(dataDir)).mode;
  await chmod(dataDir, (mode & 0o777) | 0o011);
  if (await canReach(dataDir, account)) return dataDir;
  const name = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 16);
  const home = join(rootDirectory, name);
  await mkdir(home, { recursive: true, mode: 0o755 });
  return home;
}

async function removeLeftovers(home: string): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = Number(/^pg\.init-(\d+)/.exec(name)?.[1]);
    if (pid > 0 && !isAlive(pid)) await rm(join(home, name), { recursive: true, force: true });
  }
}

const settingsFile = 'hub.conf';
const accessFile = 'hub-hba.conf';
/** Of clusters of earlier versions the socket asked for no password, so that whoever reached it was whom they said. */
const access = 'local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n';

export interface ClusterSettings {
  readonly isDurable: boolean;
  /** The loopback port when there is no socket. */
  readonly port: number;
}

export async function writeSettings(
  cluster: Cluster,
  settings: ClusterSettings,
  account: Account | undefined,
): Promise<void> {
  const values: Record<string, string | number> = {
    listen_addresses: cluster.hasSocket ? '' : '127.0.0.1',
    port: cluster.hasSocket ? socketPort : settings.port,
    unix_socket_directories: cluster.hasSocket ? cluster.directory : '',
    unix_socket_permissions: '0700',
    // Five for each worker thread, of which there are at most 64, and some for the rest of a hub.
    max_connections: 400,
    shared_buffers: '256MB',
    max_wal_size: '2GB',
    random_page_cost: 1.1,
    // Statements are short and planned once; compiling them costs more than it saves.
    jit: 'off',
    timezone: 'UTC',
    hba_file: join(cluster.directory, accessFile),
    password_encryption: 'scram-sha-256',
    // The server's log never quotes a row: DETAIL and the failing statement hold patient data.
    log_error_verbosity: 'terse',
    log_min_error_statement: 'panic',
    log_parameter_max_length: 0,
    ...(settings.isDurable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  const text = Object.entries(values).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'\n`);
  await replaceFile(join(cluster.directory, accessFile), access, account);
  await replaceFile(join(cluster.directory, settingsFile), text.join(''), account);
}

/** Two starts of one process may write it at the same moment. */
async function replaceFile(file: string, text: string, account: Account | undefined): Promise<void> {
  const scratch = `${file}.${randomUUID()}`;
  await writeFile(scratch, text, { mode: 0o600 });
  if (account) await chown(scratch, account.uid, account.gid);
  await rename(scratch, file);
}

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/** What `postmaster.pid` says. @see https://www.postgresql.org/docs/current/storage-file-layout.html */
export async function readPostmaster(cluster: Cluster): Promise<Postmaster | undefined> {
  const text = await readFile(join(cluster.directory, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n');
  const [pid, port] = [Number(lines[0]), Number(lines[3])];
  return pid > 0 ? { pid, port: port > 0 ? port : 0 } : undefined;
}

/**
 * Whether the process of `postmaster.pid` is a server of this cluster. After a restart of the machine or a container the
 * number may belong to anything, even to another PostgreSQL: its command line names the directory.
 */
export async function isServing(cluster: Cluster, pid: number): Promise<boolean> {
  if (!isAlive(pid)) return false;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() =>
    run('ps', ['-o', 'args=', '-p', String(pid)]).then(
      ({ stdout }) => stdout,
      () => '',
    ),
  );
  return command.includes('postgres') && command.includes(cluster.directory);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Removes a pid file that no server of this cluster stands behind; PostgreSQL itself would refuse to start on it. */
export async function removeStalePid(cluster: Cluster): Promise<void> {
  const postmaster = await readPostmaster(cluster);
  if (postmaster !== undefined && !(await isServing(cluster, postmaster.pid))) {
    await rm(join(cluster.directory, 'postmaster.pid'), { force: true });
  }
}
