/**
 * `npm run bench [-- topic ...] [--seconds N] [--resources N] [--record]`: runs the measurements one after the other, prints JSON and a table,
 * and with `--record` appends the table to bench/results.md. Hub, database and load are separate processes on this machine.
 */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { machine, toTable, type Result } from './lib/result.ts';

export interface BenchOptions {
  /** How long each load lasts. */
  readonly seconds: number;
  /** How far `growth` fills the store. */
  readonly resources: number;
}

const topics = ['accept', 'searchable', 'convert', 'maps', 'facade', 'transaction', 'record', 'start'] as const;

/** Takes minutes, so only when it is named. */
const longTopics = ['growth'] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    resources: { type: 'string', default: '2000000' },
    record: { type: 'boolean', default: false },
  },
});
const options: BenchOptions = { seconds: Number(values.seconds), resources: Number(values.resources) };
const known: readonly string[] = [...topics, ...longTopics];
const unknown = positionals.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  console.error(`no such topic: ${unknown.join(', ')}; there are ${known.join(', ')}`);
  process.exit(2);
}

const results: Result[] = [];
for (const topic of positionals.length > 0 ? positionals : topics) {
  const module = (await import(`./topics/${topic}.ts`)) as { measure: (options: BenchOptions) => Promise<Result[]> };
  results.push(...(await module.measure(options)));
}
console.log(JSON.stringify({ at: new Date().toISOString(), machine: machine(), results }));
const table = toTable(results);
console.log(`\n${table}`);
if (values.record) {
  const heading = `\n## ${new Date().toISOString().slice(0, 10)}: ${positionals.join(', ') || 'all topics'}\n\n${machine()}; ${options.seconds} s a load.\n\n`;
  await appendFile(join(import.meta.dirname, 'results.md'), `${heading}${table}\n`);
}
