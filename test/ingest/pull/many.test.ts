import assert from 'node:assert/strict';
import { sql } from '../../../src/db/sql.ts';
import { Problem } from '../../../src/fhir/problem.ts';
import { nextTurn } from '../../../src/ingest/pull/calendar.ts';
import { registerPulls } from '../../../src/ingest/pull/register.ts';
import { startPulling } from '../../../src/ingest/pull/schedule.ts';
import { readPullSettings } from '../../../src/ingest/pull/settings.ts';
import { until } from '../../until.ts';
import { givenPull, givenPuller, hang, type PullWorld } from '../../given-pull.ts';

const [sources, hanging, flapping] = [3_600, 300, 100];
const everyMs = 15 * 60_000;
const seconds = 80;

/** Strewn: 7919 is prime, so each has a place of its own. Those that flap fail every other time. */
const place = (n: number): number => (n * 7_919) % sources;
const hangs = (n: number): boolean => place(n) < hanging;
const flaps = (n: number): boolean => place(n) >= sources - flapping;

describe('3,600 sources, of which 300 hang for ever and 100 flap', () => {
  let world: PullWorld;
  before(async () => (world = await givenPull()));
  after(() => world.close());

  it('each one that is well is asked at its slot, within a second, once; starts a second stay below 3 x their mean', async () => {
    const all = Array.from({ length: sources }, (_, n) => n);
    assert.deepEqual([all.filter(hangs).length, all.filter(flaps).length], [hanging, flapping]);
    let now = new Date('2026-03-01T10:00:00Z');
    const begin = now;
    await world.endpoints(sources, (n) => `s${n}`, { every: '15m' });
    const settings = readPullSettings({ every: '15m' });
    const endpoints = world.registry.all().map((endpoint) => ({ endpoint, settings }));
    await registerPulls(world.database, endpoints, now);
    // As on any day: each has its place in the quarter of an hour, and those that hang were asked in vain before.
    const turns = new Map(
      endpoints.map(({ endpoint }) => [
        endpoint.name,
        { id: endpoint.id, ...nextTurn({ endpointId: endpoint.id, everyMs, blackout: [], after: now }) },
      ]),
    );
    const rows = [...turns.values()];
    await world.database.query(sql`
      update pull p set due_at = i.due_at, slot_at = i.slot_at
      from unnest(${rows.map(({ id }) => id)}::int[], ${rows.map(({ dueAt }) => dueAt)}::timestamptz[],
        ${rows.map(({ slotAt }) => slotAt)}::timestamptz[]) as i (id, due_at, slot_at)
      where p.endpoint_id = i.id`);
    const started = new Map<string, Date[]>();
    const perSecond = Array.from({ length: seconds }, () => 0);
    const tries = new Map<string, number>();
    const pulling = startPulling({
      database: world.database,
      registry: world.registry,
      pullers: [
        givenPuller(async (run) => {
          const n = Number(run.endpoint.name.slice(1));
          if (hangs(n)) return hang(run);
          const count = (tries.get(run.endpoint.name) ?? 0) + 1;
          tries.set(run.endpoint.name, count);
          if (flaps(n) && count % 2 === 1) throw new Problem('transient', 'the source does not answer');
          await run.take([], { count });
          return {};
        }),
      ],
      worker: 'w1',
      secretsOf: async () => ({}),
      onStarted: ({ name }) => {
        started.set(name, [...(started.get(name) ?? []), now]);
        const second = Math.floor((now.getTime() - begin.getTime()) / 1_000) - 1;
        perSecond[second] = (perSecond[second] ?? 0) + 1;
      },
      now: () => now,
      elapsed: () => now.getTime(),
      isTicking: false,
      limits: { drainMs: 0 },
    });
    for (let second = 0; second < seconds; second++) {
      now = new Date(now.getTime() + 1_000);
      await pulling.tick();
      if (second % 5 === 4) await pulling.renew();
      const waiting = [...started.keys()].filter((name) => hangs(Number(name.slice(1)))).length;
      await until('those that answer have ended', async () => pulling.running() <= waiting);
    }
    const due = all.map((n) => `s${n}`).filter((name) => (turns.get(name)?.dueAt as Date) <= now);
    assert.ok(due.length > sources * ((seconds * 1_000) / everyMs) * 0.9);
    for (const name of due) {
      const times = started.get(name) ?? [];
      const lagMs = (times[0]?.getTime() ?? Infinity) - (turns.get(name)?.dueAt.getTime() ?? 0);
      assert.ok(lagMs >= 0 && lagMs < 1_000, `${name}: ${lagMs} ms late`);
      if (!flaps(Number(name.slice(1)))) assert.equal(times.length, 1, name);
    }
    assert.deepEqual(new Set(started.keys()), new Set(due));
    const mean = perSecond.reduce((sum, count) => sum + count, 0) / seconds;
    assert.ok(Math.max(...perSecond) <= 3 * mean, `${Math.max(...perSecond)} a second, ${mean} on average`);
    // Those that failed once were asked again within half a minute, and are well.
    const early = due.filter(
      (name) => flaps(Number(name.slice(1))) && (turns.get(name)?.dueAt.getTime() ?? 0) < now.getTime() - 30_000,
    );
    assert.ok(early.length >= 3);
    for (const name of early) assert.equal((await world.state(name)).failures, 0, name);
    await pulling.close();
  });
});
