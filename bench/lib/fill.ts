/**
 * Fills the store with laboratory results, by the same `commit` that every write goes through, past HTTP and validation: what
 * is measured later is how the index grows, so its columns must be those of a real write. A process a core, because making
 * the columns takes twice what PostgreSQL takes to store them.
 *
 * Run as a script it reads one {@link FillJob} from stdin.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { text } from 'node:stream/consumers';
import { openDatabase, type Database } from '../../src/db.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { commit } from '../../src/store/commit.ts';

export const resultsPerPatient = 500;
const tests = 40;
const resourcesPerCommit = 500;
/** One makes its rows while another waits for the disk. */
const transactions = 2;

export interface FillOptions {
  readonly url: string;
  /** Patients `growth-<from>` to `growth-<to>`, the last not included. */
  readonly from: number;
  readonly to: number;
  readonly owner: string;
  /** Each n-th of them has {@link resultsPerPatient} results, or as many as `results` says; the others are a Patient alone. Default: each. */
  readonly each?: number;
  readonly results?: number;
}

export const patientId = (number: number): string => `growth-${number}`;
export const codeOf = (number: number): string => `${1000 + (number % tests)}-1`;

/** @returns resources a second */
export async function fill(options: FillOptions): Promise<number> {
  const startedAt = performance.now();
  const processes = availableParallelism();
  await Promise.all(Array.from({ length: processes }, (_, index) => fillPart({ ...options, index, processes })));
  const { from, to, each = 1, results = resultsPerPatient } = options;
  const resources = to - from + Math.ceil((to - from) / each) * results;
  return resources / ((performance.now() - startedAt) / 1000);
}

interface FillJob extends FillOptions {
  readonly index: number;
  readonly processes: number;
}

async function fillPart(job: FillJob): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename], { stdio: ['pipe', 'inherit', 'inherit'] });
  child.stdin.end(JSON.stringify(job));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`the filler ended with ${code}`);
}

async function run(job: FillJob): Promise<void> {
  const { url, from, to, owner, each = 1, results: resultsEach = resultsPerPatient, index, processes } = job;
  const database = openDatabase({ url, poolMax: transactions, pipelines: 1, applicationName: 'bench-fill' });
  const mine = Array.from({ length: to - from }, (_, n) => from + n).filter((number) => number % processes === index);
  for (let at = 0; at < mine.length; at += resourcesPerCommit) {
    await write(database, mine.slice(at, at + resourcesPerCommit).map(patient), owner);
  }
  const withResults = Array.from({ length: Math.ceil((to - from) / each) }, (_, n) => from + n * each);
  const own = withResults.filter((_, n) => n % processes === index);
  // Round after round, a result of each patient: rows of a patient arrive far apart, as in life.
  const total = own.length * resultsEach;
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < total) {
      const start = next;
      next += resourcesPerCommit;
      const numbers = Array.from({ length: Math.min(resourcesPerCommit, total - start) }, (_, n) => start + n);
      const results = numbers.map((n) => result(own[n % own.length] as number, Math.floor(n / own.length)));
      await write(database, results, owner);
    }
  };
  await Promise.all(Array.from({ length: transactions }, loop));
  await database.close();
}

async function write(database: Database, resources: readonly AnyResource[], owner: string): Promise<void> {
  await database.inTransaction((tx) =>
    commit(
      tx,
      resources.map((resource) => ({ kind: resource.id === undefined ? 'create' : 'draft', resource, owner })),
      { at: new Date() },
    ),
  );
}

function patient(number: number): AnyResource {
  return {
    resourceType: 'Patient',
    id: patientId(number),
    identifier: [{ system: 'urn:bench:mrn', value: `mrn-${number}` }],
    name: [{ family: `Family${number % 997}`, given: ['Wei'] }],
    gender: number % 2 ? 'male' : 'female',
    birthDate: '1970-01-15',
  };
}

function result(of: number, number: number): AnyResource {
  return {
    resourceType: 'Observation',
    identifier: [{ system: 'urn:bench:filler', value: `filler-${of}-${number}` }],
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'laboratory' }] },
    ],
    code: {
      coding: [{ system: 'http://loinc.org', code: codeOf(number), display: 'A laboratory test of the bench' }],
      text: `Laboratory test ${number % tests}`,
    },
    subject: { reference: `Patient/${patientId(of)}` },
    effectiveDateTime: new Date(Date.UTC(2020, 0, 1) + number * 86_400_000).toISOString(),
    valueQuantity: {
      value: ((of + number) % 997) / 10,
      unit: 'mmol/L',
      system: 'http://unitsofmeasure.org',
      code: 'mmol/L',
    },
    referenceRange: [{ low: { value: 3.9, unit: 'mmol/L' }, high: { value: 6.1, unit: 'mmol/L' }, text: '3.9 - 6.1' }],
  };
}

if (process.argv[1] === import.meta.filename) await run(JSON.parse(await text(process.stdin)) as FillJob);
