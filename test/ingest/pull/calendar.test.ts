import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Problem } from '../../../src/fhir/problem.ts';
import { decideNext, openFailures, type RunEnd } from '../../../src/ingest/pull/breaker.ts';
import {
  blackoutEnd,
  blackoutStart,
  nextTurn,
  readWindow,
  slotAfter,
  type Window,
} from '../../../src/ingest/pull/calendar.ts';
import { readPullSettings } from '../../../src/ingest/pull/settings.ts';

const minute = 60_000;
const at = (text: string): Date => new Date(`2026-03-01T${text}Z`);

describe('slots', () => {
  it('lie an interval apart, whatever they are asked after', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 1_000, max: 86_400_000 }),
        fc.date({ min: new Date(0), max: new Date('2100-01-01'), noInvalidDate: true }),
        (id, everyMs, after) => {
          const slot = slotAfter(id, everyMs, after);
          assert.ok(slot > after && slot.getTime() - after.getTime() <= everyMs);
          assert.equal(slotAfter(id, everyMs, slot).getTime(), slot.getTime() + everyMs);
          assert.equal(slotAfter(id, everyMs, new Date(slot.getTime() - 1)).getTime(), slot.getTime());
        },
      ),
    );
  });

  it('of 3,600 sources are spread over a quarter of an hour: never more than 2 x the mean in a second, jitter and all', () => {
    const seconds = new Map<number, number>();
    for (let id = 1; id <= 3_600; id++) {
      const { dueAt } = nextTurn({ endpointId: id, everyMs: 15 * minute, blackout: [], after: at('10:00:00') });
      const second = Math.floor(dueAt.getTime() / 1_000);
      seconds.set(second, (seconds.get(second) ?? 0) + 1);
    }
    assert.ok(Math.max(...seconds.values()) <= 8, `${Math.max(...seconds.values())}`);
    assert.ok(seconds.size >= 895);
  });

  it('however many went by, the next is one', () => {
    const first = nextTurn({ endpointId: 7, everyMs: minute, blackout: [], after: at('10:00:00') });
    const later = nextTurn({ endpointId: 7, everyMs: minute, blackout: [], after: at('13:00:00') });
    assert.equal((later.slotAt.getTime() - first.slotAt.getTime()) % minute, 0);
    assert.ok(later.slotAt.getTime() - at('13:00:00').getTime() <= minute);
  });
});

describe('windows in which a source is not asked', () => {
  const windows = (...texts: string[]): Window[] => texts.map((text) => readWindow(text) as Window);
  const ends: [string, Window[], Date, Date | undefined][] = [
    ['before it', windows('22:00-02:00'), at('21:59:59.999'), undefined],
    ['at its begin', windows('22:00-02:00'), at('22:00:00'), new Date('2026-03-02T02:00:00Z')],
    ['after midnight', windows('22:00-02:00'), at('01:30:00'), at('02:00:00')],
    ['at its end', windows('22:00-02:00'), at('02:00:00'), undefined],
    ['in its zone', windows('22:00-02:00 Asia/Shanghai'), at('14:30:00'), at('18:00:00')],
    ['one that ends in another', windows('10:00-11:00', '10:30-12:00'), at('10:15:00'), at('12:00:00')],
    [
      'of the whole day: none, the source would be silenced for good',
      windows('00:00-12:00', '12:00-00:00'),
      at('09:00:00'),
      undefined,
    ],
  ];
  for (const [what, given, time, end] of ends)
    it(`${what}: ${end?.toISOString() ?? 'open'}`, () => assert.deepEqual(blackoutEnd(given, time), end));

  it('a slot within one is moved behind it, over some minutes, and stays its slot', () => {
    const blackout = windows('10:00-12:00');
    const turns = Array.from({ length: 50 }, (_, id) =>
      nextTurn({ endpointId: id + 1, everyMs: minute, blackout, after: at('10:30:00') }),
    );
    for (const { slotAt, dueAt } of turns) {
      assert.ok(slotAt <= at('10:31:00'));
      assert.ok(dueAt >= at('12:00:00') && dueAt <= at('12:05:00'));
    }
    assert.ok(new Set(turns.map(({ dueAt }) => dueAt.getTime())).size > 40);
  });

  it('the next one begins, at the latest, within a day', () => {
    assert.deepEqual(blackoutStart(windows('22:00-02:00', '08:00-09:00'), at('07:00:00')), at('08:00:00'));
    assert.equal(blackoutStart([], at('07:00:00')), undefined);
  });

  for (const text of ['22-02', '22:00-22:00', '24:00-01:00', '22:00-02:00 Mars/Base', '22:00-02:00  UTC', ''])
    it(`'${text}' is none`, () => assert.equal(readWindow(text), undefined));
});

