/**
 * `hub map ...`: overlays checked, compared, explained, applied and taken back. Nothing but `apply` and `rollback` changes
 * anything; a running hub follows them with the next message it picks.
 */
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import { readConfig } from '../config.ts';
import type { Database } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { contextOf, noSource, openShippedMaps, readText, type ConversionSource } from '../hub/conversion.ts';
import { storedSamples } from '../hub/maps.ts';
import { openStorage } from '../hub/storage.ts';
import { findEndpoint } from '../ingest/endpoint.ts';
import { unknownEndpoint } from '../ingest/registry/versions.ts';
import { applyOverlay, listMapVersions, readOverlayText, rollBack } from '../ingest/overlays.ts';
import { checkOverlay } from '../mapping/tables/check.ts';
import { compareResults, compareTables } from '../mapping/compare.ts';
import { explainMessage } from '../mapping/explain.ts';
import { parseOverlay, sourceOf, type Maps } from '../mapping/maps.ts';
import { shippedOverlay } from '../mapping/tables/overlay.ts';
import { overlaySchema } from '../mapping/tables/schema.ts';
import type { Partner } from '../mapping/table.ts';
import { describeComparison, describeExplanation, describeTables } from './map-text.ts';
import { bytesOf, textOf } from './files.ts';
import { samplesIn } from './map-samples.ts';

type Environment = NodeJS.ProcessEnv;

/** `hub map check FILE`: every error with file and line; ends with 1 when there is one. */
export function runMapCheck(file: string): void {
  const findings = checkOverlay(openShippedMaps(), textOf(file), file);
  for (const { at, message } of findings) console.log(`${at}: ${message}`);
  if (findings.length === 0) console.log(`${file}: no errors`);
  else process.exitCode = 1;
}

export interface DiffOptions {
  readonly endpoint?: string;
  /** A folder of messages to try both maps on. */
  readonly messages?: string;
  /** So many of the endpoint's latest messages, to try both maps on. */
  readonly stored?: string;
}

/** `hub map diff A B`, or `hub map diff FILE --endpoint NAME` against what is in force there. */
export async function runMapDiff(
  files: readonly string[],
  options: DiffOptions,
  environment: Environment,
): Promise<void> {
  const { endpoint, messages, stored } = options;
  const maps = openShippedMaps();
  const [first, second] = files;
  if (first === undefined || (second === undefined && endpoint === undefined))
    throw new Problem('required', 'two maps are compared', { hint: 'Name two files, or one and --endpoint.' });
  const after = overlayIn(second ?? first);
  const compare = async (before: Partner | undefined, source: ConversionSource, database?: Database): Promise<void> => {
    console.log(describeTables(compareTables(sourceOf(maps.library, before), sourceOf(maps.library, after))));
    const samples =
      messages !== undefined
        ? samplesIn(messages, source)
        : database && stored !== undefined
          ? storedSamples(database, source, Number(stored))
          : undefined;
    if (samples === undefined) return;
    const old = before === undefined ? maps.shipped('') : maps.compile(before);
    console.log(describeComparison(await compareResults(old, maps.compile(after), samples)));
  };
  if (endpoint === undefined) return compare(overlayIn(first), noSource);
  await withDatabase(environment, async (database) => {
    const source = await sourceNamed(database, endpoint);
    const before = second === undefined ? await overlayAt(database, maps, endpoint) : overlayIn(first);
    await compare(before, source, database);
  });
}

export interface ExplainOptions {
  readonly endpoint?: string;
  /** An overlay that is not applied yet. */
  readonly overlay?: string;
  readonly json?: true;
}

/** `hub map explain message.hl7`: for each element its rule and fields, for each field where it went or why not. */
export async function runMapExplain(file: string, options: ExplainOptions, environment: Environment): Promise<void> {
  const { endpoint, overlay, json } = options;
  const maps = openShippedMaps();
  const bytes = bytesOf(file);
  const explain = (source: ConversionSource, partner: Partner | undefined): void => {
    const found = explainMessage(sourceOf(maps.library, partner), readText(bytes, source), contextOf(source));
    console.log(json === true ? JSON.stringify(found) : describeExplanation(found));
  };
  const given = overlay === undefined ? undefined : overlayIn(overlay);
  if (endpoint === undefined) return explain(noSource, given);
  await withDatabase(environment, async (database) => {
    explain(await sourceNamed(database, endpoint), given ?? (await overlayAt(database, maps, endpoint)));
  });
}

