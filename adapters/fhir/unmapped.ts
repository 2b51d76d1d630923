/**
 * What R4 has no element for: kept beside the resource as text, and counted on the endpoint's work list, as a field of HL7v2 is that no
 * rule took.
 */
import { copyJson } from '../../src/fhir/json.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { MappedMessage } from '../../src/ingest/contract.ts';

/** One for each element: its path, and its JSON as it came. */
export const fhirUnmappedUrl = 'https://health-record-hub.example/fhir/StructureDefinition/fhir-unmapped';

export type Unmapped = MappedMessage['unmapped'][number];

/** Adds the extension, in place. @param path `name[0].nickname`, below the resource */
export function keepUnmapped(resource: AnyResource, path: string, value: unknown): Unmapped {
  const kept = Array.isArray(resource['extension']) ? (resource['extension'] as unknown[]) : [];
  resource['extension'] = [
    ...kept,
    {
      url: fhirUnmappedUrl,
      extension: [
        { url: 'path', valueString: path },
        { url: 'value', valueString: JSON.stringify(value) },
      ],
    },
  ];
  return { kind: 'field', position: `${resource.resourceType}.${path.replaceAll(/\[\d+\]/g, '')}` };
}

/**
 * Takes an element out, in place.
 * @param path as a finding of validation names it: `.name[0].nickname`
 * @returns a copy of its value; undefined when there is none at that path
 */
export function takeOut(resource: AnyResource, path: string): unknown {
  const steps = [...path.matchAll(/\.([A-Za-z_][\w-]*)|\[(\d+)\]/g)].map(([, name, at]) => name ?? Number(at));
  const last = steps.pop();
  let holder: unknown = resource;
  for (const step of steps) holder = (holder as Record<string | number, unknown> | undefined)?.[step];
  if (typeof holder !== 'object' || holder === null || last === undefined || !Object.hasOwn(holder, last)) {
    return undefined;
  }
  const object = holder as Record<string | number, unknown>;
  const value = copyJson(object[last]);
  delete object[last];
  return value;
}
