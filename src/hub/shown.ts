/** What a stored message holds, as a person reads it: text, fields by their positions, and what it becomes under the map in force. */
import { decodeMessage } from '../../adapters/hl7v2/charset.ts';
import type { ShownContent } from '../api/ops-messages.ts';
import { Problem } from '../fhir/problem.ts';
import type { Endpoint } from '../ingest/contract.ts';
import type { Registry } from '../ingest/endpoint.ts';
import type { MessageContent } from '../ingest/message.ts';
import { patientsOf } from '../ingest/marks.ts';
import { toBundle } from '../mapping/bundle.ts';
import type { Maps } from '../mapping/maps.ts';
import type { Hl7Message } from '../mapping/message.ts';
import { openConversion, readText } from './conversion.ts';

/** Of one message; a longer one is read in its text. */
const segmentsMax = 2_000;

/** @param maps as they are in force */
export function openShow(endpoints: Registry, maps: () => Promise<Maps>) {
  return async (content: MessageContent): Promise<ShownContent> => {
    if (endpoints.byName(content.source) === undefined) await endpoints.refresh();
    const endpoint = endpoints.byName(content.source);
    if (endpoint === undefined) throw new Problem('transient', 'the endpoint is not known here yet');
    return { ...read(content.raw, endpoint), ...convert(content, endpoint, await maps()) };
  };
}

function read(raw: Buffer, endpoint: Endpoint): Pick<ShownContent, 'text' | 'segments'> {
  if (!endpoint.kind.startsWith('hl7v2-')) return { text: raw.toString('utf8') };
  try {
    const { text } = decodeMessage(raw, endpoint.charset);
    return { text, segments: segmentsOf(readText(raw, endpoint)) };
  } catch {
    // Why it cannot be read is said by the conversion; here it is shown as far as it goes.
    return { text: raw.toString('latin1') };
  }
}

function segmentsOf(message: Hl7Message): ShownContent['segments'] {
  return message.segments.slice(0, segmentsMax).map((segment) => {
    const fields: Record<string, string> = {};
    for (let number = 1; number <= segment.fieldCount; number++) {
      const text = segment
        .field(number)
        .map(({ raw }) => raw)
        .join('~');
      if (text !== '') fields[`${segment.name}-${number}`] = text;
    }
    return { name: segment.name, fields };
  });
}

function convert(
  { raw, patients }: MessageContent,
  endpoint: Endpoint,
  maps: Maps,
): Pick<ShownContent, 'bundle' | 'mapVersion' | 'problem' | 'patients'> {
  try {
    const mapped = openConversion(maps)(raw, endpoint);
    const whose = [...new Set([...patients, ...patientsOf(mapped)])];
    return { bundle: toBundle(mapped), mapVersion: mapped.mapVersion, patients: whose };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const [position] = error.expression;
    const problem = { code: error.code, diagnostics: error.message, ...(position !== undefined && { position }) };
    return { problem, patients };
  }
}
