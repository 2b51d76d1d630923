/**
 * A throw-away PostgreSQL for each test file that runs at a time, with a migrated template that each file clones. Not one for all: what is
 * under way in one database holds back in every other what readers of the outbox may see.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startEmbedded, type Embedded } from '../src/db/embedded.ts';
import { prepareDatabase } from '../src/db/run-time-role.ts';

/** As `jobs` of .mocharc.json. */
const clusters = 2;
const started: { readonly embedded: Embedded; readonly dataDir: string }[] = [];

export async function mochaGlobalSetup(): Promise<void> {
  await Promise.all(Array.from({ length: clusters }, (_, number) => start(number)));
  take(0);
}

export async function mochaGlobalTeardown(): Promise<void> {
  for (const { embedded, dataDir } of started) {
    await embedded.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function start(number: number): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'hub-test-'));
  const embedded = await startEmbedded({ dataDir, isDurable: false });
  started.push({ embedded, dataDir });
  process.env[`TEST_DATABASE_${number}`] = embedded.url;
  process.env[`TEST_RUN_DATABASE_${number}`] = embedded.runTimeUrl;
  const admin = new pg.Client({ connectionString: embedded.url });
  await admin.connect();
  await admin.query('create database hub_template');
  await admin.end();
  const template = (url: string): string => url.replace(/\/postgres$/, '/hub_template');
  await prepareDatabase({ url: template(embedded.runTimeUrl), ownerUrl: template(embedded.url) });
}

/** By which environment a process clones from this one of the servers. */
export function environmentOf(number: number): NodeJS.ProcessEnv {
  const names = ['TEST_DATABASE', 'TEST_RUN_DATABASE'];
  return Object.fromEntries(names.map((name) => [`HUB_${name}`, process.env[`${name}_${number % clusters}`]]));
}

/** What files of this process clone from. */
function take(number: number): void {
  Object.assign(process.env, environmentOf(number));
}

// In a worker of mocha, which was begun after the setup above.
const worker = process.env['MOCHA_WORKER_ID'];
if (worker !== undefined && process.env['TEST_DATABASE_0'] !== undefined) take(Number(worker));
