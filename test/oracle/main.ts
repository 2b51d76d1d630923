/**
 * `npm run oracle -- --sets 2000 [--seed 1]`: random consents, tokens and records against the evaluator. Ends with 1, and prints
 * the smallest world that disagrees with its seed, when hub and evaluator are not of one mind; with `--fast` any world that does.
 */
import { parseArgs } from 'node:util';
import { mochaGlobalSetup, mochaGlobalTeardown } from '../setup.ts';
import { runSets } from './run.ts';

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { sets: { type: 'string' }, seed: { type: 'string' }, fast: { type: 'boolean' } },
  });
  const [sets, seed] = [Number(values.sets ?? 2_000), Number(values.seed ?? Date.now() % 1_000_000)];
  await mochaGlobalSetup();
  try {
    process.stderr.write(`oracle: ${sets} sets from seed ${seed}\n`);
    const began = performance.now();
    const { failures, ...tally } = await runSets({
      sets,
      seed,
      isShrinking: values.fast !== true,
      report: (done) => {
        if (done % 50 === 0)
          process.stderr.write(`${done} sets, ${Math.round((performance.now() - began) / 1_000)} s\n`);
      },
    });
    process.stdout.write(`${JSON.stringify({ seed, ...tally, disagreements: failures.length })}\n`);
    for (const failure of failures) process.stdout.write(`${failure}\n`);
    return failures.length === 0 ? 0 : 1;
  } finally {
    await mochaGlobalTeardown();
  }
}

process.exitCode = await main();
