/**
 * `npm run fuzz -- --runs 200000 [--seed 1]`: parser, mapper and acknowledgments against generated and broken messages. Prints a line
 * for each round; ends with 1 and the smallest counterexample when a property does not hold.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { generated, mutated, seeds, type Outcomes } from './properties.ts';

/** A round is short enough to show that it goes on. */
const roundRuns = 5_000;

function main(): number {
  const { values } = parseArgs({ options: { runs: { type: 'string' }, seed: { type: 'string' } } });
  const [runs, seed] = [Number(values.runs ?? 200_000), Number(values.seed ?? Date.now() % 1_000_000)];
  const from = seeds();
  const outcomes: Outcomes = { converted: 0, refused: 0 };
  const began = performance.now();
  process.stderr.write(`fuzz: ${runs} runs from seed ${seed}, ${from.length} messages to break\n`);
  for (let done = 0, round = 0; done < runs; round++) {
    const numRuns = Math.min(roundRuns, runs - done);
    // Half of each kind.
    const property = round % 2 === 0 ? generated(outcomes) : mutated(from, outcomes);
    const result = fc.check<unknown[]>(property as fc.IProperty<unknown[]>, { numRuns, seed: seed + round });
    if (result.failed) {
      process.stderr.write(`${fc.defaultReportMessage(result)}\n`);
      return 1;
    }
    done += numRuns;
    const perSecond = Math.round((done / (performance.now() - began)) * 1_000);
    process.stderr.write(
      `${done} runs, ${outcomes.converted} converted, ${outcomes.refused} refused, ${perSecond}/s\n`,
    );
  }
  return 0;
}

process.exitCode = main();