describe('how a run ends decides when the source is asked again', () => {
  const settings = { everyMs: 15 * minute, blackout: [] };
  const run = { endpointId: 7, slotAt: at('10:00:00'), failures: 0 };
  const now = at('10:01:00');
  const waitMs = (end: RunEnd, failures = 0, everyMs = settings.everyMs): number =>
    decideNext(end, { ...run, failures }, { ...settings, everyMs }, now).dueAt.getTime() - now.getTime();
  const failed: RunEnd = { outcome: 'failed', reason: 'timeout: no answer' };

  it('well: at its next slot, and failures are forgotten', () => {
    const next = decideNext({ outcome: 'done' }, { ...run, failures: 5 }, settings, now);
    assert.deepEqual([next.slotAt, next.failures], [slotAfter(7, settings.everyMs, now), 0]);
  });
  it('with more to come: in a few seconds', () => {
    const ms = waitMs({ outcome: 'more' });
    assert.ok(ms >= 5_000 && ms <= 6_000);
  });
  it('failures: within seconds twice, then open for longer and longer, an hour at most', () => {
    const least = [
      10_000,
      20_000,
      minute,
      2 * minute,
      4 * minute,
      8 * minute,
      16 * minute,
      32 * minute,
      60 * minute,
      60 * minute,
    ];
    for (const [failures, ms] of least.entries()) {
      const waits = waitMs(failed, failures);
      assert.ok(waits >= ms && waits <= ms * 1.1, `${failures}: ${waits}`);
      assert.equal(decideNext(failed, { ...run, failures }, settings, now).failures, failures + 1);
    }
    assert.equal(openFailures, 3);
    assert.ok(waitMs(failed, 1_000_000) <= 66 * minute);
  });
  it('a source that is asked each second is tried again each second, until it is open', () => {
    assert.ok(waitMs(failed, 0, 1_000) <= 1_100);
    assert.ok(waitMs(failed, 2, 1_000) >= minute);
  });
  it('those that failed at one moment do not come back at one', () => {
    const times = Array.from({ length: 100 }, (_, id) =>
      decideNext(failed, { ...run, endpointId: id }, settings, now).dueAt.getTime(),
    );
    assert.ok(new Set(times).size > 80);
  });
  it('as late as the source asks for, within a day', () => {
    const notBefore = at('10:40:00');
    for (const end of [
      { outcome: 'done', notBefore },
      { outcome: 'more', notBefore },
      { ...failed, notBefore },
    ] as const)
      assert.ok(waitMs(end) >= 39 * minute, end.outcome);
    assert.ok(waitMs({ ...failed, notBefore: new Date('2030-01-01') }) <= 1.1 * 86_400_000);
    assert.ok(waitMs({ outcome: 'more', notBefore: at('09:00:00') }) <= 6_000);
  });
  it('stopped by the hub: at once, in the same slot, and no failure of the source', () => {
    const next = decideNext({ outcome: 'stopped', reason: 'the hub stops' }, { ...run, failures: 2 }, settings, now);
    assert.deepEqual(next, { slotAt: run.slotAt, dueAt: now, failures: 2 });
  });
});

describe('settings of a pulled endpoint', () => {
  it('have defaults', () => {
    const { everyMs, blackout, network, budget } = readPullSettings({});
    assert.deepEqual([everyMs, blackout, network, budget.timeMs], [15 * minute, [], undefined, 10 * minute]);
  });
  it('as a person writes them', () => {
    const read = readPullSettings({
      every: '90s',
      blackout: '22:00-02:00 Asia/Shanghai, 12:00-12:30',
      networkMax: '3',
      base: 'https://fhir.example.org/r4',
      budget: { resources: 10, time: '30s' },
    });
    assert.deepEqual([read.everyMs, read.network, read.networkMax], [90_000, 'fhir.example.org', 3]);
    assert.deepEqual([read.budget.resources, read.budget.timeMs], [10, 30_000]);
    assert.deepEqual(read.blackout, [
      { from: 1_320, to: 120, zone: 'Asia/Shanghai' },
      { from: 720, to: 750, zone: 'UTC' },
    ]);
  });
  const networks: [Record<string, unknown>, string | undefined][] = [
    [{ network: 'vendor-cloud', base: 'https://a.example.org' }, 'vendor-cloud'],
    [{ base: 'http://127.0.0.1:8080/fhir' }, undefined],
    [{ base: 'http://localhost:8080/fhir' }, undefined],
    [{ base: 'no url' }, undefined],
  ];
  for (const [config, network] of networks)
    it(`${JSON.stringify(config)}: ${network ?? 'no limit'}`, () =>
      assert.equal(readPullSettings(config).network, network));

  const wrong: [string, Record<string, unknown>][] = [
    ['every', { every: '15' }],
    ['every', { every: 15 }],
    ['every', { every: '10ms' }],
    ['every', { every: '32d' }],
    ['blackout[1]', { blackout: ['01:00-02:00', 'noon'] }],
    ['network', { network: '' }],
    ['networkMax', { networkMax: 0 }],
    ['budget', { budget: 'much' }],
    ['budget.time', { budget: { time: '2d' } }],
    ['budget.resources', { budget: { resources: 1.5 } }],
  ];
  for (const [name, config] of wrong)
    it(`${JSON.stringify(config)} is refused, naming ${name}`, () =>
      assert.throws(
        () => readPullSettings(config),
        (error: unknown) =>
          error instanceof Problem && error.code === 'value' && error.expression[0] === `config.${name}`,
      ));
});
