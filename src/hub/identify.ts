/** Whom a message that could not be converted is about, as far as that can be read from it: so that it is found all the same. */
import type { Endpoint } from '../ingest/contract.ts';
import type { Hl7Message } from '../mapping/message.ts';
import { readText } from './conversion.ts';

/** PID-2, PID-3, PID-4, PID-18 and PID-19 of HL7 v2.5.1: identifiers, account number, national number. */
const identifyingFields = [2, 3, 4, 18, 19];

/** @returns none when nothing can be read */
export function identifyPatient(raw: Buffer, endpoint: Endpoint): readonly string[] {
  try {
    return endpoint.kind.startsWith('hl7v2-') ? fromSegments(readText(raw, endpoint)) : fromResource(raw);
  } catch {
    return [];
  }
}

function fromSegments(message: Hl7Message): string[] {
  const pid = message.first('PID');
  const values = identifyingFields.flatMap((number) => pid?.field(number).map((value) => value.get(1)) ?? []);
  return [...new Set(values.filter((value) => value !== ''))];
}

function fromResource(raw: Buffer): string[] {
  const resource = JSON.parse(raw.toString('utf8')) as { resourceType?: unknown; identifier?: unknown };
  if (resource.resourceType !== 'Patient' || !Array.isArray(resource.identifier)) return [];
  return resource.identifier.flatMap(({ value }: { value?: unknown }) => (typeof value === 'string' ? [value] : []));
}
