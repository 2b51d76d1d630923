/** What faults are done to: hubs in processes of their own on one data directory, whose PostgreSQL they start, watch and share. */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { openDatabase, type Database } from '../../../src/db.ts';
import { startEmbedded } from '../../../src/db/embedded.ts';
import { withRegistrar } from '../../../src/cli/endpoint/registry.ts';
import { addEndpoint } from '../../../src/ingest/registry/change.ts';
import type { NewEndpoint } from '../../../src/ingest/registry/description.ts';
import { freePort } from '../../lib/hub-process.ts';

const root = resolve(import.meta.dirname, '..', '..', '..');
/** Of a hub that comes back while PostgreSQL is replaying its log. */
const startMs = 60_000;
const pollMs = 50;

/** Hubs that run: whoever ends the measurement ends them, and the last one ends PostgreSQL. */
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    const gone = [...running].map((child) => new Promise((done) => child.once('exit', done)));
    for (const child of running) child.kill('SIGTERM');
    void Promise.all(gone).then(() => process.exit(1));
  });
}

export interface HubSeat {
  readonly url: string;
  readonly mllpPort: number;
  readonly pid: number | undefined;
  /** Resolves when it answers as ready. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

export interface World {
  readonly dataDir: string;
  /** By which commands of the hub reach the same database. */
  readonly environment: NodeJS.ProcessEnv;
  /** What is written down of a run. */
  readonly ledger: string;
  readonly hubs: readonly HubSeat[];
  /** As the owner of the tables. Reads are tried again while PostgreSQL is away. */
  readonly database: Database;
  /** To the process that listens. */
  signalDatabase(signal: NodeJS.Signals): Promise<void>;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly hubs?: number;
  /** Instead of one that is made. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A module that each thread of the hub with this number loads before anything else, and its settings. */
  readonly preload?: { readonly hub: number; readonly module: string; readonly env: Readonly<Record<string, string>> };
}

export async function openWorld(options: WorldOptions = {}): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), 'hub-faults-'));
  // The embedded PostgreSQL has an account of its own, which must reach its directory.
  await chmod(directory, 0o755);
  const [dataDir, ledger] = [options.dataDir ?? join(directory, 'data'), join(directory, 'ledger.ndjson')];
  const log = join(directory, 'hub.log');
  const hubs: HubSeat[] = [];
  for (let number = 0; number < (options.hubs ?? 2); number++) hubs.push(await seat(number, dataDir, log, options));
  // The first one makes the cluster and its tables.
  for (const hub of hubs) await hub.start();
  const server = await startEmbedded({ dataDir });
  const database = openDatabase({ url: server.url, pipelines: 1 });
  return {
    dataDir,
    environment: { HUB_DATA_DIR: dataDir },
    ledger,
    hubs,
    database,
    signalDatabase: async (signal) => {
      const text = await readFile(join(dataDir, 'pg', 'postmaster.pid'), 'utf8');
      process.kill(Number(text.split('\n', 1)[0]), signal);
    },
    close: async () => {
      await Promise.all(hubs.map((hub) => hub.stop()));
      await database.close();
      await server.stop();
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

/** Takes every simulated hospital. */
export async function addHospitals({ environment }: World): Promise<void> {
  await withRegistrar(environment, async ({ database, options }) => {
    const endpoint = {
      name: 'simulated',
      kind: 'hl7v2-mllp',
      organization: 'Organization/simulated',
      facilities: ['*'],
    };
    await addEndpoint(database, endpoint as NewEndpoint, options({}));
  });
}

async function seat(number: number, dataDir: string, log: string, options: WorldOptions): Promise<HubSeat> {
  const [port, mllpPort] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const preload = options.preload?.hub === number ? options.preload : undefined;
  const before = preload === undefined ? [] : ['--import', pathToFileURL(preload.module).href];
  let child: ChildProcess | undefined;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = new Promise((done) => ending.once('exit', done));
    ending.kill(signal);
    await gone;
  };
  return {
    url,
    mllpPort,
    get pid() {
      return child?.pid;
    },
    start: async () => {
      const started = spawn(process.execPath, [...before, join(root, 'bin', 'hub.mjs'), 'serve'], {
        env: {
          ...clean(process.env),
          HUB_PORT: String(port),
          HUB_MLLP_PORT: String(mllpPort),
          HUB_DATA_DIR: dataDir,
          HUB_LOG_LEVEL: 'warn',
          HUB_WORKERS: '1',
          ...options.env,
          ...preload?.env,
        },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      child = started;
      running.add(started);
      started.once('exit', () => running.delete(started));
      started.stderr?.on('data', (chunk: Buffer) => appendFileSync(log, chunk));
      const until = performance.now() + startMs;
      while (!(await isReady(url))) {
        if (started.exitCode !== null) throw new Error(`the hub ended with ${started.exitCode}: see ${log}`);
        if (performance.now() > until) throw new Error(`the hub was not ready in time: see ${log}`);
        await sleep(pollMs);
      }
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
  };
}

/** A hub's settings of the caller must not leak into a measurement. */
function clean(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !name.startsWith('HUB_') && name !== 'DATABASE_URL'),
  );
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/readyz`).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );
}
