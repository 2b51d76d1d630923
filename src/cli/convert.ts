/** `hub convert`: HL7v2 on stdin, FHIR on stdout. Nothing is stored; a database is asked only for a named endpoint. */
import { once } from 'node:events';
import { Problem } from '../fhir/problem.ts';
import {
  isBatch,
  noSource,
  openConversion,
  openShippedMaps,
  reportStructure,
  splitMessages,
  type ConversionSource,
} from '../hub/conversion.ts';
import { toBundle } from '../mapping/bundle.ts';
import type { Maps } from '../mapping/maps.ts';
import { unknownEndpoint } from '../ingest/registry/versions.ts';

export interface ConvertOptions {
  readonly endpoint?: string;
  /** What is not as the standard prints it, on stderr. */
  readonly report?: true;
}

export async function runConvert(options: ConvertOptions, environment: NodeJS.ProcessEnv): Promise<void> {
  const maps = openShippedMaps();
  const source = options.endpoint === undefined ? noSource : await findSource(options.endpoint, maps, environment);
  const convert = openConversion(maps);
  const bytes = await readInput();
  if (options.report === true) await report(bytes, source.charset);
  if (!isBatch(bytes)) {
    await write(`${JSON.stringify(toBundle(convert(bytes, source)), undefined, 2)}\n`);
    return;
  }
  // A batch goes on after a message that cannot be converted; the exit code tells.
  for (const [index, message] of splitMessages(bytes).entries()) {
    try {
      await write(`${JSON.stringify(toBundle(convert(message, source)))}\n`);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      process.stderr.write(`message ${index + 1}: ${error.message}\n`);
      process.exitCode = 1;
    }
  }
}

async function report(bytes: Buffer, charset: string | undefined): Promise<void> {
  for (const [index, message] of splitMessages(bytes).entries()) {
    for (const { position, what } of await reportStructure(message, charset)) {
      process.stderr.write(`message ${index + 1}: ${position}: ${what}\n`);
    }
  }
}

/** Files of a day's traffic; more belongs in several files. */
const inputBytesMax = 512 * 1024 * 1024;

async function readInput(): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > inputBytesMax) throw new Problem('too-long', `the input is longer than ${inputBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

/** Waits for a slow reader, so that a long batch does not fill the memory. */
async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** The registry is in the database; zod, pg and the supervisor are loaded for it alone. */
async function findSource(name: string, maps: Maps, environment: NodeJS.ProcessEnv): Promise<ConversionSource> {
  const [{ readConfig }, { openStorage }, { findEndpoint }, { readOverlayText }] = await Promise.all([
    import('../config.ts'),
    import('../hub/storage.ts'),
    import('../ingest/endpoint.ts'),
    import('../ingest/overlays.ts'),
  ]);
  const storage = await openStorage(readConfig(environment));
  try {
    const endpoint = await findEndpoint(storage.database, name);
    if (endpoint !== undefined) {
      maps.assign(new Map([[name, await readOverlayText(storage.database, name)]]));
      return endpoint;
    }
    throw unknownEndpoint(name);
  } finally {
    await storage.close();
  }
}
