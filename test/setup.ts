/** One throw-away PostgreSQL for the whole run, with a migrated template that each test file clones. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { migrate } from '../src/db/migrate.ts';
import { startEmbedded, type Embedded } from '../src/db/embedded.ts';

let embedded: Embedded | undefined;
let dataDir: string | undefined;

export async function mochaGlobalSetup(): Promise<void> {
  dataDir = await mkdtemp(join(tmpdir(), 'hub-test-'));
  embedded = await startEmbedded({ dataDir, isDurable: false });
  process.env['HUB_TEST_DATABASE'] = embedded.url;
  const admin = new pg.Client({ connectionString: embedded.url });
  await admin.connect();
  await admin.query('create database hub_template');
  await admin.end();
  await migrate(embedded.url.replace(/\/postgres$/, '/hub_template'));
}

export async function mochaGlobalTeardown(): Promise<void> {
  await embedded?.stop();
  if (dataDir) await rm(dataDir, { recursive: true, force: true });
}
