/** Messages and maps for the tests of mapping. A test names the segments that matter to it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import { toBundle } from '../../src/mapping/bundle.ts';
import type { Draft, MapContext, MappedMessage } from '../../src/mapping/message/draft.ts';
import { openMaps } from '../../src/mapping/maps.ts';
import { mapMessage } from '../../src/mapping/run.ts';

export const mappings = join(import.meta.dirname, '..', '..', 'mappings');
export const maps = openMaps(mappings);

export const context: MapContext = { endpoint: 'test', owner: 'Organization/x', zone: '+08:00' };

/** Elements are read as what the test expects them to be. */
type Resource = AnyResource & { id: string };

export interface Given {
  readonly type?: string;
  readonly zone?: string | null;
  readonly owner?: string;
  readonly endpoint?: string;
  readonly controlId?: string;
  readonly header?: string;
  /** False: no PID is added. */
  readonly hasPatient?: boolean;
}

const patient = 'PID|1||P1^^^HOSPA^MR||Lin^Mei';

/** A segment with these fields, by the numbers that HL7 prints: `segment('FT1', { 2: 'T9', 6: 'CG' })`. */
export function segment(name: string, fields: Readonly<Record<number, string>>): string {
  const last = Math.max(...Object.keys(fields).map(Number));
  return [name, ...Array.from({ length: last }, (_, index) => fields[index + 1] ?? '')].join('|');
}

/** Maps a message of these segments; MSH and, when none is named, a plain PID are added. */
export function map(segments: readonly string[], given: Given = {}): MappedMessage {
  const { type = 'ADT^A01', controlId = 'M1', endpoint = 'test' } = given;
  const header = given.header ?? `MSH|^~\\&|APP|HOSPA|HUB|HUB|20240506103015||${type}|${controlId}|P|2.5.1`;
  const rest =
    given.hasPatient === false || segments.some((segment) => segment.startsWith('PID'))
      ? segments
      : [patient, ...segments];
  const zone = given.zone === null ? undefined : (given.zone ?? context.zone);
  const owner = given.owner ?? context.owner;
  return mapMessage(maps.forEndpoint(endpoint), parseMessage([header, ...rest].join('\r')), { endpoint, owner, zone });
}

export function fixture(name: string): MappedMessage {
  const text = readFileSync(join(import.meta.dirname, '..', 'fixtures', 'hl7v2', name), 'utf8');
  return mapMessage(maps.forEndpoint('test'), parseMessage(text), context);
}

export function drafts(mapped: MappedMessage, type: string): Draft[] {
  return mapped.drafts.filter((draft) => draft.resource.resourceType === type);
}

/** The first resource of a type, as its JSON says it: raw numbers are text there, so `5.60` can be told from `5.6`. */
export function resource(mapped: MappedMessage, type: string): Resource {
  const [draft] = drafts(mapped, type);
  if (draft === undefined) throw new Error(`no ${type} in the message`);
  return draft.resource;
}

/** Maps one result with these fields from OBX-2 on. */
export function observation(fields: string, order = 'OBR|1||F1|1^Panel^L'): Resource {
  return resource(map([order, `OBX|1|${fields}`], { type: 'ORU^R01' }), 'Observation');
}

export function json(value: unknown): string {
  return JSON.stringify(value);
}

export { toBundle };
