/**
 * Apple Health's export.xml, record by record as it comes: files of gigabytes, of which no more than a chunk and a batch is held.
 * A blood pressure is a Correlation of two records; its parts come as one record.
 */
import { StringDecoder } from 'node:string_decoder';
import { SaxesParser } from 'saxes';
import { Problem } from '../../src/fhir/problem.ts';

export interface AppleRecord {
  /** Attributes of the element, as written. */
  readonly record: Readonly<Record<string, string>>;
  /** Of a Correlation: its records. */
  readonly parts?: readonly Readonly<Record<string, string>>[];
}

/** Between two records there is metadata at most: what is longer is no export. */
const gapBytesMax = 4 * 1024 * 1024;
/** Records of one Correlation; a blood pressure has two. */
const partsMax = 16;

/** @throws Problem structure for what is no well-formed XML of Apple Health */
export async function* readAppleHealth(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<AppleRecord> {
  const parser = new SaxesParser();
  const decoder = new StringDecoder('utf8');
  let found: AppleRecord[] = [];
  let correlation: { record: Record<string, string>; parts: Record<string, string>[] } | undefined;
  let depth = 0;
  let failure: unknown;
  parser.on('error', (error) => {
    failure ??= error;
  });
  parser.on('opentag', ({ name, attributes }) => {
    depth++;
    const record = attributes as Record<string, string>;
    if (depth === 1 && name !== 'HealthData') failure ??= new Error('not HealthData');
    if (name === 'Correlation') correlation = { record, parts: [] };
    else if (name === 'Record') {
      if (correlation === undefined) found.push({ record });
      else if (correlation.parts.length < partsMax) correlation.parts.push(record);
    }
  });
  parser.on('closetag', ({ name }) => {
    depth--;
    if (name !== 'Correlation' || correlation === undefined) return;
    found.push(correlation);
    correlation = undefined;
  });
  const take = (text: string | null): AppleRecord[] => {
    if (text !== null) parser.write(text);
    else parser.close();
    if (failure !== undefined) {
      throw new Problem('structure', 'the export cannot be read as XML', {
        hint: 'Send the file export.xml of Apple Health as it is.',
        cause: failure,
      });
    }
    const batch = found;
    found = [];
    return batch;
  };
  let gapBytes = 0;
  for await (const chunk of chunks) {
    const batch = take(decoder.write(Buffer.from(chunk)));
    gapBytes = batch.length > 0 ? 0 : gapBytes + chunk.length;
    if (gapBytes > gapBytesMax) throw new Problem('too-long', 'the export has too much between two records');
    yield* batch;
  }
  yield* take(decoder.end());
  yield* take(null);
}
