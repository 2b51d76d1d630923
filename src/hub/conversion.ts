/** HL7v2 bytes -> drafts: the parser and the compiled maps joined. Pure after opening: the same bytes give the same drafts. */
import { join } from 'node:path';
import { readMessage } from '../../adapters/hl7v2/read.ts';
import type { MappedMessage } from '../mapping/draft.ts';
import { openMaps } from '../mapping/maps.ts';
import { mapMessage } from '../mapping/run.ts';

export { isBatch, splitMessages } from '../../adapters/hl7v2/batch.ts';

/** What conversion must know of the endpoint a message came through. */
export interface ConversionSource {
  readonly name: string;
  /** `Organization/x`. */
  readonly organization: string;
  readonly charset?: string;
  readonly zone?: string;
}

/** @throws Problem for content that cannot become resources */
export type Convert = (bytes: Uint8Array, source: ConversionSource) => MappedMessage;

/** A message that came through no endpoint: nobody owns what it becomes, and nothing of it is stored. */
export const noSource: ConversionSource = { name: 'none', organization: 'Organization/none' };

export function openConversion(): Convert {
  const maps = openMaps(join(import.meta.dirname, '..', '..', 'mappings'));
  return (bytes, { name, organization, charset, zone }) =>
    mapMessage(maps.forEndpoint(name), readMessage(bytes, charset).message, {
      endpoint: name,
      owner: organization,
      zone,
    });
}
