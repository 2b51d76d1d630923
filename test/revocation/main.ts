/** `npm run revocation -- --rounds 200`: ends with 1 when anything is shown to whoever asks after a revocation was answered. */
import { parseArgs } from 'node:util';
import { mochaGlobalSetup, mochaGlobalTeardown } from '../setup.ts';
import { revokeRounds } from './run.ts';

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { rounds: { type: 'string' } } });
  await mochaGlobalSetup();
  try {
    const outcome = await revokeRounds(Number(values.rounds ?? 200), (round) => {
      if (round % 20 === 0) process.stderr.write(`${round} rounds\n`);
    });
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
    return outcome.leaked.length === 0 ? 0 : 1;
  } finally {
    await mochaGlobalTeardown();
  }
}

process.exitCode = await main();
