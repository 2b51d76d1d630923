/**
 * The PostgreSQL that comes with the hub, so that a fresh checkout needs no database installed: started when no process
 * serves the data directory, attached to when one does (a hub that was killed leaves its server alive; a second command
 * on the same directory shares it), started again when it dies, stopped by the last hub process that leaves.
 */
import { spawn } from 'node:child_process';
import { open as openFile, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { Problem } from '../fhir/problem.ts';
import { findBinaries, serverAccount, serverEnvironment, type Account, type Binaries } from './binaries.ts';
import {
  isAlive,
  isServing,
  openCluster,
  readPostmaster,
  removeStalePid,
  socketPort,
  writeSettings,
  type Cluster,
} from './cluster.ts';

export interface Embedded {
  /** Of the superuser of the cluster, who owns what migrations make. */
  readonly url: string;
  /** Of the role by which the hub serves: it owns nothing, and has the rights it is given (run-time-role.ts). */
  readonly runTimeUrl: string;
  /** Closes our part; stops the server unless another hub process is still connected. */
  stop(): Promise<void>;
}

export type EmbeddedEvent = 'started' | 'attached' | 'lost' | 'restart-failed';

export interface EmbeddedOptions {
  /** Directory of the cluster; made when missing, kept when it exists. */
  readonly dataDir: string;
  /** False only for throw-away test clusters: commits then do not wait for the disk. */
  readonly isDurable?: boolean;
  readonly onEvent?: (event: EmbeddedEvent, detail?: string) => void;
}

/** Crash recovery replays at most max_wal_size of log; on a slow disk that takes a minute. */
const startMs = 120_000;
const pollMs = 20;
/** A server killed a moment ago still holds its shared memory; its backends need a moment to leave. */
const startAttemptsMax = 40;
const startPauseMs = 250;
/** After a start that failed; doubled each time, because a data directory that is gone stays gone. */
const restartPauseMinMs = 1_000;
const restartPauseMaxMs = 30_000;
/** Within the 10 s a hub has to stop. */
const fastStopMs = 6_000;
const logBytesMax = 10_000_000;
const supervisorName = 'hub-supervisor';
export const runTimeRole = 'hub_run';
/** Any fixed number, of those who make the role at the same moment. */
const roleLockKey = 7_242_032;

export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const account = await serverAccount();
  const binaries = await findBinaries(account);
  const cluster = await openCluster(options.dataDir, binaries, account);
  const port = cluster.hasSocket ? socketPort : await rememberedPort(options.dataDir, cluster);
  const host = cluster.hasSocket ? encodeURIComponent(cluster.directory) : '127.0.0.1';
  const urlOf = (role: string, password: string): string => `postgres://${role}:${password}@${host}:${port}/postgres`;
  const url = urlOf('hub', cluster.password);
  const runTimeUrl = urlOf(runTimeRole, cluster.runTimePassword);
  const server = new Server({ ...options, account, binaries, cluster, port, url, runTimeUrl });
  await server.start();
  return { url, runTimeUrl, stop: () => server.stop() };
}

interface ServerOptions extends EmbeddedOptions {
  readonly account: Account | undefined;
  readonly binaries: Binaries;
  readonly cluster: Cluster;
  readonly port: number;
  readonly url: string;
  readonly runTimeUrl: string;
}

