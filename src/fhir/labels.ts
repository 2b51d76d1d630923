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

/** The position is the bit and is stored: append-only. At most 27, below {@link ordinaryLabel}. */
const sensitivities = (
  'ETH ETHUD OPIOIDUD SUD GDIS HIV MST PREGNANT SCA SDV SEX SPI BH COGN DVD EMOTDIS MH PSY PSYTHPN STD TBOO VIO ' +
  'DRGIS'
).split(' ');
const restrictions = ['R', 'V'];
/** Never on a row: in a rule, that it speaks of rows without any label too. */
export const ordinaryLabel = 1 << 27;
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

/** The labels of a set that have a bit of their own, lowest first. */
export function labelCodings(labels: number): { readonly system: string; readonly code: string }[] {
  return Array.from(bits)
    .filter(([, bit]) => (labels & bit) !== 0)
    .map(([key]) => {
      const [system = '', code = ''] = key.split('|');
      return { system, code };
    });
}

/** Labels of the resource, of everything contained in it, and of the entries of a document. */
export function labelBits(resource: AnyResource): number {
  let union = 0;
  const security = resource.meta?.security;
  if (Array.isArray(security)) for (const coding of security) union |= labelBit(coding as object);
  const contained = resource['contained'];
  if (Array.isArray(contained)) for (const inner of contained) union |= labelBits(inner as AnyResource);
  if (resource.resourceType === 'Bundle') union |= labelBitsOfEntries(resource['entry']);
  return union;
}

function labelBitsOfEntries(entries: unknown): number {
  if (!Array.isArray(entries)) return 0;
  return entries.reduce((union: number, entry) => {
    const { resource } = entry as { resource?: AnyResource };
    return resource === undefined ? union : union | labelBits(resource);
  }, 0);
}
