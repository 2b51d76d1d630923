/** @see https://hl7.org/fhir/R4/json.html#primitive "Objects [and arrays] are never empty" */
import { isRawNumber } from './json.ts';

/**
 * Takes away, in place, what a deletion left empty: objects and arrays without content, and the elements that held nothing else.
 * `null` stays: in an array of primitives it keeps the place of an item that has only an extension.
 * @returns whether anything is left
 */
export function prune(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return true;
  if (Array.isArray(value)) {
    let kept = 0;
    for (const item of value as unknown[]) if (prune(item)) value[kept++] = item;
    value.length = kept;
    return value.some((item) => item !== null);
  }
  const object = value as Record<string, unknown>;
  for (const name of Object.keys(object)) if (!prune(object[name])) delete object[name];
  return Object.keys(object).length > 0;
}