export interface ApplyOptions {
  readonly endpoint: readonly string[];
  readonly note?: string;
  readonly by?: string;
}

/** `hub map apply FILE --endpoint NAME`: in force with the next message. */
export async function runMapApply(file: string, options: ApplyOptions, environment: Environment): Promise<void> {
  const maps = openShippedMaps();
  const text = textOf(file);
  const findings = checkOverlay(maps, text, basename(file));
  if (findings.length > 0) {
    for (const { at, message } of findings) process.stderr.write(`${at}: ${message}\n`);
    throw new Problem('invalid', 'the overlay is not applied', { hint: `hub map check ${file}` });
  }
  const overlay = { name: basename(file), text };
  const endpoints = options.endpoint.length > 0 ? options.endpoint : parseOverlay(text, file).endpoints;
  await withDatabase(environment, async (database) => {
    print(await applyOverlay(database, maps, { endpoints, overlay, ...signature(options) }));
  });
}

export interface RollbackOptions {
  readonly endpoint: string;
  readonly to?: string;
  readonly note?: string;
  readonly by?: string;
}

/** `hub map rollback --endpoint NAME`: what was in force before is in force again, as a version of its own. */
export async function runMapRollback(options: RollbackOptions, environment: Environment): Promise<void> {
  const to = options.to === undefined ? undefined : Number(options.to);
  if (to !== undefined && !Number.isInteger(to)) throw new Problem('value', '--to is the number of a version');
  await withDatabase(environment, async (database) => {
    const { endpoint } = options;
    print([await rollBack(database, openShippedMaps(), { endpoint, to, ...signature(options) })]);
  });
}

/** `hub map list`: what is in force at each endpoint that has had an overlay; with a name, its history. */
export async function runMapList(endpoint: string | undefined, environment: Environment): Promise<void> {
  await withDatabase(environment, async (database) => print(await listMapVersions(database, endpoint)));
}

/** `hub map show --endpoint NAME`: the overlay as it was written. */
export async function runMapShow(
  endpoint: string,
  version: string | undefined,
  environment: Environment,
): Promise<void> {
  await withDatabase(environment, async (database) => {
    const overlay = await readOverlayText(database, endpoint, version === undefined ? undefined : Number(version));
    console.log(overlay?.text ?? '# as shipped');
  });
}

/** `hub map schema`: for editors; knows the names of this version's maps, rules, functions and vocabularies. */
export function runMapSchema(): void {
  console.log(JSON.stringify(overlaySchema(openShippedMaps().library), undefined, 2));
}

function signature({ note, by }: { note?: string; by?: string }): { note?: string; by: string; at: Date } {
  return { note, by: by ?? userInfo().username, at: new Date() };
}

/** `shipped` is the base map alone. */
function overlayIn(file: string): Partner {
  if (file === 'shipped') return { id: 'shipped', endpoints: [], changes: [], at: 'shipped:1' };
  return parseOverlay(textOf(file), file);
}

async function overlayAt(database: Database, maps: Maps, endpoint: string): Promise<Partner | undefined> {
  const applied = await readOverlayText(database, endpoint);
  return applied === undefined ? shippedOverlay(maps.library, endpoint) : parseOverlay(applied.text, applied.name);
}

async function sourceNamed(database: Database, name: string): Promise<ConversionSource> {
  const endpoint = await findEndpoint(database, name);
  if (endpoint !== undefined) return endpoint;
  throw unknownEndpoint(name);
}

async function withDatabase(environment: Environment, work: (database: Database) => Promise<void>): Promise<void> {
  const storage = await openStorage(readConfig(environment));
  try {
    await work(storage.database);
  } finally {
    await storage.close();
  }
}

function print(lines: readonly object[]): void {
  for (const line of lines) console.log(JSON.stringify(line));
}
