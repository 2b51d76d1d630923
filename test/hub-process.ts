/** A hub as its operator runs it: a process of its own on real ports, started through the launcher. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const launcher = join(import.meta.dirname, '..', 'bin', 'hub.mjs');

export interface HubProcess {
  readonly pid: number;
  readonly url: string;
  /** Events of the log so far, in order. */
  readonly log: Record<string, unknown>[];
  /** Resolves with the first log line that has this event. */
  logged(event: string): Promise<Record<string, unknown>>;
  signal(name: NodeJS.Signals): void;
  /** How it ended: the exit code, or the signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

export interface HubProcessOptions {
  readonly env?: Record<string, string>;
  /** The Node that starts the launcher. */
  readonly node?: string;
}

/** As long as tests wait for anything (until.ts). */
const readyMs = 110_000;

/** Starts `hub serve` on free ports and waits until it is ready. */
export async function givenHubProcess(options: HubProcessOptions = {}): Promise<HubProcess> {
  const child = spawn(options.node ?? process.execPath, [launcher, 'serve'], {
    env: { ...cleanEnvironment(), HUB_PORT: '0', HUB_MLLP_PORT: '0', HUB_WORKERS: '1', ...options.env },
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  const log: Record<string, unknown>[] = [];
  const waiting: { event: string; resolve(line: Record<string, unknown>): void }[] = [];
  let text = '';
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
    text += `${line}\n`;
    if (!line.startsWith('{')) return;
    const entry = JSON.parse(line) as Record<string, unknown>;
    log.push(entry);
    for (const wait of waiting.filter(({ event }) => event === entry['event'])) wait.resolve(entry);
  });
  const ended = endOf(child);
  const logged = (event: string): Promise<Record<string, unknown>> =>
    new Promise((resolve, reject) => {
      const found = log.find((entry) => entry['event'] === event);
      if (found !== undefined) return resolve(found);
      waiting.push({ event, resolve });
      const late = setTimeout(() => reject(new Error(`no "${event}" within ${readyMs} ms:\n${text}`)), readyMs);
      late.unref();
      void ended.then((how) => reject(new Error(`the hub ended (${how}) before "${event}":\n${text}`)));
    });
  const ready = await logged('ready');
  return {
    // Under an older Node the hub is a child of the launcher; its log says its own number.
    pid: ready['pid'] as number,
    url: `http://127.0.0.1:${String(ready['port'])}`,
    log,
    logged,
    signal: (name) => child.kill(name),
    ended,
  };
}

/** Runs one command of the hub to its end. */
export async function runHub(
  args: readonly string[],
  options: HubProcessOptions & { input?: string | Buffer } = {},
): Promise<{ code: number | NodeJS.Signals; stdout: string; stderr: string }> {
  const child = spawn(options.node ?? process.execPath, [launcher, ...args], {
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output.stderr += chunk));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  return { code: await endOf(child), ...output };
}

/** A data directory of its own, removed by `close`. */
export async function givenDataDir(): Promise<{ path: string; close(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'hub-data-'));
  return { path, close: () => rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }) };
}

function endOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve) => child.once('close', (code, signal) => resolve(signal ?? code ?? -1)));
}

/** The caller's settings of a hub must not leak into a test's. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('HUB_') && name !== 'DATABASE_URL' && name !== 'NODE_V8_COVERAGE',
    ),
  );
}
