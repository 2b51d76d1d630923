import assert from 'node:assert/strict';
import { startTicking } from '../../src/jobs/schedule.ts';
import { until } from '../until.ts';

describe('the tick of a process', () => {
  it('comes again and again, never twice at a time, and its failures stop nothing', async () => {
    let [ticks, running, most] = [0, 0, 0];
    const errors: unknown[] = [];
    const ticking = startTicking({
      name: 'test',
      spreadMs: 0,
      onError: (error) => errors.push(error),
      tick: async () => {
        most = Math.max(most, ++running);
        ticks++;
        // Longer than a second: the next one falls into it.
        await new Promise((resolve) => setTimeout(resolve, ticks === 1 ? 1_200 : 0));
        running--;
        if (ticks === 2) throw new Error('the database is away');
      },
    });
    await until('three ticks', async () => ticks >= 3);
    await ticking.close();
    assert.equal(most, 1);
    assert.deepEqual(
      errors.map((error) => (error as Error).message),
      ['the database is away'],
    );
  });

  it('closing waits for the one under way, and none comes after', async () => {
    let [begun, ended] = [0, 0];
    const ticking = startTicking({
      name: 'test',
      spreadMs: 0,
      tick: async () => {
        begun++;
        await new Promise((resolve) => setTimeout(resolve, 200));
        ended++;
      },
    });
    await until('a tick', async () => begun > 0);
    await ticking.close();
    const before = begun;
    assert.equal(ended, before);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal(begun, before);
  });
});
