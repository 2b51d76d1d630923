/** A part of an upload -> what it makes of the record: Observations of single values, samples to be summed up, resources of a Bundle. */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deviceMetrics } from '../../src/fhir/device/metrics.ts';
import { singleObservation } from '../../src/fhir/device/observation.ts';
import { inMetric, type Sample } from '../../src/fhir/device/sample.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { Draft, MappedMessage } from '../../src/ingest/contract.ts';
import { readAppleRecord } from './apple-health.ts';
import type { AppleRecord } from './apple-stream.ts';
import { readDataPoint } from './open-mhealth.ts';
import { readPart, type DevicePart } from './part.ts';
import { readPhdBundle } from './phd.ts';
import { sampleOf, type Measured } from './reading.ts';

export interface DeviceSource {
  readonly name: string;
  /** `Organization/x`. */
  readonly organization: string;
}

/** Pure: the same bytes give the same drafts. @throws Problem for content that cannot become resources */
export function convertDevice(bytes: Uint8Array, source: DeviceSource): MappedMessage {
  const part = readPart(bytes);
  const made = part.format === 'fhir' ? ofBundles(part, source) : ofReadings(part, source);
  return {
    commands: [],
    snapshots: [],
    issues: [],
    mapVersion: mapVersion(),
    ...(part.isOwn ? { speaksFor: [part.patient] } : {}),
    ...made,
  };
}

type Made = Pick<MappedMessage, 'drafts' | 'unmapped' | 'samples'>;

function ofBundles({ records, patient }: DevicePart, { organization, name }: DeviceSource): Made {
  const read = records.map((bundle) => readPhdBundle(bundle, { organization, endpoint: name, patient }));
  return {
    drafts: read.flatMap(({ resources }) => resources).map(draftOf),
    unmapped: read
      .flatMap(({ left }) => left)
      .map((code) => ({ kind: 'code', position: 'Bundle.entry.resource', code })),
  };
}

function ofReadings(part: DevicePart, { organization, name }: DeviceSource): Made {
  const owner = { owner: organization, endpoint: name, patient: part.patient };
  const samples: Sample[] = [];
  const drafts: Draft[] = [];
  const unmapped: { kind: 'code'; position: string; code: string }[] = [];
  const leave = (position: string, code: string): void => {
    unmapped.push({ kind: 'code', position, code });
  };
  for (const record of part.records) {
    const reading = part.format === 'apple-health' ? readAppleRecord(record as AppleRecord) : readDataPoint(record);
    if ('unmapped' in reading) {
      leave(reading.unmapped.position, reading.unmapped.code);
      continue;
    }
    take(reading);
  }
  return { drafts, unmapped, samples: { patient: part.patient, samples } };

  function take(reading: Measured): void {
    const metric = deviceMetrics().get(reading.metric);
    const sample = sampleOf(reading);
    if (metric === undefined || sample === undefined) return leave(`${reading.metric} time`, 'no time with a zone');
    if (metric.kind === 'single') {
      drafts.push(draftOf(singleObservation(owner, metric, sample, reading.parts)));
      return;
    }
    const kept = inMetric(metric, sample);
    if (kept === undefined) leave(`${reading.metric} unit`, reading.unit);
    else samples.push(kept);
  }
}

function draftOf(resource: AnyResource & { id: string }): Draft {
  return { resource, mode: 'replace', removed: [], fallback: [], precedence: 0 };
}

let version: string | undefined;

/** Of the tables that made it. */
function mapVersion(): string {
  const folder = join(import.meta.dirname, '..', '..', 'mappings', 'device');
  version ??= hash(
    'sha256',
    ['metrics', 'apple-health', 'open-mhealth']
      .map((name) => readFileSync(join(folder, `${name}.yaml`), 'utf8'))
      .join('\n'),
    'hex',
  ).slice(0, 16);
  return version;
}
