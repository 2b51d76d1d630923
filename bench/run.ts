/**
 * `npm run bench [-- topic ...] [--seconds N] [--resources N] [--messages N] [--endpoints N] [--minutes N] [--every TIME] [--keep DIR] [--record]`: runs the measurements one after the other, prints JSON and a table,
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
  /** How many there are in `endpoints`, for how long, and how often each is asked. */
  readonly endpoints: number;
  readonly minutes: number;
  readonly every: string;
  /** How long the backlog of `backlog` is. */
  readonly messages: number;
  /** Where `cost` keeps its database for the next run. */
  readonly keep?: string | undefined;
}

const topics = [
  'accept',
  'searchable',
  'convert',
  'maps',
  'facade',
  'transaction',
  'record',
  'start',
  'subscriptions',
] as const;

/** Take minutes, so only when they are named. */
const longTopics = ['growth', 'cost', 'device', 'backlog', 'endpoints', 'replay', 'watch'] as const;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    resources: { type: 'string', default: '2000000' },
    endpoints: { type: 'string', default: '3600' },
    minutes: { type: 'string', default: '10' },
    every: { type: 'string', default: '3m' },
    messages: { type: 'string', default: '500000' },
    keep: { type: 'string' },
    record: { type: 'boolean', default: false },
  },
});
const options: BenchOptions = {
  seconds: Number(values.seconds),
  resources: Number(values.resources),
  endpoints: Number(values.endpoints),
  minutes: Number(values.minutes),
  every: values.every,
  messages: Number(values.messages),
  keep: values.keep,
};
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
  const heading = `\n## ${new Date().toISOString().slice(0, 10)}: ${positionals.join(', ') || 'all topics'}\n\n${machine()}; \`npm run bench -- ${process.argv.slice(2).join(' ')}\`, ${options.seconds} s a load.\n\n`;
  await appendFile(join(import.meta.dirname, 'results.md'), `${heading}${table}\n`);
}
