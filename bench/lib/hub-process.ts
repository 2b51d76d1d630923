/** A hub of its own for a measurement: its process, its database and its data directory, gone afterwards. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { startEmbedded } from '../../src/db/embedded.ts';
import { processorTime } from './processor-time.ts';

const root = resolve(import.meta.dirname, '..', '..');
const startTimeoutMs = 30_000;

export interface HubProcess {
  readonly baseUrl: string;
  readonly fhirUrl: string;
  readonly mllpPort: number;
  readonly databaseUrl: string;
  readonly dataDir: string;
  /** Runs a command of the CLI against the same data directory and database; resolves with its stdout. */
  cli(...args: string[]): Promise<string>;
  rssMb(): Promise<number>;
  /** Processor time so far, in microseconds: of the hub with its threads and processes, and of PostgreSQL. */
  processorTime(): Promise<{ readonly hub: number; readonly database: number }>;
  /** Stops the hub and starts it again on the same database; resolves with milliseconds from spawn to the first answer. */
  restart(): Promise<number>;
  stop(): Promise<void>;
}

export interface HubOptions {
  /** Its data directory, which stays; without it one is made, and gone afterwards. */
  readonly dataDir?: string;
  /** Another hub, whose data directory and database it shares: its keys are the same, its tokens are not. */
  readonly beside?: HubProcess;
  /** A module that each of its threads loads before anything else. */
  readonly preload?: string;
}

export async function startHub(
  env: Record<string, string> = {},
  { dataDir: kept, beside, preload }: HubOptions = {},
): Promise<HubProcess> {
  const stays = kept ?? beside?.dataDir;
  const dataDir = stays ?? (await mkdtemp(join(tmpdir(), 'hub-bench-')));
  const database = await startEmbedded({ dataDir: join(dataDir, 'database') });
  const [port, mllpPort] = [await freePort(), await freePort()];
  const baseUrl = `http://127.0.0.1:${port}`;
  const environment = {
    ...process.env,
    HUB_PORT: String(port),
    HUB_MLLP_PORT: String(mllpPort),
    HUB_DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    HUB_LOG_LEVEL: 'warn',
    ...env,
  };
  let child: ChildProcess | undefined;
  const start = async (): Promise<number> => {
    const startedAt = performance.now();
    const before = preload === undefined ? [] : ['--import', pathToFileURL(preload).href];
    child = spawn(process.execPath, [...before, join(root, 'bin', 'hub.mjs'), 'serve'], {
      env: environment,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    while (!(await isAnswering(`${baseUrl}/fhir/R4/metadata`))) {
      if (child.exitCode !== null) throw new Error(`the hub ended with ${child.exitCode} before it answered`);
      if (performance.now() - startedAt > startTimeoutMs) throw new Error('the hub did not answer in time');
      await new Promise((done) => setTimeout(done, 10));
    }
    return performance.now() - startedAt;
  };
  const end = async (): Promise<void> => {
    if (!child || child.exitCode !== null) return;
    const exited = new Promise((done) => child?.once('exit', done));
    child.kill('SIGTERM');
    await exited;
  };
  await start();
  return {
    baseUrl,
    fhirUrl: `${baseUrl}/fhir/R4`,
    mllpPort,
    databaseUrl: database.url,
    dataDir,
    cli: async (...args) =>
      (
        await promisify(execFile)(process.execPath, [join(root, 'bin', 'hub.mjs'), ...args], {
          env: environment,
          maxBuffer: 2 ** 26,
        })
      ).stdout,
    rssMb: async () => {
      const status = await readFile(`/proc/${child?.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    },
    processorTime: async () => {
      const postmaster = await readFile(join(dataDir, 'database', 'pg', 'postmaster.pid'), 'utf8');
      const [hub, server] = await Promise.all([processorTime(Number(child?.pid)), processorTime(parseInt(postmaster))]);
      return { hub, database: server };
    },
    restart: async () => {
      await end();
      return start();
    },
    stop: async () => {
      await end();
      await database.stop();
      if (stays === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function isAnswering(url: string): Promise<boolean> {
  return fetch(url).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );
}

export async function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => done(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
