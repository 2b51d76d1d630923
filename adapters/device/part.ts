/**
 * What a device sends, in parts: an upload of any length becomes messages of bounded size, each told by what it holds, so that an upload
 * that is sent again stores nothing twice.
 */
import { hash } from 'node:crypto';
import { parseJson } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';

/** How it is written; by its media type. */
export type DeviceFormat = 'apple-health' | 'open-mhealth' | 'fhir';

export interface DevicePart {
  readonly format: DeviceFormat;
  /** The hub's id of whoever was measured. */
  readonly patient: string;
  /** They sent it themselves. */
  readonly isOwn: boolean;
  /** Attributes of records (Apple Health), data points (Open mHealth), or one Bundle (FHIR). */
  readonly records: readonly unknown[];
}

/** Records of a part: some 300 kB, a transaction of some hundred milliseconds. */
export const partRecordsMax = 1_000;

export function writePart(part: DevicePart): { readonly bytes: Buffer; readonly controlId: string } {
  const bytes = Buffer.from(JSON.stringify(part));
  return { bytes, controlId: `${part.format}/${hash('sha256', bytes, 'hex').slice(0, 40)}` };
}

/** @throws Problem structure */
export function readPart(bytes: Uint8Array): DevicePart {
  try {
    return parseJson(Buffer.from(bytes).toString('utf8')) as DevicePart;
  } catch (cause) {
    throw new Problem('structure', 'the part of an upload cannot be read', { cause });
  }
}

/** Gathers records into parts. */
export async function* inParts(records: AsyncIterable<unknown>): AsyncGenerator<unknown[]> {
  let part: unknown[] = [];
  for await (const record of records) {
    part.push(record);
    if (part.length < partRecordsMax) continue;
    yield part;
    part = [];
  }
  if (part.length > 0) yield part;
}
