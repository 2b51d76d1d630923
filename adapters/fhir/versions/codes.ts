/** The codes that an element of R4 may have. */
import { valueSet, type Property } from '../../../src/fhir/definitions.ts';

const codesByUrl = new Map<string, ReadonlySet<string>>();

/** The codes that R4 requires here; undefined where it does not, or they cannot be listed. */
export function codesOf({ type, element }: Property): ReadonlySet<string> | undefined {
  const url = type === 'code' ? element.valueSet : undefined;
  if (url === undefined) return undefined;
  let codes = codesByUrl.get(url);
  if (codes !== undefined) return codes;
  const set = valueSet(url);
  if (set === undefined) return undefined;
  codesByUrl.set(url, (codes = new Set(Object.values(set).flat())));
  return codes;
}
