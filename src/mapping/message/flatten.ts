/** A resource as a list of its values, each with its path: what explanations and comparisons speak of. */
import { isRawNumber } from '../../fhir/json.ts';

/** Path below the resource (`name[0].family`) -> value: a text, number or boolean. */
export type Flat = ReadonlyMap<string, unknown>;

export function flatten(value: unknown): Flat {
  const found = new Map<string, unknown>();
  addValues(value, '', found);
  return found;
}

function addValues(value: unknown, path: string, found: Map<string, unknown>): void {
  if (Array.isArray(value)) value.forEach((item, index) => addValues(item, `${path}[${index}]`, found));
  // A number that keeps its digits is an object to JavaScript (fhir/json.ts).
  else if (typeof value === 'object' && value !== null && !isRawNumber(value)) {
    for (const [name, item] of Object.entries(value)) addValues(item, path === '' ? name : `${path}.${name}`, found);
  } else if (value !== undefined && value !== null) found.set(path, value);
}

/** As text, for people and for comparing: `5.60` is not `5.6`. */
export function valueText(value: unknown): string {
  return JSON.stringify(value);
}
