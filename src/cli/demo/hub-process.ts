/** The hub of the demo: `hub serve` as a process of its own, on free ports, with a data directory of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../../fhir/problem.ts';

const launcher = join(import.meta.dirname, '..', '..', '..', 'bin', 'hub.mjs');

/** First start: initdb, migrations, compiling every mapping; on a slow laptop a few seconds, beside other work a minute. */
const readyMsMax = 120_000;
const pollMs = 50;
/** Whoever answers later than this is not a hub that is ready. */
const answerMsMax = 5_000;
/** The hub promises to be gone within 10 s. */
const stopMsMax = 12_000;
/** What of the log is shown when something goes wrong. */
const logLinesShown = 15;

export interface Place {
  readonly host: string;
  readonly port: number;
  readonly mllpPort: number;
  /** What to tell about ports that were taken. */
  readonly notes: readonly string[];
}

/**
 * The ports of the contract, or free ones when they are taken; a port that was set is never changed.
 * @throws Problem conflict when a port that was set is taken
 */
export async function choosePlace(environment: NodeJS.ProcessEnv): Promise<Place> {
  const host = environment['HUB_HOST'] || '127.0.0.1';
  const notes: string[] = [];
  const choose = async (variable: string, usual: number): Promise<number> => {
    const set = environment[variable];
    if (set !== undefined && set !== '' && set !== '0') {
      if (await isFree(host, Number(set))) return Number(set);
      throw new Problem('conflict', `port ${set} is taken by another program`, {
        hint: `Stop that program, or unset ${variable} and the demo finds a free port.`,
      });
    }
    if (set !== '0') {
      if (await isFree(host, usual)) return usual;
      notes.push(`Port ${usual} is taken by another program, so the demo uses a free one (${variable} sets it).`);
    }
    return freePort(host);
  };
  const port = await choose('HUB_PORT', 8080);
  return { host, port, mllpPort: await choose('HUB_MLLP_PORT', 2575), notes };
}

export interface HubProcess {
  readonly place: Place;
  readonly url: string;
  readonly dataDir: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Resolves when the process is gone, whoever ended it. */
  readonly exited: Promise<void>;
  /** @throws Problem exception when it ends instead, or takes too long */
  untilReady(): Promise<void>;
  stop(): Promise<void>;
  /** The end of its log: warnings and errors, and what it said when it ended. */
  lastWords(): string;
}

export function startHub(place: Place, dataDir: string): HubProcess {
  const url = `http://${place.host}:${place.port}`;
  const environment = hubEnvironment(place, dataDir);
  const logFile = join(dataDir, 'hub.log');
  const log = openSync(logFile, 'a');
  // With a channel, so that the hub ends when the demo is killed.
  const child = spawn(process.execPath, [launcher, 'serve'], {
    env: environment,
    stdio: ['ignore', log, log, 'ipc'],
  });
  let isGone = false;
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      isGone = true;
      resolve();
    });
  });
  return {
    place,
    url,
    dataDir,
    environment,
    exited,
    untilReady: async () => {
      for (const until = Date.now() + readyMsMax; Date.now() < until; await sleep(pollMs)) {
        if (isGone) throw new Problem('exception', 'the hub did not start');
        const isReady = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(answerMsMax) }).then(
          (response) => response.ok,
          () => false,
        );
        if (isReady) return;
      }
      throw new Problem('exception', `the hub was not ready within ${readyMsMax / 1000} s`);
    },
    stop: () => stop(child, exited),
    lastWords: () => readFileSync(logFile, 'utf8').trim().split('\n').slice(-logLinesShown).join('\n'),
  };
}

/** A hub of its own: of the caller's settings only where it listens and how much it logs. */
function hubEnvironment(place: Place, dataDir: string): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !/^(HUB_|DATABASE_URL$)/.test(name));
  return {
    ...Object.fromEntries(foreign),
    HUB_HOST: place.host,
    HUB_PORT: String(place.port),
    HUB_MLLP_PORT: String(place.mllpPort),
    HUB_DATA_DIR: dataDir,
    HUB_LOG_LEVEL: process.env['HUB_LOG_LEVEL'] || 'warn',
  };
}

async function stop(child: ChildProcess, exited: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const isLate = await Promise.race([exited.then(() => false), sleep(stopMsMax, true, { ref: false })]);
  if (isLate) child.kill('SIGKILL');
  await exited;
}

async function isFree(host: string, port: number): Promise<boolean> {
  return (await listenOnce(host, port)) !== undefined;
}

async function freePort(host: string): Promise<number> {
  const port = await listenOnce(host, 0);
  if (port === undefined)
    throw new Problem('exception', `cannot listen on ${host}`, { hint: 'Set HUB_HOST to an address of this machine.' });
  return port;
}

/** @returns the port that could be listened on, undefined when it could not */
function listenOnce(host: string, port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : undefined));
    });
  });
}
