import assert from 'node:assert/strict';
import { freePlaces, pullLimits } from '../../../src/ingest/pull/limits.ts';
import { readPullSettings } from '../../../src/ingest/pull/settings.ts';

describe('places for runs', () => {
  const now = 1_000_000;
  const sources = (count: number, every = '15m') =>
    Array.from({ length: count }, () => ({ settings: readPullSettings({ every }) }));
  const runs = (count: number, failures = 0, movedAt = now, isAsked = false) =>
    Array.from({ length: count }, () => ({ claimed: { failures, isAsked }, movedAt }));
  const long = now - pullLimits.waitingMs - 1;
  const { activeMax, failingMax, runsMax } = pullLimits;

  const rows: [string, Parameters<typeof freePlaces>[0], number, { well: number; failing: number }][] = [
    ['3,600 each quarter of an hour: 4 a second are needed', [], 3_600, { well: 8, failing: 4 }],
    ['a few: some a second, however seldom they are due', [], 3, { well: 4, failing: 4 }],
    ['those that get on fill their places', runs(activeMax - 3), 3_600, { well: 3, failing: 4 }],
    ['those that wait for an answer leave theirs', runs(activeMax, 0, long), 3_600, { well: 8, failing: 4 }],
    ['those that failed fill only their own', runs(failingMax, 2), 3_600, { well: 8, failing: 0 }],
    ['and leave them when they hang', runs(failingMax, 2, long), 3_600, { well: 8, failing: 4 }],
    [
      'what a person asks for counts among those that are well',
      runs(activeMax, 5, now, true),
      3_600,
      { well: 0, failing: 4 },
    ],
    ['there is an end to waiting', runs(runsMax, 0, long), 3_600, { well: 0, failing: 0 }],
  ];
  for (const [what, running, count, free] of rows)
    it(what, () => assert.deepEqual(freePlaces(running, sources(count), pullLimits, now), free));
});
