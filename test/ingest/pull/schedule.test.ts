import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import type { PullEnd, PullRun } from '../../../src/ingest/contract.ts';
import { slotAfter } from '../../../src/ingest/pull/calendar.ts';
import { pullLimits } from '../../../src/ingest/pull/limits.ts';
import { askPull } from '../../../src/ingest/pull/register.ts';
import { startPulling, type PullEvent, type Pulling, type PullingOptions } from '../../../src/ingest/pull/schedule.ts';
import { until } from '../../until.ts';
import { givenPull, givenPuller, hang, type PullWorld } from '../../given-pull.ts';

describe('asking sources', () => {
  let world: PullWorld;
  let now: Date;
  let elapsed = 0;
  const open: Pulling[] = [];
  const events: PullEvent[] = [];

  before(async () => (world = await givenPull()));
  after(() => world.close());
  beforeEach(() => {
    now = new Date('2026-03-01T10:00:00Z');
    events.length = 0;
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((one) => one.close()));
    await world.reset();
  });

  function pass(ms: number): void {
    now = new Date(now.getTime() + ms);
    elapsed += Math.abs(ms);
  }

  /** Time is what the test says; nothing happens by itself. */
  function pulling(run: (run: PullRun) => Promise<PullEnd>, options: Partial<PullingOptions> = {}): Pulling {
    const one = startPulling({
      database: world.database,
      registry: world.registry,
      pullers: [givenPuller(run)],
      worker: `w${open.length + 1}`,
      secretsOf: async () => ({}),
      onEnded: (event) => events.push(event),
      onError: (error) => assert.fail(String(error)),
      now: () => now,
      elapsed: () => elapsed,
      isTicking: false,
      limits: { drainMs: 0, graceMs: 100 },
      ...options,
    });
    open.push(one);
    return one;
  }

  const idle = (one: Pulling): Promise<void> => until('no run', async () => one.running() === 0);
  async function turn(one: Pulling): Promise<void> {
    await one.tick();
    await idle(one);
  }

  const observation = (id: string, value = 'a') => ({
    type: 'Observation',
    id,
    version: value,
    bytes: Buffer.from(JSON.stringify({ resourceType: 'Observation', id, value })),
  });

  it('a new one is asked at once, then at its slots, going on from its watermark', async () => {
    const seen: (PullRun['watermark'] | 'none')[] = [];
    const one = pulling(async (run) => {
      seen.push(run.watermark ?? 'none');
      await run.take([observation(`o${seen.length}`)], { n: seen.length });
      return {};
    });
    const { id } = await world.endpoint('ward', { config: { every: '1m' } });
    await turn(one);
    const slot = slotAfter(id, 60_000, now);
    assert.deepEqual((await world.state('ward')).slot_at, slot);
    now = new Date(slot.getTime() - 1);
    await turn(one);
    assert.equal(seen.length, 1);
    pass(1_001);
    await turn(one);
    assert.deepEqual(seen, ['none', { n: 1 }]);
    assert.deepEqual(
      (await world.runs('ward')).map(({ outcome, received }) => [outcome, received]),
      [
        ['done', 1],
        ['done', 1],
      ],
    );
    assert.deepEqual(
      events.map(({ endpoint, outcome, received }) => [endpoint.name, outcome, received]),
      [
        ['ward', 'done', 1],
        ['ward', 'done', 1],
      ],
    );
  });

  it('slots that went by while no hub ran are run once', async () => {
    let runs = 0;
    const one = pulling(async () => (runs++, {}));
    await world.endpoint('ward', { config: { every: '1m' } });
    await turn(one);
    pass(6 * 3_600_000);
    for (let n = 0; n < 5; n++) await turn(one);
    assert.equal(runs, 2);
    assert.ok((await world.state('ward')).due_at.getTime() - now.getTime() <= 61_000);
  });

  it('no two runs of one source at a time, however many processes ask and however long it takes', async () => {
    let [running, most, runs] = [0, 0, 0];
    const run = async ({ signal }: PullRun): Promise<PullEnd> => {
      most = Math.max(most, ++running);
      runs++;
      await hang({ signal }).catch(() => undefined);
      running--;
      return {};
    };
    await world.endpoint('ward', { config: { every: '1s' } });
    const processes = [pulling(run), pulling(run), pulling(run)];
    for (let n = 0; n < 10; n++) {
      await Promise.all(processes.map((one) => one.tick()));
      await Promise.all(processes.map((one) => one.renew()));
      pass(10_000);
    }
    assert.deepEqual([most, runs], [1, 1]);
  });

  it('several processes share the sources, and no slot is run twice', async () => {
    const asked = new Map<string, number>();
    const by =
      (): ((run: PullRun) => Promise<PullEnd>) =>
      async ({ endpoint }) => {
        asked.set(endpoint.name, (asked.get(endpoint.name) ?? 0) + 1);
        return {};
      };
    await world.endpoints(40, (n) => `s${n}`, { every: '15m' });
    const processes = [pulling(by()), pulling(by())];
    for (let n = 0; n < 12; n++) {
      await Promise.all(processes.map((one) => one.tick()));
      await Promise.all(processes.map(idle));
    }
    assert.deepEqual([asked.size, Math.max(...asked.values())], [40, 1]);
    const workers = await world.database.query(sql`select distinct worker from pull_run`);
    assert.equal(workers.length, 2);
  });

  it('one that dies is followed: the slot goes on in its row, from the last page, and nothing it still sends is written', async () => {
    let late: PullRun | undefined;
    await world.endpoint('ward');
    const dying = pulling(async (run) => {
      await run.take([observation('o1')], { page: 1 });
      late = run;
      return hang(run);
    });
    await dying.tick();
    await until('a page', async () => late !== undefined);
    pass(pullLimits.leaseMs + 1_000);
    const follower = pulling(async (run) => {
      assert.deepEqual(run.watermark, { page: 1 });
      await run.take([observation('o1'), observation('o2')], { page: 2 });
      return {};
    });
    await turn(follower);
    await assert.rejects(
      (late as PullRun).take([observation('o3')], { page: 9 }),
      (error: unknown) => error instanceof Problem && error.code === 'lock-error',
    );
    await idle(dying);
    const runs = await world.runs('ward');
    assert.deepEqual(
      runs.map(({ worker, outcome, received, unchanged }) => [worker, outcome, received, unchanged]),
      [['w2', 'done', 2, 1]],
    );
    assert.deepEqual((await world.state('ward')).watermark, { page: 2 });
    assert.deepEqual(events.map(({ outcome }) => outcome).toSorted(), ['done', 'lost']);
  });

  it('one that is told that another has taken over ends its run', async () => {
    let isAborted = false;
    await world.endpoint('ward');
    const slow = pulling(async (run) => hang(run).catch(() => ((isAborted = true), {})));
    await slow.tick();
    await world.database.query(sql`update pull set worker = 'other', fence = fence + 1`);
    await slow.renew();
    await idle(slow);
    assert.ok(isAborted);
    assert.equal((await world.state('ward')).worker, 'other');
  });

  it('a pause ends the run under way, and what was taken stays; resumed, it goes on', async () => {
    let runs = 0;
    await world.endpoint('ward');
    const one = pulling(async (run) => {
      await run.take([observation('o1')], { page: ++runs });
      return runs === 1 ? hang(run) : {};
    });
    await one.tick();
    await until('a page', async () => (await world.state('ward')).watermark !== null);
    const set = async (state: string): Promise<void> => {
      await world.database.query(sql`update endpoint set state = ${state}, revision = nextval('endpoint_revision')`);
      await world.registry.refresh();
    };
    await set('paused');
    await one.renew();
    await idle(one);
    pass(3_600_000);
    await turn(one);
    assert.equal(runs, 1);
    await set('live');
    await turn(one);
    assert.deepEqual(
      (await world.runs('ward')).map(({ outcome, received }) => [outcome, received]),
      [['done', 1]],
    );
    assert.equal((await world.state('ward')).failures, 0);
  });

  for (const state of ['draft', 'paused', 'retired'])
    it(`one that is ${state} is not asked`, async () => {
      let runs = 0;
      await world.endpoint('ward', { state });
      await turn(pulling(async () => (runs++, {})));
      assert.equal(runs, 0);
    });

  it('a hub that stops gives back what it has not finished: another goes on at once, in the same slot', async () => {
    await world.endpoint('ward');
    const first = pulling(async (run) => {
      await run.take([observation('o1')], { page: 1 });
      return hang(run);
    });
    await first.tick();
    await until('a page', async () => (await world.state('ward')).watermark !== null);
    await first.close();
    assert.deepEqual(
      (await world.runs('ward')).map(({ outcome, reason }) => [outcome, reason]),
      [['stopped', 'the hub stops']],
    );
    await turn(pulling(async ({ watermark }) => (assert.deepEqual(watermark, { page: 1 }), {})));
    assert.deepEqual(
      (await world.runs('ward')).map(({ outcome }) => outcome),
      ['done'],
    );
  });

  it('failures open the breaker; once each time it is asked again; one run that ends well closes it', async () => {
    let [runs, isDown] = [0, true];
    await world.endpoint('ward', { config: { every: '1m' } });
    const one = pulling(async () => {
      runs++;
      if (isDown) throw new Problem('transient', 'the source does not answer');
      return {};
    });
    for (const least of [10_000, 20_000, 60_000, 120_000]) {
      await turn(one);
      const { due_at, last_error } = await world.state('ward');
      const waits = due_at.getTime() - now.getTime();
      assert.ok(waits >= least && waits <= least * 1.1, `${waits}`);
      assert.equal(last_error, 'transient: the source does not answer');
      now = new Date(due_at.getTime() - 1);
      await turn(one);
      now = due_at;
    }
    assert.equal(runs, 4);
    isDown = false;
    await turn(one);
    const { failures, last_error, due_at } = await world.state('ward');
    assert.deepEqual([failures, last_error], [0, null]);
    assert.ok(due_at.getTime() - now.getTime() <= 61_000);
  });

  it('what an adapter throws of its own is told by its kind: its text may quote the source', async () => {
    await world.endpoint('ward');
    await turn(
      pulling(async () => {
        throw new TypeError('Zhang Wei, born 1961');
      }),
    );
    assert.equal((await world.state('ward')).last_error, 'exception: TypeError');
  });

  it('a source that is busy is asked again when it says', async () => {
    const notBefore = new Date(now.getTime() + 1_800_000);
    await world.endpoint('ward', { config: { every: '1m' } });
    await turn(
      pulling(async () => {
        throw Object.assign(new Problem('throttled', 'the source is busy'), { notBefore });
      }),
    );
    assert.ok((await world.state('ward')).due_at >= notBefore);
  });

  it('a run has so much time: what it took stays, and it goes on a few seconds later', async () => {
    // Longer than it takes to take a page.
    await world.endpoint('large', { config: { budget: { time: '3s' } } });
    await world.endpoint('mute', { config: { budget: { time: '1s' } } });
    await turn(
      pulling(async (run) => {
        if (run.endpoint.name === 'large') await run.take([observation('o1')], { page: 1 });
        return hang(run);
      }),
    );
    const [large, mute] = [await world.state('large'), await world.state('mute')];
    assert.deepEqual([large.is_more, large.failures, mute.is_more, mute.failures], [true, 0, false, 1]);
    assert.ok(large.due_at.getTime() - now.getTime() <= 6_000);
    assert.equal(mute.last_error, 'timeout: the time of the run is up');
  });

  it('an adapter that does not end when it is told to is left to itself, and what it takes then is refused', async () => {
    let late: PullRun | undefined;
    await world.endpoint('deaf', { config: { budget: { time: '1s' } } });
    await turn(pulling((run) => ((late = run), new Promise(() => undefined))));
    assert.deepEqual(
      (await world.runs('deaf')).map(({ outcome }) => outcome),
      ['failed'],
    );
    await assert.rejects(
      (late as PullRun).take([observation('o1')], {}),
      (error: unknown) => error instanceof Problem && error.code === 'lock-error',
    );
  });

  it('a source that failed and is silent again is left after a while, long before the time of a run is up', async () => {
    await world.endpoint('mute');
    const one = pulling((run) => hang(run));
    await one.tick();
    await world.database.query(sql`update pull set failures = 1, worker = null, fence = fence + 1`);
    await one.renew();
    await idle(one);
    await one.tick();
    assert.equal(one.running(), 1);
    pass(pullLimits.silentMs - 1_000);
    await one.renew();
    await one.tick();
    assert.equal(one.running(), 1);
    pass(2_000);
    await turn(one);
    assert.deepEqual([(await world.state('mute')).failures, events.at(-1)?.outcome], [2, 'failed']);
  });

  it('asked for by a person it is asked at once: before its slot, in a window, with the breaker open', async () => {
    let runs = 0;
    const endpoint = await world.endpoint('ward', { config: { blackout: ['00:00-23:00'] } });
    const one = pulling(async () => (runs++, {}));
    await turn(one);
    assert.equal(runs, 0);
    await world.database.query(sql`update pull set failures = 7, due_at = ${new Date('2026-04-01')}`);
    await askPull(world.database, endpoint, now);
    await turn(one);
    await turn(one);
    assert.equal(runs, 1);
    const { failures, is_asked, due_at } = await world.state('ward');
    assert.deepEqual([failures, is_asked], [0, false]);
    assert.ok(due_at >= new Date('2026-03-01T23:00:00Z'));
    await assert.rejects(
      askPull(world.database, { ...endpoint, isEnabled: false }, now),
      (error: unknown) => error instanceof Problem && error.code === 'business-rule',
    );
  });

  it('asked for while it is being asked, it is asked once more', async () => {
    let runs = 0;
    const endpoint = await world.endpoint('ward');
    let finish = (): void => undefined;
    const one = pulling(async () => (runs++, new Promise((resolve) => (finish = () => resolve({})))));
    await one.tick();
    await until('a run', async () => runs === 1);
    await askPull(world.database, endpoint, now);
    finish();
    await idle(one);
    pass(1_000);
    await one.tick();
    await until('another run', async () => runs === 2);
    finish();
    await idle(one);
    pass(1_000);
    await turn(one);
    assert.equal(runs, 2);
  });

  it('of one network so many are asked at a time, by all processes together', async () => {
    let [running, most] = [0, 0];
    await world.endpoints(20, (n) => `s${n}`, { network: 'vendor', networkMax: 3 });
    await world.endpoint('elsewhere');
    const names: string[] = [];
    const run = async (one: PullRun): Promise<PullEnd> => {
      names.push(one.endpoint.name);
      if (one.endpoint.name === 'elsewhere') return {};
      most = Math.max(most, ++running);
      await hang(one).catch(() => undefined);
      running--;
      return {};
    };
    const processes = [pulling(run), pulling(run)];
    for (let n = 0; n < 6; n++) await Promise.all(processes.map((one) => one.tick()));
    await until('elsewhere', async () => names.includes('elsewhere'));
    assert.deepEqual([most, running], [3, 3]);
  });

  it("the database's clock was set back by hours: nothing is silent until it has caught up, and no slot is run twice", async () => {
    let runs = 0;
    const one = pulling(async () => (runs++, {}));
    await world.endpoint('ward', { config: { every: '1m' } });
    await turn(one);
    pass(-5 * 3_600_000);
    await turn(one);
    assert.equal(runs, 2);
    const { due_at } = await world.state('ward');
    assert.ok(due_at.getTime() - now.getTime() <= 61_000);
    for (let n = 0; n < 3; n++) await turn(one);
    assert.equal(runs, 2);
  });

  it('a shorter interval holds from its next slot on', async () => {
    const one = pulling(async () => ({}));
    await world.endpoint('ward', { config: { every: '1d' } });
    await turn(one);
    await world.database.query(sql`
      update endpoint set config = '{"every": "1m"}', revision = nextval('endpoint_revision')`);
    await world.registry.refresh();
    await turn(one);
    assert.ok((await world.state('ward')).due_at.getTime() - now.getTime() <= 60_000);
  });

  it('settings that cannot be read are told once, and do not stop the others', async () => {
    const errors: string[] = [];
    await world.endpoint('wrong', { config: { every: 'often' } });
    await world.endpoint('ward');
    const one = pulling(async () => ({}), {
      onError: (error, endpoint) => errors.push(`${endpoint?.name}: ${String(error)}`),
    });
    for (let n = 0; n < 3; n++) await turn(one);
    assert.deepEqual(errors, ['wrong: Problem: the setting every is not valid']);
    assert.equal((await world.runs('ward')).length, 1);
  });
});
