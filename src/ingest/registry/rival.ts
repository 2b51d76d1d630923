/** Two endpoints must not take the same messages: nobody could say whose they are. */
import type { Endpoint } from '../contract.ts';
import type { Description } from './description.ts';

export function areRivals(other: Endpoint, wanted: Description): boolean {
  return other.isEnabled && sharesFacility(other, wanted) && isSameWay(other, wanted);
}

function isSameWay(a: Description, b: Description): boolean {
  return (
    a.kind === b.kind &&
    a.port === b.port &&
    a.folder === b.folder &&
    a.certificate === b.certificate &&
    a.addresses.toSorted().join() === b.addresses.toSorted().join() &&
    // Over HTTP the caller's token names the organization.
    (a.kind !== 'hl7v2-http' || a.organization === b.organization)
  );
}

function sharesFacility(a: Description, b: Description): boolean {
  return a.facilities.some((facility) => b.facilities.includes(facility));
}