/** Holds one connection for as long as it lives: its end tells at once that the server is gone. */
class Server {
  readonly #options: ServerOptions;
  #watch: pg.Client | undefined;
  #isStopping = false;
  readonly #stopping = new AbortController();
  #reviving: Promise<void> | undefined;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { cluster } = this.#options;
    const deadline = Date.now() + startMs;
    let attempts = 0;
    let wasSpawned = false;
    while (!this.#isStopping) {
      const postmaster = await readPostmaster(cluster);
      if (postmaster !== undefined && (await isServing(cluster, postmaster.pid))) {
        if (await this.#connect()) return this.#options.onEvent?.(wasSpawned ? 'started' : 'attached');
      } else {
        if (++attempts > startAttemptsMax) throw await this.#startProblem();
        if (attempts > 1) await sleep(startPauseMs);
        await removeStalePid(cluster);
        await this.#spawn();
        wasSpawned = true;
      }
      if (Date.now() > deadline) throw await this.#startProblem();
      await sleep(pollMs);
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#stopping.abort();
    await this.#reviving;
    const { cluster } = this.#options;
    const others = await this.#watch
      ?.query<{ others: boolean }>(
        `select count(*) > 1 as others from pg_stat_activity where application_name = '${supervisorName}'`,
      )
      .catch(() => undefined);
    await this.#watch?.end().catch(() => undefined);
    const postmaster = await readPostmaster(cluster);
    if (others?.rows[0]?.others === true || postmaster === undefined) return;
    if (!(await isServing(cluster, postmaster.pid))) return;
    // Fast shutdown: open transactions end, the checkpoint is written. Then immediate: the log is replayed at next start.
    for (const [signal, waitMs] of [
      ['SIGINT', fastStopMs],
      ['SIGQUIT', startPauseMs * 4],
    ] as const) {
      process.kill(postmaster.pid, signal);
      const deadline = Date.now() + waitMs;
      while (isAlive(postmaster.pid) && Date.now() < deadline) await sleep(pollMs);
      if (!isAlive(postmaster.pid)) return;
    }
  }

  /** As the role that serves, so that no connection of a running hub is the owner's. */
  async #connect(): Promise<boolean> {
    const { runTimeUrl } = this.#options;
    const client = (await open(runTimeUrl)) ?? ((await this.#makeRole()) ? await open(runTimeUrl) : undefined);
    if (client === undefined) return false;
    this.#watch = client;
    client.once('end', () => {
      if (!this.#isStopping) this.#reviving = this.#revive();
    });
    return true;
  }

  /** A cluster made by an earlier version, or just now, does not have it. False: the server does not answer. */
  async #makeRole(): Promise<boolean> {
    const { url, cluster } = this.#options;
    const owner = await open(url);
    if (owner === undefined) return false;
    try {
      await owner.query('begin');
      await owner.query(`select pg_advisory_xact_lock(${roleLockKey})`);
      const { rowCount } = await owner.query(`select from pg_roles where rolname = '${runTimeRole}'`);
      const verb = rowCount === 0 ? 'create' : 'alter';
      // Our own base64url: nothing to escape.
      await owner.query(
        `${verb} role ${runTimeRole} login nosuperuser nocreatedb nocreaterole noreplication nobypassrls password '${cluster.runTimePassword}'`,
      );
      await owner.query('commit');
      return true;
    } finally {
      await owner.end();
    }
  }

  async #revive(): Promise<void> {
    this.#options.onEvent?.('lost');
    for (let pauseMs = restartPauseMinMs; !this.#isStopping; pauseMs = Math.min(pauseMs * 2, restartPauseMaxMs)) {
      try {
        return await this.start();
      } catch (error) {
        this.#options.onEvent?.('restart-failed', error instanceof Error ? error.message : undefined);
        await sleep(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** Starts `postgres` and returns when it holds its pid file, or ended. */
  async #spawn(): Promise<void> {
    const { account, binaries, cluster, port } = this.#options;
    await writeSettings(cluster, { isDurable: this.#options.isDurable ?? true, port }, account);
    const log = await openFile(this.#logFile, (await sizeOf(this.#logFile)) > logBytesMax ? 'w' : 'a', 0o600);
    // Detached: Ctrl-C in a terminal reaches the whole process group, and the hub must answer what is open first.
    const child = spawn(join(binaries.bin, 'postgres'), ['-D', cluster.directory], {
      env: serverEnvironment(binaries.lib),
      cwd: cluster.directory,
      stdio: ['ignore', log.fd, log.fd],
      detached: true,
      ...account,
    });
    await log.close();
    let failure: Error | undefined;
    child.once('error', (error) => (failure = error));
    child.unref();
    const deadline = Date.now() + startMs;
    const isUndecided = (): boolean => failure === undefined && child.exitCode === null && child.signalCode === null;
    while (isUndecided() && (await readPostmaster(cluster))?.pid !== child.pid && Date.now() < deadline) {
      await sleep(pollMs);
    }
  }

  get #logFile(): string {
    return join(this.#options.dataDir, 'pg.log');
  }

  async #startProblem(): Promise<Problem> {
    const lines = await readFile(this.#logFile, 'utf8').catch(() => '');
    const reason = lines
      .trimEnd()
      .split('\n')
      .findLast((line) => line.includes('FATAL'));
    return new Problem(
      'transient',
      `the embedded PostgreSQL does not start${reason === undefined ? '' : `: ${reason}`}`,
      {
        hint: `Read ${this.#logFile}, or set DATABASE_URL to another PostgreSQL.`,
      },
    );
  }
}

/** Undefined: the server does not answer, or does not let us in. */
async function open(url: string): Promise<pg.Client | undefined> {
  const client = new pg.Client({
    connectionString: url,
    application_name: supervisorName,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return client;
  } catch {
    await client.end().catch(() => undefined);
    return undefined;
  }
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    ({ size }) => size,
    () => 0,
  );
}

/** The loopback port of this data directory: the running server's, else the one of the last start when it is free. */
async function rememberedPort(dataDir: string, cluster: Cluster): Promise<number> {
  const file = join(dataDir, 'pg-port');
  const postmaster = await readPostmaster(cluster);
  if (postmaster !== undefined && postmaster.port > 0 && (await isServing(cluster, postmaster.pid)))
    return postmaster.port;
  const last = Number(await readFile(file, 'utf8').catch(() => '0'));
  const port = await bind(last).catch(() => bind(0));
  await writeFile(file, String(port));
  return port;
}

async function bind(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
