/** Bytes as they came -> drafts, by the kind of their endpoint: of HL7v2 the parser and the compiled maps joined. Pure after opening: the same bytes give the same drafts. */
import { join } from 'node:path';
import { convertDevice } from '../../adapters/device/convert.ts';
import { convertResource } from '../../adapters/fhir/convert.ts';
import { readMessage } from '../../adapters/hl7v2/read.ts';
import { checkStructure, type StructureIssue } from '../../adapters/hl7v2/structure.ts';
import type { EndpointKind } from '../ingest/contract.ts';
import type { MapContext, MappedMessage } from '../mapping/message/draft.ts';
import { compileLibrary, type Maps } from '../mapping/maps.ts';
import type { Hl7Message } from '../mapping/message.ts';
import { mapMessage } from '../mapping/run.ts';
import { readLibrary } from './map-cache.ts';

export { isBatch, splitMessages } from '../../adapters/hl7v2/batch.ts';

/** What of a message is not as the standard of its version prints it; never a reason to refuse it. */
export async function reportStructure(bytes: Uint8Array, charset?: string): Promise<StructureIssue[]> {
  return checkStructure(readMessage(bytes, charset).message);
}

/** What conversion must know of the endpoint a message came through. */
export interface ConversionSource {
  readonly name: string;
  /** Absent: HL7v2. */
  readonly kind?: EndpointKind;
  /** `Organization/x`. */
  readonly organization: string;
  readonly charset?: string;
  readonly zone?: string;
  /** Settings of its kind. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** @throws Problem for content that cannot become resources */
export type Convert = (bytes: Uint8Array, source: ConversionSource) => MappedMessage;

/** A message that came through no endpoint: nobody owns what it becomes, and nothing of it is stored. */
export const noSource: ConversionSource = { name: 'none', organization: 'Organization/none' };

/** The shipped tables. @throws Problem invalid naming file and line */
export function openShippedMaps(): Maps {
  return compileLibrary(readLibrary(join(import.meta.dirname, '..', '..', 'mappings')));
}

/** @param maps asked for each message: what was assigned to an endpoint meanwhile is in force from the next one on */
export function openConversion(maps: Maps = openShippedMaps()): Convert {
  return (bytes, source) => {
    switch (source.kind) {
      case 'fhir-rest':
      case 'fhir-bulk':
      case 'fhir-push':
        return convertResource(bytes, { ...source, config: source.config ?? {} });
      case 'device-http':
        return convertDevice(bytes, source);
      default:
        return mapMessage(maps.forEndpoint(source.name), readText(bytes, source), contextOf(source));
    }
  };
}

export function readText(bytes: Uint8Array, { charset }: ConversionSource): Hl7Message {
  return readMessage(bytes, charset).message;
}

export function contextOf({ name, organization, zone }: ConversionSource): MapContext {
  return { endpoint: name, owner: organization, zone };
}
