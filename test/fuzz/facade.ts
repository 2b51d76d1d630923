/**
 * `npm run fuzz:facade -- --requests 100000 [--seed 1]`: requests of every kind against a hub in this process. Prints a line for each
 * round; ends with 1 and the smallest request of each kind of failure, as curl, when a property does not hold.
 */
import { parseArgs } from 'node:util';
import { mochaGlobalSetup, mochaGlobalTeardown } from '../setup.ts';
import { fuzz, type Progress } from './facade/run.ts';
import { givenFuzzWorld } from './facade/world.ts';

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { requests: { type: 'string' }, seed: { type: 'string' } } });
  const [total, seed] = [Number(values.requests ?? 100_000), Number(values.seed ?? Date.now() % 1_000_000)];
  await mochaGlobalSetup();
  try {
    const world = await givenFuzzWorld();
    process.stderr.write(`fuzz: ${total} requests from seed ${seed}\n`);
    const began = performance.now();
    let last: Progress | undefined;
    const failures = await fuzz(world, {
      total,
      seed,
      report: (progress) => {
        last = progress;
        process.stderr.write(lineOf(progress, began));
      },
    });
    process.stderr.write(`slowest: ${last?.slowest.curl ?? ''}\n`);
    for (const failure of failures) process.stdout.write(`${failure}\n`);
    await world.close();
    return failures.length === 0 ? 0 : 1;
  } finally {
    await mochaGlobalTeardown();
  }
}

function lineOf({ done, byStatus, slowest, memoryBytes }: Progress, began: number): string {
  const perSecond = Math.round((done / (performance.now() - began)) * 1_000);
  const counts = [...byStatus].sort(([one], [two]) => one - two).map(([status, count]) => `${status}: ${count}`);
  return `${done} requests, ${perSecond}/s, slowest ${Math.round(slowest.ms)} ms, ${Math.round(memoryBytes / 1e6)} MB; ${counts.join(', ')}\n`;
}

process.exitCode = await main();
