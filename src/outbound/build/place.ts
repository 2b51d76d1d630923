/** Locations as PL. @see https://www.hl7.eu/HL7v2x/v251/std251/ch02a.html PL */
import type { Location } from '@medplum/fhirtypes';
import type { Component, Value } from './segment.ts';

/** The component of PL for each physical type of R4. */
const levels: Readonly<Record<string, number>> = { wa: 1, ro: 2, bd: 3, si: 4, bu: 7, lvl: 8 };
/** A place of no known level is where care is given. */
const pointOfCare = 1;
const size = 9;

/** @param locations a place and what it is part of, from the narrowest */
export function pl(locations: readonly Location[]): Value {
  const components: Component[] = Array.from({ length: size }, () => '');
  for (const location of locations) {
    const type = location.physicalType?.coding?.find(({ code }) => code !== undefined && code in levels)?.code;
    const at = levels[type ?? ''] ?? pointOfCare;
    if (components[at - 1] === '') components[at - 1] = nameOf(location);
  }
  const [narrowest] = locations;
  components[size - 1] = narrowest?.description ?? '';
  return components;
}

function nameOf({ identifier, name, id }: Location): string {
  return identifier?.[0]?.value ?? name ?? id ?? '';
}
