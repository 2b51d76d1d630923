/**
 * "Connecting a hospital" in docs/operations.md: its commands, exactly as they stand there, on a machine that had nothing; a source is live,
 * mapped and watched in fewer than ten.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectMllp } from '../../adapters/hl7v2/client.ts';
import { listMessages } from '../../src/ingest/status.ts';
import { readHealth } from '../../src/watch/health.ts';
import { givenDatabase } from '../given.ts';
import { givenDataDir, givenHubProcess, launcher, type HubProcess } from '../hub-process.ts';
import { givenAdmission, givenResult } from '../hub/onboarding/given-samples.ts';
import { until } from '../until.ts';

const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'operations.md'), 'utf8');
const section = page.slice(page.indexOf('## Connecting a hospital'), page.indexOf('## Endpoints and their states'));
const blocks = [...section.matchAll(/```sh\n([^]*?)```/g)].map(([, text = '']) => text.trim().split('\n'));

describe('connecting a hospital, as docs/operations.md says', function () {
  this.timeout(300_000);
  let world: Awaited<ReturnType<typeof givenDatabase>>;
  let dataDir: Awaited<ReturnType<typeof givenDataDir>>;
  let folder: string;
  let hub: HubProcess;
  const seconds: number[] = [];

  before(async () => {
    [world, dataDir, folder] = await Promise.all([
      givenDatabase(),
      givenDataDir(),
      mkdtemp(join(tmpdir(), 'samples-')),
    ]);
    const discharge = givenAdmission({ id: 'A3' }).toString('latin1').replaceAll('A01', 'A03');
    await Promise.all([
      writeFile(join(folder, 'admission.hl7'), givenAdmission({ id: 'A1' })),
      writeFile(join(folder, 'result.hl7'), givenResult()),
      writeFile(join(folder, 'discharge.hl7'), Buffer.from(discharge, 'latin1')),
    ]);
    hub = await givenHubProcess({ env: environment() });
  });
  after(async () => {
    hub.signal('SIGTERM');
    await hub.ended;
    await Promise.all([world.close(), dataDir.close(), rm(folder, { recursive: true })]);
  });

  const environment = () => ({ DATABASE_URL: world.url, HUB_DATA_DIR: dataDir.path });

  /** A line of the page, by a shell, as whoever reads it types it. */
  async function run(line: string): Promise<{ code: number; output: string }> {
    assert.match(line, /^npx hub /);
    const command = line.replace('npx hub', `'${process.execPath}' '${launcher}'`);
    const child = spawn('sh', ['-c', command], {
      cwd: folder,
      env: { ...process.env, ...environment() },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    const began = performance.now();
    const [code] = (await once(child, 'close')) as [number];
    seconds.push((performance.now() - began) / 1_000);
    return { code, output };
  }

  it('is fewer than ten commands, and the first starts the hub', () => {
    assert.deepEqual([blocks.length, blocks[0]?.[0]], [2, 'npm start &']);
    assert.ok(blocks.flat().length < 10, `${blocks.flat().length} commands`);
  });

  it('the endpoint is described, tried, mended and mapped', async () => {
    const [add = '', test = '', set = '', apply = ''] = blocks[0]?.slice(1) ?? [];
    assert.equal((await run(add)).code, 0);
    const tried = await run(test);
    assert.equal(tried.code, 1, tried.output);
    // What it says is what the page does next.
    assert.match(tried.output, /MISSING {2}zone: .*\n +hub endpoint set renji --zone Asia\/Shanghai/);
    assert.match(tried.output, /hub endpoint set renji --charset 'GB 18030-2000'/);
    assert.match(tried.output, /< MSA\|AA\|A1/);
    for (const line of [set, apply]) {
      const { code, output } = await run(line);
      assert.equal(code, 0, output);
    }
  });

  it('the hospital sends and is answered AA; live, all is processed in order, mapped whole, and watched', async () => {
    const ready = await hub.logged('ready');
    const hospital = connectMllp({ host: '127.0.0.1', port: ready['mllpPort'] as number });
    const sent = ['admission', 'discharge', 'result'].map((name) => readFileSync(join(folder, `${name}.hl7`)));
    for (const bytes of sent) assert.equal((await hospital.send(bytes)).code, 'AA');
    hospital.destroy();
    const [test = '', resume = '', messages = '', health = ''] = blocks[1] ?? [];
    const again = await run(test);
    assert.deepEqual([again.code, /kept beside/.test(again.output)], [0, false], again.output);
    assert.match(again.output, /readiness 9\d of 100/);
    assert.match(again.output, /advised {2}live/);
    const live = await run(resume);
    assert.equal(live.code, 0, live.output);
    const processed = () => listMessages(world.database, { status: 'processed' });
    await until('all is processed', async () => (await processed()).length === sent.length);
    const fates = (await run(messages)).output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      fates.map(({ controlId, status }) => [controlId, status]),
      [
        ['A1', 'processed'],
        ['A3', 'processed'],
        ['R1', 'processed'],
      ],
    );
    // The watch makes a round every 15 s.
    await until(
      'the watch knows of it',
      async () => (await readHealth(world.database, new Date(), 'renji')).endpoints[0]?.lastMessageAt !== null,
    );
    const watched = await run(health);
    const total = seconds.reduce((sum, one) => sum + one, 0);
    console.log(`      ${seconds.length} commands after the hub's start took ${total.toFixed(1)} s`);
    const { status, quarantined, held } = JSON.parse(watched.output) as Record<string, unknown>;
    assert.deepEqual([status, quarantined, held], ['learning', 0, 0]);
  });
});
