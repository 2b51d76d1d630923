/** Messages to try a map on: files of a folder, or what an endpoint sent last. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { contextOf, isBatch, readText, splitMessages, type ConversionSource } from '../hub/conversion.ts';
import { latestMessages, sampleMax } from '../ingest/archive.ts';
import type { Sample } from '../mapping/compare.ts';

/** Every file below the folder that holds messages; what is none is passed over and named. */
export function* samplesIn(folder: string, source: ConversionSource): Generator<Sample> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const file of files.slice(0, sampleMax)) {
    const path = join(file.parentPath, file.name);
    const bytes = readFileSync(path);
    const messages = isBatch(bytes) ? [...splitMessages(bytes)] : [bytes];
    for (const [index, message] of messages.entries()) {
      const sample = sampleOf(messages.length === 1 ? path : `${path}#${index + 1}`, message, source);
      if (sample !== undefined) yield sample;
    }
  }
}

export async function* storedSamples(db: Tx, source: ConversionSource, count: number): AsyncGenerator<Sample> {
  for await (const { id, raw } of latestMessages(db, source.name, count)) {
    const sample = sampleOf(String(id), raw, source);
    if (sample !== undefined) yield sample;
  }
}

function sampleOf(name: string, bytes: Uint8Array, source: ConversionSource): Sample | undefined {
  try {
    return { name, message: readText(bytes, source), context: contextOf(source) };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    process.stderr.write(`${name} is passed over: ${error.message}\n`);
    return undefined;
  }
}
