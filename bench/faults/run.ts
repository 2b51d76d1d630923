/**
 * `npm run faults [-- name ...] [--seconds N] [--rate N] [--record]`: each fault on hubs of its own, under load, and what the ledger says
 * afterwards. Ends with 1 when anything was lost, doubled or out of order, or took longer than 30 s to be well again.
 */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { measureScenario, scenarios } from './sources.ts';
import { machine, toTable, type Result } from '../lib/result.ts';

export interface FaultOptions {
  /** How long hospitals send. */
  readonly seconds: number;
  /** Messages a second. */
  readonly rate: number;
}

const ofMessages = ['kill', 'database', 'ack', 'disk', 'clock'];
const faults = [...ofMessages, ...Object.keys(scenarios)];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '100' },
    record: { type: 'boolean', default: false },
  },
});
const unknown = positionals.filter((name) => !faults.includes(name));
if (unknown.length > 0) {
  console.error(`no such fault: ${unknown.join(', ')}; there are ${faults.join(', ')}`);
  process.exit(2);
}
const options: FaultOptions = { seconds: Number(values.seconds), rate: Number(values.rate) };
const results: Result[] = [];
for (const name of positionals.length > 0 ? positionals : faults) {
  const measured = name in scenarios ? await measureScenario(name, options) : await measureMessages(name);
  for (const { work, figure, unit, note = '' } of measured) console.error(`${work}: ${figure} ${unit}; ${note}`);
  results.push(...measured);
}
const table = toTable(results);
console.log(table);
if (values.record) {
  const heading = `\n## ${new Date().toISOString().slice(0, 10)}: faults\n\n${machine()}; \`npm run faults -- ${process.argv.slice(2).join(' ')}\`.\n\n`;
  await appendFile(join(import.meta.dirname, '..', 'results.md'), `${heading}${table}\n`);
}
// Not a number: something was lost, doubled or out of order.
if (results.some(({ figure, target = Infinity }) => !(figure <= target))) process.exitCode = 1;

async function measureMessages(name: string): Promise<Result[]> {
  const module = (await import(`./${name}.ts`)) as { measure: (options: FaultOptions) => Promise<Result[]> };
  return module.measure(options);
}
