import assert from 'node:assert/strict';
import fc from 'fast-check';
import { divide } from '../../src/jobs/worker.ts';

describe('dividing work into batches', () => {
  const items = (...slots: number[]) => slots.map((slot, n) => ({ slot, n }));
  const shape = (batches: { slot: number; n: number }[][]) => batches.map((batch) => batch.map(({ n }) => n));

  const rows: [string, number[], number, number, number[][]][] = [
    ['nothing', [], 3, 64, []],
    ['one slot', [1, 1, 1], 3, 64, [[0, 1, 2]]],
    ['three slots, three batches', [1, 2, 3], 3, 64, [[0], [1], [2]]],
    [
      'two slots in turns',
      [1, 2, 1, 2],
      2,
      64,
      [
        [0, 2],
        [1, 3],
      ],
    ],
    [
      'more slots than batches',
      [1, 2, 3, 4],
      2,
      64,
      [
        [0, 1],
        [2, 3],
      ],
    ],
    ['one batch', [1, 2, 3], 1, 64, [[0, 1, 2]]],
  ];
  for (const [what, slots, batches, max, expected] of rows) {
    it(`given ${what}`, () => assert.deepEqual(shape(divide(items(...slots), batches, max)), expected));
  }

  it('every item is in one batch, a slot is in one batch, and its order is kept', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (slots, count) => {
        const batches = divide(items(...slots), count, 20);
        assert.ok(batches.length <= count);
        assert.equal(batches.flat().length, slots.length);
        const homes = new Map<number, Set<number>>();
        for (const [index, batch] of batches.entries()) {
          const last = new Map<number, number>();
          for (const { slot, n } of batch) {
            assert.ok((last.get(slot) ?? -1) < n);
            last.set(slot, n);
            homes.set(slot, (homes.get(slot) ?? new Set()).add(index));
          }
        }
        assert.ok([...homes.values()].every(({ size }) => size === 1));
      }),
    );
  });
});
