/** An upload as it comes -> parts that are messages, each stored before the next is read: of any length, in bounded memory. */
import { parseReceivedJson } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { Door, Endpoint } from '../../src/ingest/contract.ts';
import { readAppleHealth } from './apple-stream.ts';
import { dataPointsOf } from './open-mhealth.ts';
import { inParts, writePart, type DeviceFormat, type DevicePart } from './part.ts';

export interface Upload {
  readonly endpoint: Endpoint;
  readonly format: DeviceFormat;
  readonly patient: string;
  readonly isOwn: boolean;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface Uploaded {
  readonly records: number;
  /** Messages that were stored, and those that were stored before. */
  readonly received: number;
  readonly known: number;
}

/** Formats that are one JSON text are read whole; numbers keep their digits. */
const jsonBytesMax = 16 * 1024 * 1024;

/**
 * What was stored stays stored when the rest cannot be read: sent again, it is known.
 * @throws Problem structure, too-long, transient
 */
export async function receiveUpload(door: Pick<Door, 'receive'>, upload: Upload): Promise<Uploaded> {
  const { endpoint, format, patient, isOwn } = upload;
  const total = { records: 0, received: 0, known: 0 };
  for await (const records of inParts(recordsOf(upload))) {
    const part: DevicePart = { format, patient, isOwn, records };
    const { bytes, controlId } = writePart(part);
    const { isDuplicate } = await door.receive({
      endpoint,
      envelope: { controlId, type: format, facility: endpoint.name, patientKey: patient },
      bytes,
    });
    total.records += records.length;
    total[isDuplicate ? 'known' : 'received']++;
  }
  return total;
}

async function* recordsOf({ format, chunks }: Upload): AsyncGenerator {
  if (format === 'apple-health') {
    yield* readAppleHealth(chunks);
    return;
  }
  const body = parseReceivedJson(await readWhole(chunks));
  yield* format === 'fhir' ? [body] : dataPointsOf(body);
}

async function readWhole(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > jsonBytesMax) {
      throw new Problem('too-long', `the upload is longer than ${jsonBytesMax} bytes`, { hint: 'Send it in several.' });
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}
