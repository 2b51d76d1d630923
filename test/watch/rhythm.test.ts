import assert from 'node:assert/strict';
import {
  endWeek,
  limitOf,
  newRhythm,
  recordGap,
  recordHour,
  slotAtWeight,
  slotsPerHour,
  unseen,
  weigh,
  type Rhythm,
} from '../../src/watch/rhythm.ts';

const slotsPerDay = 24 * slotsPerHour;
const slotsPerWeek = 7 * slotsPerDay;
/** A Thursday, as all weeks since 1970 begin. */
const start = 2_900 * slotsPerWeek;

type Source = (slot: number, random: () => number) => boolean;

/** Numbers that look like chance and are the same each time. @see Numerical Recipes, 2nd edition, section 7.1 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

interface Run {
  readonly rhythm: Rhythm;
  readonly alarms: number;
  /** The first slot after the run. */
  readonly end: number;
}

function run(source: Source, weeks: number, seed: number): Run {
  const [random, rhythm] = [randomOf(seed), newRhythm()];
  let [last, busy, alarms, isAlarming] = [start - 1, 0, 0, false];
  const end = start + weeks * slotsPerWeek;
  for (let slot = start; slot < end; slot++) {
    if (source(slot, random)) {
      if (!isAlarming) recordGap(rhythm, weigh(rhythm, last + 1, slot));
      [last, isAlarming] = [slot, false];
      busy++;
    }
    if ((slot + 1) % slotsPerHour === 0) {
      recordHour(rhythm, Math.floor(slot / slotsPerHour), busy);
      busy = 0;
    }
    if ((slot + 1) % slotsPerWeek === 0) endWeek(rhythm, (slot + 1) / slotsPerWeek, true);
    if (slot - last < 3 || isAlarming) continue;
    const limit = limitOf(rhythm);
    if (limit === undefined || weigh(rhythm, last + 1, slot + 1) <= limit) continue;
    isAlarming = true;
    alarms++;
  }
  return { rhythm, alarms, end };
}

const hourOfDay = (slot: number): number => Math.floor(slot / slotsPerHour) % 24;
const isDay = (slot: number): boolean => hourOfDay(slot) < 12;

/** What sends, how, and within how many hours a loss must be noticed that begins in which slot of a day. */
const sources: readonly [name: string, source: Source, firstSlot: number, hoursMax: number][] = [
  ['a large hospital, day and night', (slot, random) => random() < (isDay(slot) ? 0.99 : 0.9), 36, 1],
  ['a small one, little at night', (slot, random) => random() < (isDay(slot) ? 0.6 : 0.1), 36, 2.5],
  [
    'a practice, on five days of the week',
    (slot, random) => Math.floor(slot / slotsPerDay) % 7 < 5 && hourOfDay(slot) < 10 && random() < 0.5,
    12,
    4,
  ],
  ['a batch a day', (slot) => hourOfDay(slot) === 2 && slot % slotsPerHour < 2, 26, 25],
];

describe('the rhythm of a source', () => {
  for (const [name, source, firstSlot, hoursMax] of sources) {
    it(`${name}: 16 weeks without a false alarm in four of five, and its loss is noticed within ${hoursMax} h`, () => {
      const runs = [11, 12, 13, 14, 15].map((seed) => run(source, 16, seed));
      const quiet = runs.filter(({ alarms }) => alarms === 0);
      assert.ok(quiet.length >= 4, `false alarms: ${runs.map(({ alarms }) => alarms).join(', ')}`);
      for (const { rhythm, end } of runs) {
        const from = end + slotsPerDay + firstSlot;
        const noticed = slotAtWeight(rhythm, from, limitOf(rhythm) ?? Infinity) ?? Infinity;
        const hours = (noticed + 1 - from) / slotsPerHour;
        assert.ok(hours <= hoursMax, `noticed after ${hours} h`);
      }
    });
  }

  it('a night in which nothing comes weighs nothing, and the hour at noon as much as it is busy', () => {
    const { rhythm, end } = run((slot) => isDay(slot) && slot % 2 === 0, 6, 1);
    assert.equal(weigh(rhythm, end + 12 * slotsPerHour, end + slotsPerDay), 0);
    assert.equal(weigh(rhythm, end, end + slotsPerHour).toFixed(3), (-Math.log(0.5) * slotsPerHour).toFixed(3));
  });

  it('nothing is said before two weeks were seen, and of a source that hardly sends nothing at all', () => {
    assert.equal(limitOf(run(() => true, 1, 1).rhythm), undefined);
    assert.equal(typeof limitOf(run(() => true, 2, 1).rhythm), 'number');
    assert.equal(limitOf(run((slot) => slot === start, 4, 1).rhythm), undefined);
  });

  it('hours that nobody saw are not taken for hours in which nothing came', () => {
    const { rhythm, end } = run(() => true, 6, 1);
    const before = weigh(rhythm, end, end + slotsPerDay);
    for (let hour = 0; hour < 3 * 24; hour++) recordHour(rhythm, end / slotsPerHour - 72 + hour, unseen);
    assert.equal(weigh(rhythm, end, end + slotsPerDay), before);
  });

  it('one week of catching up does not make the next ones too quiet', () => {
    const steady = run((slot) => slot % slotsPerHour === 0, 6, 1).rhythm;
    const burst = run((slot) => slot % slotsPerHour === 0 || slot >= start + 5 * slotsPerWeek, 6, 1).rhythm;
    assert.equal(weigh(burst, start, start + slotsPerDay), weigh(steady, start, start + slotsPerDay));
  });

  it('a silence is weighed for three weeks at most, however long it is', () => {
    const { rhythm, end } = run(() => true, 3, 1);
    assert.equal(weigh(rhythm, end, end + 1_000 * slotsPerWeek), weigh(rhythm, end, end + 3 * slotsPerWeek));
    assert.equal(slotAtWeight(rhythm, end, 1e9), undefined);
  });
});
