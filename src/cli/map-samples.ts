/** Messages to try a map on: the files of a folder. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isBatch, splitMessages, type ConversionSource } from '../hub/conversion.ts';
import { sampleMax } from '../ingest/archive.ts';
import { sampleOf } from '../hub/maps.ts';
import type { Sample } from '../mapping/compare.ts';
import { assertReadable } from './files.ts';

/** Every file below the folder that holds messages; what is none is passed over. */
export function* samplesIn(folder: string, source: ConversionSource): Generator<Sample> {
  assertReadable(folder);
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
