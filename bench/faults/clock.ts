/** The clock of one of two hubs jumps an hour ahead, or back, and later is right again. */
import { join } from 'node:path';
import type { Result } from '../lib/result.ts';
import type { FaultOptions } from './run.ts';
import { toResult, underLoad } from './lib/watch.ts';
import { addHospitals, openWorld } from './lib/world.ts';

const hourMs = 3_600_000;

export async function measure({ seconds, rate }: FaultOptions): Promise<Result[]> {
  const results: Result[] = [];
  for (const [name, jumpMs] of [
    ['ahead', hourMs],
    ['back', -hourMs],
  ] as const) {
    const afterMs = (seconds * 1000) / 3;
    const env = { CLOCK_JUMP_MS: String(jumpMs), CLOCK_JUMP_AFTER_MS: String(afterMs) };
    const module = join(import.meta.dirname, 'lib', 'moved-clock.ts');
    const world = await openWorld({ preload: { hub: 0, module, env } });
    try {
      await addHospitals(world);
      const outcome = await underLoad(world, { seconds, rate, seed: 65 }, async () => `for ${afterMs / 1000} s`, {
        areClocksMoved: true,
      });
      const work = `clock of one of two hubs an hour ${name}, ${seconds} s at ${rate} messages/s`;
      results.push(toResult({ work, ...outcome }));
    } finally {
      await world.close();
    }
  }
  return results;
}
