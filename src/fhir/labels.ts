/**
 * Security labels that need a consent rule naming them, as bits: the store keeps their union over versions and contained
 * resources, consent rules carry the bits they open. Fails closed: an ActCode label without a bit of its own is `other`.
 *
 * @see https://terminology.hl7.org/ValueSet-v3-InformationSensitivityPolicy.html
 * @see https://hl7.org/fhir/R4/security-labels.html
 */
import type { AnyResource } from './types.ts';

export const actCodeSystem = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
export const confidentialitySystem = 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality';

/** The position is the bit and is stored: append-only. At most 30, so that a signed 32-bit integer holds them and `other`. */
const sensitivities = (
  'ETH ETHUD OPIOIDUD SUD GDIS HIV MST PREGNANT SCA SDV SEX SPI BH COGN DVD EMOTDIS MH PSY PSYTHPN STD TBOO VIO ' +
  'DRGIS'
).split(' ');
const restrictions = ['R', 'V'];
/** An ActCode label that has no bit of its own. */
export const otherLabel = 1 << 30;

const bits = new Map<string, number>([
  ...sensitivities.map((code, index): [string, number] => [`${actCodeSystem}|${code}`, 1 << index]),
  ...restrictions.map((code, index): [string, number] => [`${confidentialitySystem}|${code}`, 1 << (28 + index)]),
]);

/** The bit of one label; 0 for a label that restricts nothing (purposes, obligations of other systems, normal confidentiality). */
export function labelBit(coding: { system?: unknown; code?: unknown }): number {
  const bit = bits.get(`${String(coding.system)}|${String(coding.code)}`);
  return bit ?? (coding.system === actCodeSystem ? otherLabel : 0);
}

/** Labels of the resource and of everything contained in it. */
export function labelBits(resource: AnyResource): number {
  let union = 0;
  const security = resource.meta?.security;
  if (Array.isArray(security)) for (const coding of security) union |= labelBit(coding as object);
  const contained = resource['contained'];
  if (Array.isArray(contained)) for (const inner of contained) union |= labelBits(inner as AnyResource);
  return union;
}
