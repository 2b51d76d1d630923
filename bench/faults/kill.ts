/** `kill -9` of one of two hub processes, every so often, in turns, while hospitals send to both. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from '../lib/result.ts';
import type { FaultOptions } from './run.ts';
import { toResult, underLoad } from './lib/watch.ts';
import { addHospitals, openWorld } from './lib/world.ts';

const everySeconds = 20;
/** The platform notices and starts it again. */
const awayMs = 2_000;

export async function measure({ seconds, rate }: FaultOptions): Promise<Result[]> {
  const world = await openWorld();
  try {
    await addHospitals(world);
    const outcome = await underLoad(world, { seconds, rate, seed: 61 }, async (isOver) => {
      let kills = 0;
      for (let at = performance.now(); ; at += everySeconds * 1000) {
        await sleep(Math.max(at + everySeconds * 1000 - performance.now(), 0));
        if (isOver()) return `${kills} kills`;
        const hub = world.hubs[kills++ % world.hubs.length];
        await hub?.kill();
        await sleep(awayMs);
        await hub?.start();
      }
    });
    const work = `kill -9 of one of two hubs every ${everySeconds} s, ${seconds} s at ${rate} messages/s`;
    return [toResult({ work, ...outcome })];
  } finally {
    await world.close();
  }
}
