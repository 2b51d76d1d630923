import assert from 'node:assert/strict';
import { Turn } from '../../src/db/turn.ts';

describe('what one turn of the event loop asks', () => {
  const recording = (): { turn: Turn<number, string>; asked: number[][] } => {
    const asked: number[][] = [];
    const turn = new Turn<number, string>(async (keys) => {
      asked.push(keys);
      if (keys.includes(-1)) throw new Error('refused');
      return new Map(keys.filter((key) => key % 2 === 0).map((key) => [key, `value ${key}`]));
    });
    return { turn, asked };
  };

  it('is asked once, each key once, and each gets its own answer', async () => {
    const { turn, asked } = recording();
    const found = await Promise.all([2, 3, 4, 2].map((key) => turn.find(key)));
    assert.deepEqual(found, ['value 2', undefined, 'value 4', 'value 2']);
    assert.deepEqual(asked, [[2, 3, 4]]);
  });

  it('is bounded: more keys are asked for by the next statement', async () => {
    const { turn, asked } = recording();
    const keys = Array.from({ length: 130 }, (_, n) => n);
    const found = await Promise.all(keys.map((key) => turn.find(key)));
    assert.deepEqual(
      found,
      keys.map((key) => (key % 2 === 0 ? `value ${key}` : undefined)),
    );
    assert.deepEqual(
      asked.map(({ length }) => length),
      [64, 64, 2],
    );
  });

  it('is not answered by what an earlier turn asked', async () => {
    const { turn, asked } = recording();
    await turn.find(2);
    await turn.find(2);
    assert.deepEqual(asked, [[2], [2]]);
  });

  it('fails as one, and the next turn does not', async () => {
    const { turn } = recording();
    const outcomes = await Promise.allSettled([turn.find(-1), turn.find(2)]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal(await turn.find(2), 'value 2');
  });
});
