/**
 * `_elements` and `_summary`: parts of a resource, marked as incomplete.
 *
 * @see https://hl7.org/fhir/R4/search.html#summary
 * @see https://hl7.org/fhir/R4/search.html#elements
 */
import { propertiesOf } from '../fhir/definitions.ts';
import { parseJson } from '../fhir/json.ts';
import { parsePartsOfRead, type SearchRequest } from '../fhir/search.ts';
import type { AnyResource } from '../fhir/types.ts';

const subsetted = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/** Kept whatever is asked for: what names the resource, and modifier elements, which change the meaning of what is left. */
const always = new Set([
  'resourceType',
  'id',
  'meta',
  'implicitRules',
  'modifierExtension',
  'status',
  'active',
  'deceased',
]);

type Parts = Pick<SearchRequest, 'summary' | 'elements'>;

const whole: Parts = {};

/**
 * R4 http.html#parameters: `_summary` and `_elements` are of every interaction that answers with resources.
 * @throws Problem value
 */
export function partsOf(query: string): Parts {
  if (!query.includes('_summary') && !query.includes('_elements')) return whole;
  return parsePartsOfRead(new Map(new URLSearchParams(query)));
}

/** The body as it is, unless the request asks for a part of it. */
export function subsetOf({ summary, elements }: Parts, body: string): string {
  if (elements === undefined && (summary === undefined || summary === 'false' || summary === 'count')) return body;
  const resource = parseJson(body) as AnyResource;
  const properties = propertiesOf(resource.resourceType);
  const isKept = (name: string): boolean => {
    const property = properties?.get(name);
    if (always.has(name) || (property?.element.min ?? 0) > 0) return true;
    if (elements !== undefined)
      return elements.some((wanted) => name === wanted || property?.elementName === `${wanted}[x]`);
    if (summary === 'text') return name === 'text';
    return summary === 'data' ? name !== 'text' : property?.element.isSummary === true;
  };
  // `_birthDate` carries the extensions of `birthDate`.
  const part = Object.fromEntries(Object.entries(resource).filter(([name]) => isKept(name.replace(/^_/, ''))));
  return JSON.stringify({ ...part, meta: { ...resource.meta, tag: [...(resource.meta?.tag ?? []), subsetted] } });
}
