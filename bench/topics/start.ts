/** From spawn to the first answer on an existing database, and the memory of a hub that has nothing to do. */
import type { BenchOptions } from '../run.ts';
import { startHub } from '../lib/hub-process.ts';
import { round, type Result } from '../lib/result.ts';

const restarts = 5;
/** Long enough for a garbage collection of what starting needed. */
const idleMs = 5_000;

export async function measure(_options: BenchOptions): Promise<Result[]> {
  const hub = await startHub();
  try {
    const startsMs: number[] = [];
    for (let n = 0; n < restarts; n++) startsMs.push(await hub.restart());
    startsMs.sort((a, b) => a - b);
    await new Promise((done) => setTimeout(done, idleMs));
    return [
      {
        work: 'start to first answer, existing database (median of 5)',
        figure: round((startsMs[2] ?? 0) / 1000, 2),
        unit: 's',
        target: 3,
        isMaximum: true,
      },
      {
        work: 'idle memory of the hub process',
        figure: round(await hub.rssMb(), 0),
        unit: 'MB',
        target: 250,
        isMaximum: true,
      },
    ];
  } finally {
    await hub.stop();
  }
}
