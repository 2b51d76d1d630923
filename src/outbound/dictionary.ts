/**
 * What each version of HL7v2 has room for, from the package `hl7v2-dictionary`. Reading that takes 1-3 s of processor time and
 * 25 MB, so a thread of its own does it, with the first message that a process builds; its tables come back.
 */
import { Worker } from 'node:worker_threads';
import { Problem } from '../fhir/problem.ts';
import type { Version } from './build/version.ts';

let tables: Promise<ReadonlyMap<string, Version>> | undefined;

/** @throws Problem not-supported for a version that the dictionary does not have */
export async function versionOf(name: string): Promise<Version> {
  tables ??= load();
  const loading = tables;
  loading.catch(() => {
    if (tables === loading) tables = undefined;
  });
  const versions = await loading;
  const version = versions.get(name);
  if (version !== undefined) return version;
  throw new Problem('not-supported', 'no dictionary has this version of HL7v2', {
    expression: 'MSH-12',
    hint: `Choose one of ${[...versions.keys()].join(', ')}.`,
  });
}

async function load(): Promise<ReadonlyMap<string, Version>> {
  const worker = new Worker(new URL('dictionary-thread.ts', import.meta.url));
  const versions = await new Promise<Version[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the dictionary could not be read')));
  });
  return new Map(versions.map((version) => [version.version, version]));
}
