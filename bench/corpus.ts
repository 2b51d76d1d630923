/**
 * `npm run corpus`: messages and resources that nobody here wrote, through the code that will meet their like.
 * Prints JSON on stdout and a table on stderr; exits 1 when a bound fails. Without the shared corpus it says so and exits 0.
 *
 *   npm run corpus -- --left OBX     only what of a segment no rule takes, by position, most first (`--left` alone: of all)
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { runFhir, type FhirReport } from './corpus/fhir.ts';
import { forms } from './corpus/kept.ts';
import { runRoundTrip, type RoundTrip, type Send } from './corpus/round-trip.ts';
import { startHub, type HubProcess } from './lib/hub-process.ts';
import { keptMin, runHl7v2, typedMin, type Hl7v2Report } from './corpus/hl7v2.ts';

const shownMax = 20;

async function main(): Promise<number> {
  const folder = process.env['CORPUS_DIR'] ?? resolve(import.meta.dirname, '../../shared/corpus');
  if (!existsSync(join(folder, 'hl7v2', 'index.jsonl'))) {
    process.stderr.write(`corpus: skipped, there is none at ${folder} (set CORPUS_DIR)\n`);
    return 0;
  }
  const hl7v2 = runHl7v2(join(folder, 'hl7v2'));
  const { values, positionals } = parseArgs({ options: { left: { type: 'boolean' } }, allowPositionals: true });
  if (values.left === true) {
    process.stdout.write(`${leftOf(hl7v2, positionals).join('\n')}\n`);
    return 0;
  }
  const fhir = runFhir(join(folder, 'fhir'));
  const roundTrip = await throughHub(join(folder, 'fhir'));
  const bounds = [...boundsOf(hl7v2, fhir), ...boundsOfRoundTrip(roundTrip)];
  process.stdout.write(`${JSON.stringify({ hl7v2, fhir, roundTrip, bounds }, null, 2)}\n`);
  process.stderr.write(render(hl7v2, fhir, roundTrip, bounds));
  return bounds.every(({ isMet }) => isMet) ? 0 : 1;
}

interface Bound {
  readonly what: string;
  readonly found: string;
  readonly bound: string;
  readonly isMet: boolean;
}

/** In a hub of its own, as a hospital and its patients would send it. */
async function throughHub(folder: string): Promise<RoundTrip> {
  const hub = await startHub();
  try {
    return await runRoundTrip(folder, await senderTo(hub));
  } finally {
    await hub.stop();
  }
}

