import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { sql } from '../../../src/db/sql.ts';
import { pullLimits } from '../../../src/ingest/pull/limits.ts';
import { startPulling } from '../../../src/ingest/pull/schedule.ts';
import { until } from '../../until.ts';
import { givenPages, givenPull, givenPuller, type PullWorld } from '../../given-pull.ts';

describe('a process that asks a source is killed', () => {
  let world: PullWorld;
  before(async () => (world = await givenPull()));
  after(() => world.close());

  it('another goes on in the same slot after the last page on disk: nothing is missing, nothing is twice', async () => {
    await world.endpoint('ward', { config: { every: '1d' } });
    const child = spawn(process.execPath, [join(import.meta.dirname, 'asking-process.ts'), world.url], {
      stdio: 'inherit',
    });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    const page = async (): Promise<number> => Number((await world.state('ward'))?.watermark?.['page'] ?? 0);
    await until('some pages', async () => (await page()) >= 20);
    child.kill('SIGKILL');
    await ended;
    const reached = await page();
    const last = reached + 50;
    const pulling = startPulling({
      database: world.database,
      registry: world.registry,
      pullers: [givenPuller((run) => givenPages(run, last))],
      worker: 'survivor',
      secretsOf: async () => ({}),
      limits: { leaseMs: 2_000 },
    });
    await until('the run is done', async () => (await world.runs('ward')).every(({ outcome }) => outcome === 'done'));
    await pulling.close();
    const runs = await world.runs('ward');
    assert.deepEqual(
      runs.map(({ worker, outcome, received, unchanged }) => [worker, outcome, received, unchanged]),
      [['survivor', 'done', last, 0]],
    );
    const messages = await world.database.query<{ control_id: string }>(
      sql`select control_id from message order by id`,
    );
    assert.deepEqual(
      messages.map(({ control_id }) => control_id),
      Array.from({ length: last }, (_, n) => `Observation/o${n + 1}/1`),
    );
  });

  it('as the hub is set up, that takes a lease and a tick: less than 30 seconds', () => {
    assert.ok(pullLimits.leaseMs + 2_000 < 30_000);
  });
});
