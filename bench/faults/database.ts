/** PostgreSQL is shut down under load, fast (open transactions end) and immediate (as in a power failure); the hubs bring it back. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Result } from '../lib/result.ts';
import type { FaultOptions } from './run.ts';
import { toResult, underLoad } from './lib/watch.ts';
import { addHospitals, openWorld } from './lib/world.ts';

const everySeconds = 15;

export async function measure({ seconds, rate }: FaultOptions): Promise<Result[]> {
  const results: Result[] = [];
  // @see https://www.postgresql.org/docs/current/server-shutdown.html
  for (const [name, signal] of [
    ['fast', 'SIGINT'],
    ['immediate', 'SIGQUIT'],
  ] as const) {
    const world = await openWorld();
    try {
      await addHospitals(world);
      const outcome = await underLoad(world, { seconds, rate, seed: 62 }, async (isOver) => {
        let count = 0;
        for (;;) {
          await sleep(everySeconds * 1000);
          if (isOver()) return `${count} times`;
          await world.signalDatabase(signal);
          count++;
        }
      });
      const work = `PostgreSQL restarted (${name}) every ${everySeconds} s, ${seconds} s at ${rate} messages/s`;
      results.push(toResult({ work, ...outcome }));
    } finally {
      await world.close();
    }
  }
  return results;
}