async function senderTo(hub: HubProcess): Promise<Send> {
  const token = async (...claims: string[]): Promise<string> =>
    (await hub.cli('token', '--client', 'corpus', '--expires', '3600', ...claims)).trim();
  const hospital = await token('--preset', 'hospital', '--organization', 'Organization/corpus');
  const patients = new Map<string, string>();
  return async (method, path, { body, patient } = {}) => {
    if (patient !== undefined && !patients.has(patient))
      patients.set(patient, await token('--preset', 'patient', '--patient', patient));
    const bearer = patient === undefined ? hospital : patients.get(patient);
    const response = await fetch(path === '' ? hub.fhirUrl : `${hub.fhirUrl}/${path}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        prefer: 'return=minimal',
        ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }),
      },
      ...(body === undefined ? {} : { body }),
    });
    return { status: response.status, text: await response.text() };
  };
}

function boundsOfRoundTrip({ unexpected, differences }: RoundTrip): Bound[] {
  return [
    none('resources the hub refused without a listed reason', unexpected),
    none('values that came back otherwise', differences),
  ];
}

function none(what: string, list: readonly string[]): Bound {
  return { what, found: String(list.length), bound: '0', isMet: list.length === 0 };
}

function boundsOf(hl7v2: Hl7v2Report, fhir: FhirReport): Bound[] {
  return [
    none('messages that failed', hl7v2.failed),
    none('well-formed messages of listed types not served', hl7v2.notServed),
    none('Bundles that differ between two runs', hl7v2.differing),
    none('Bundles that are not valid R4', hl7v2.invalid),
    ...Object.entries(hl7v2.variants).map(([name, row]) => none(`messages that differ: ${name}`, row.differing)),
    ...Object.entries(hl7v2.facts).map(([kind, row]) => ({
      what: `kept: ${kind}`,
      found: `${row.kept} of ${row.total}`,
      bound: 'all',
      isMet: row.kept === row.total,
    })),
    {
      what: 'leaf values kept',
      found: `${(hl7v2.keptShare * 100).toFixed(3)} %`,
      bound: `>= ${keptMin * 100} %`,
      isMet: hl7v2.keptShare >= keptMin,
    },
    {
      what: 'leaf values in a typed place',
      found: `${(hl7v2.typedShareOfAll * 100).toFixed(3)} %`,
      bound: `>= ${typedMin * 100} %`,
      isMet: hl7v2.typedShareOfAll >= typedMin,
    },
    none('FHIR resources refused without a listed reason', fhir.unexpected),
    none('search parameters that differ from FHIRPath', fhir.indexDifferences),
  ];
}

function render(hl7v2: Hl7v2Report, fhir: FhirReport, roundTrip: RoundTrip, bounds: readonly Bound[]): string {
  const refused = Object.values(hl7v2.refused).reduce((sum, count) => sum + count, 0);
  const lines = [
    `HL7v2: ${hl7v2.files} files, ${hl7v2.messages} messages, ${hl7v2.converted} converted, ${refused} refused with a reason`,
    ...table(
      ['type', 'converted', 'refused', 'failed'],
      Object.entries(hl7v2.types).map(([type, row]) => [type, row.converted, row.refused, row.failed]),
    ),
    ...table(
      ['segment', 'leaves', 'structural', 'kept %', 'typed %'],
      Object.entries(hl7v2.segments).map(([segment, row]) => [
        segment,
        row.leaves,
        row.structural,
        percent(row.kept / row.leaves),
        percent(row.typed / row.leaves),
      ]),
    ),
    ...table(
      ['facts', 'total', 'kept', 'typed'],
      Object.entries(hl7v2.facts).map(([kind, row]) => [kind, row.total, row.kept, row.typed]),
    ),
    ...table(
      ['the same message as', 'compared', 'differing'],
      Object.entries(hl7v2.variants).map(([name, row]) => [name, row.compared, row.differing.length]),
    ),
    ...shown(
      'refused',
      Object.entries(hl7v2.refused).map(([reason, count]) => `${count} ${reason}`),
    ),
    ...shown(
      'of listed types and well-formed, yet refused',
      Object.entries(hl7v2.refusedOfListed).map(([reason, count]) => `${count} ${reason}`),
    ),
    ...shown('not served', hl7v2.notServed),
    ...Object.entries(hl7v2.facts).flatMap(([kind, row]) => shown(`lost of ${kind}`, row.lost)),
    ...Object.entries(hl7v2.variants).flatMap(([name, row]) => shown(`differ as ${name}`, row.differing)),
    `  ${hl7v2.leaves} leaf values outside MSH, ${hl7v2.structural} of them structural: ${forms.map((form) => `${form} ${hl7v2.kept[form]}`).join(', ')}`,
    `  in a typed place: ${percent(hl7v2.typedShare)} % of those that are not structural, ${percent(hl7v2.typedShareOfAll)} % of all`,
    `  slowest message ${hl7v2.slowestMs} ms`,
    `  ${hl7v2.messagesPerSecond} conversions a second (bytes to Bundle, each once: no warm loop)`,
    ...shown(
      'lost',
      Object.entries(hl7v2.lost).map(([position, count]) => `${position} ${count}`),
    ),
    ...shown(
      'kept beside, most first',
      Object.entries(hl7v2.beside).map(([position, count]) => `${position} ${count}`),
    ),
    ...shown('failed', hl7v2.failed),
    ...shown('differing', hl7v2.differing),
    ...shown('not valid', hl7v2.invalid),
    `FHIR: ${fhir.resources} resources, ${fhir.valid} valid (${fhir.conditional} after their conditional references were resolved), ${fhir.listed} with a listed reason; ${fhir.comparedValues} index values compared`,
    ...shown('refused', fhir.unexpected),
    ...shown('index differs', fhir.indexDifferences),
    `written and read back: ${Object.entries(roundTrip.written)
      .map(([part, count]) => `${part} ${count}`)
      .join(
        ', ',
      )}; ${roundTrip.values} values equal, ${roundTrip.resolved} of them references that a transaction resolved; ${roundTrip.labelled} got labels`,
    ...shown(
      'refused by the hub, as listed',
      Object.entries(roundTrip.refused).map(([name, reason]) => `${name}: ${reason}`),
    ),
    ...shown('refused by the hub', roundTrip.unexpected),
    ...shown('came back otherwise', roundTrip.differences),
    '',
    ...bounds.map(
      ({ what, found, bound, isMet }) =>
        `${isMet ? 'ok  ' : 'FAIL'} ${what.padEnd(48)} ${found.padStart(10)}  (${bound})`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

/** What no rule takes: position and how often, most first. */
function leftOf({ beside }: Hl7v2Report, segments: readonly string[]): string[] {
  const wanted = Object.entries(beside).filter(
    ([position]) => segments.length === 0 || segments.includes(position.split('-')[0] as string),
  );
  return wanted.map(([position, count]) => `${String(count).padStart(7)} ${position}`);
}

function percent(share: number): string {
  return (share * 100).toFixed(2);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string[] {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => (line[column] as string).length)));
  return lines.map(
    (line) =>
      `  ${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number))).join('  ')}`,
  );
}

function shown(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const rest = items.length > shownMax ? [`    ... ${items.length - shownMax} more in the JSON`] : [];
  return [`  ${title}:`, ...items.slice(0, shownMax).map((item) => `    ${item}`), ...rest];
}

process.exitCode = await main();
