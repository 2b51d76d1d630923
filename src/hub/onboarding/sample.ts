/** A sample message of whoever connects a hospital: what it shows about its sender, and how it would be answered. No text of a field is kept. */
import { buildAck, planAcks } from '../../../adapters/hl7v2/ack.ts';
import type { Charset } from '../../../adapters/hl7v2/charset.ts';
import { facilityOf, readEnvelope, readMessage } from '../../../adapters/hl7v2/read.ts';
import { guessSender, senderOf, type Sender } from '../../../adapters/hl7v2/sender.ts';
import { Problem } from '../../fhir/problem.ts';
import type { Endpoint } from '../../ingest/contract.ts';
import { entriesOf, type UnmappedEntry } from '../../ingest/unmapped.ts';
import type { CompiledMap } from '../../mapping/compile.ts';
import type { Hl7Message, Hl7Segment } from '../../mapping/message.ts';
import { mapMessage } from '../../mapping/run.ts';
import { contextOf } from '../conversion.ts';
import { readTimes, type SampleTimes } from './times.ts';

export interface GivenSample {
  /** The name of its file. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Sample {
  readonly name: string;
  /** MSH-9, as `ADT^A01`. */
  readonly type?: string;
  /** MSH-12. */
  readonly version?: string;
  /** MSH-3 and MSH-4. */
  readonly application?: string;
  readonly facility?: string;
  readonly charset?: string;
  readonly charsetFrom?: 'MSH-18' | 'endpoint' | 'detected';
  readonly charsetWarning?: string;
  readonly times?: SampleTimes;
  readonly zSegments: readonly string[];
  /** A record is named: its messages keep their order, and its resources meet. Undefined where there is no PID. */
  readonly isPatientNamed?: boolean;
  /** Numbers of resources by type. */
  readonly resources: Readonly<Record<string, number>>;
  readonly unmapped: readonly UnmappedEntry[];
  /** Why it would be refused: answered so, and not stored. */
  readonly refusal?: SampleProblem;
  /** Why it would be quarantined after it was accepted. */
  readonly problem?: SampleProblem;
  /** The acknowledgment it would get, segment by segment. */
  readonly ack: readonly string[];
}

export interface SampleProblem {
  readonly code: string;
  readonly diagnostics: string;
  readonly position?: string;
  readonly hint?: string;
}

export interface ReadSample {
  readonly sample: Sample;
  /** Undefined when it cannot be read. */
  readonly message: Hl7Message | undefined;
  readonly controlId: string | undefined;
}

/** @param reaches whether the facility leads to this endpoint, on its own way in */
export function readSample(
  { name, bytes }: GivenSample,
  endpoint: Endpoint,
  options: { readonly map: () => CompiledMap; readonly reaches: (facility: string) => boolean; readonly now: Date },
): ReadSample {
  let sender: Sender | undefined;
  let message: Hl7Message | undefined;
  let found: Partial<Sample> = {};
  let controlId: string | undefined;
  try {
    const reading = readMessage(bytes, endpoint.charset);
    message = reading.message;
    const header = message.first('MSH') as Hl7Segment;
    sender = senderOf(header, reading.charset);
    found = factsOf(reading.message, header, reading);
    const envelope = readEnvelope(message);
    controlId = envelope.controlId;
    found = {
      ...found,
      type: envelope.type,
      ...(message.first('PID') !== undefined && { isPatientNamed: envelope.patientKey !== 'unnamed' }),
    };
    if (!options.reaches(envelope.facility)) throw notReached();
  } catch (error) {
    const refusal = problemOf(error);
    const ack = ackOf(sender ?? guessSender(bytes), endpoint, error as Problem, options.now);
    const sample = {
      name,
      zSegments: [],
      resources: {},
      unmapped: [],
      ...found,
      ...convert(message, endpoint, options.map),
      refusal,
      ack,
    };
    return { sample, message, controlId };
  }
  const ack = ackOf(sender, endpoint, undefined, options.now);
  const sample = {
    name,
    zSegments: [],
    resources: {},
    unmapped: [],
    ...found,
    ...convert(message, endpoint, options.map),
    ack,
  };
  return { sample, message, controlId };
}

function factsOf(
  message: Hl7Message,
  header: Hl7Segment,
  reading: { readonly charset: Charset; readonly origin: Sample['charsetFrom']; readonly warning?: string },
): Partial<Sample> {
  return {
    version: header.text(12),
    application: header.text(3),
    facility: facilityOf(header),
    charset: reading.charset.name,
    charsetFrom: reading.origin,
    ...(reading.warning !== undefined && { charsetWarning: reading.warning }),
    times: readTimes(message),
    zSegments: [...new Set(message.segments.map(({ name }) => name).filter((name) => name.startsWith('Z')))],
  };
}

/** What it becomes under the map in force. */
function convert(
  message: Hl7Message | undefined,
  endpoint: Endpoint,
  map: () => CompiledMap,
): Pick<Sample, 'problem'> & Partial<Sample> {
  if (message === undefined) return {};
  try {
    const mapped = mapMessage(map(), message, contextOf(endpoint));
    const resources: Record<string, number> = {};
    for (const { resource } of mapped.drafts)
      resources[resource.resourceType] = (resources[resource.resourceType] ?? 0) + 1;
    return { resources, unmapped: entriesOf(mapped.unmapped) };
  } catch (error) {
    return { problem: problemOf(error) };
  }
}

function ackOf(sender: Sender, { ackMode }: Endpoint, verdict: Problem | undefined, at: Date): string[] {
  const { immediate } = planAcks(sender.header, ackMode, verdict);
  // A sender that asks for none gets none: what it would be is shown all the same.
  const bytes = buildAck({ sender, kind: immediate ?? 'application', verdict, at, controlId: 'TEST' });
  return (sender.charset.decode(bytes) ?? bytes.toString('latin1')).split('\r').filter((line) => line !== '');
}

function notReached(): Problem {
  return new Problem('forbidden', 'MSH-4 names no facility of this endpoint', {
    expression: 'MSH-4',
    hint: 'Add it: hub endpoint set NAME --facility ...',
  });
}

/** @throws what is no Problem: our bug */
function problemOf(error: unknown): SampleProblem {
  if (!(error instanceof Problem)) throw error;
  const { code, message: diagnostics, expression, hint } = error;
  const [position] = expression;
  return { code, diagnostics, ...(position !== undefined && { position }), ...(hint !== undefined && { hint }) };
}
