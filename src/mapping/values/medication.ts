/** Medication, amounts and money: elements that are made of parts of a field. */
import { hubExtension } from './extensions.ts';
import type { Node } from '../message/nesting.ts';
import { numeric } from './number.ts';
import { unitOf } from './observation.ts';
import type { Part } from '../message/part.ts';
import { location } from './parties.ts';
import type { Element, Reference, Run } from '../message/state.ts';

/** CWE as the unit of an amount that stands in another field: what to show, and its code where it is UCUM. */
export function unitText(part: Part, run: Run): string | undefined {
  return unitOf(part, run).unit;
}

export function unitSystem(part: Part, run: Run): string | undefined {
  return unitOf(part, run).system;
}

export function unitCode(part: Part, run: Run): string | undefined {
  return unitOf(part, run).code;
}

/** CWE where FHIR has only a text. */
export function conceptText(part: Part): string | undefined {
  const text = part.peek(2) || part.peek(1);
  if (text === '' || text === '""') return undefined;
  part.take(part.peek(2) === '' ? 1 : 2);
  return text;
}

/** HL70167: what was dispensed, in place of what was prescribed. */
export function wasSubstituted(text: string): boolean | undefined {
  if (text === '') return undefined;
  return text !== 'N' && text !== '0';
}

/** LA2: where a dose was given: a point of care as PL has it, or a facility alone (LA2.4). @see LA2[Location] */
export function administrationLocation(part: Part, run: Run): Reference | undefined {
  const facility = part.child(4);
  if (part.peek(1) !== '' || part.peek(2) !== '' || part.peek(3) !== '') return location(part, run);
  const name = facility.peek(1);
  if (name === '') return undefined;
  facility.takeAll();
  const street = part.peek(9);
  if (street !== '') part.take(9);
  const [city, state, postalCode] = [part.get(11), part.get(12), part.get(13)];
  const address: Element = {
    ...(street === '' ? undefined : { line: [street] }),
    ...(city === '' ? undefined : { city }),
    ...(state === '' ? undefined : { state }),
    ...(postalCode === '' ? undefined : { postalCode }),
  };
  const draft = run.share('Location', ['facility', name], {
    identifier: [{ value: name }],
    name,
    ...(Object.keys(address).length === 0 ? undefined : { address }),
  });
  return { reference: draft.reference, display: name };
}

/** CP, MO: an amount with its currency (ISO 4217). @see HL7 v2.5.1 sections 2.A.14 and 2.A.41 */
export function amount(part: Part): Element | undefined {
  const price = part.child(1);
  const value = numeric(price.peek(1));
  if (value === undefined) return undefined;
  price.take(1);
  const nested = price.peek(2);
  const beside = part.peek(2);
  const currency = /^[A-Z]{3}$/.test(nested) ? nested : /^[A-Z]{3}$/.test(beside) ? beside : undefined;
  if (currency !== undefined) (currency === nested ? price : part).take(2);
  // HL70205 (CP.2): what kind of price it is, for which Money has no element.
  const kind = currency !== undefined && currency === beside ? '' : part.get(2);
  const extension = kind === '' ? undefined : [{ url: hubExtension('price-type'), valueCode: kind.trim() }];
  return { ...(extension && { extension }), value, ...(currency !== undefined && { currency }) };
}

/** A code that R4 requires and nobody sent; only when no other rule gave any of it. */
export function codeAbsent(_node: Node): Element {
  return { extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }] };
}

/** unsignedInt: how many are left. */
export function unsignedInt(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** Where a prescription has the least and the most of a dose, and the unit of both. */
const doseFields: Readonly<Record<string, readonly [least: number, most: number, unit: number]>> = {
  RXO: [2, 3, 4],
  RXE: [3, 4, 5],
  RXG: [5, 6, 7],
};

/**
 * A dose: a range where least and most are said, and a quantity where there is one number.
 * @see HL7 v2-to-FHIR, RXO[MedicationRequest] RXO-2 to RXO-4
 */
export function dose(node: Node, run: Run): Element | undefined {
  const { reader } = node;
  const fields = doseFields[node.name];
  if (fields === undefined) return undefined;
  const [least, most] = [reader.parts(fields[0])[0], reader.parts(fields[1])[0]];
  const [low, high] = [least, most].map((part) => part && numeric(part.peek(1)));
  const single = low ?? high;
  if (single === undefined) return undefined;
  const [unitPart] = reader.parts(fields[2]);
  const unit = unitPart === undefined || unitPart.value.isNull ? undefined : unitOf(unitPart, run);
  const isRange = low !== undefined && high !== undefined && Number(least?.peek(1)) < Number(most?.peek(1));
  if (low !== undefined) least?.take(1);
  // rng-2: what is no range (most below least) stays beside; most that is least says nothing more.
  if (isRange || low === undefined || Number(least?.peek(1)) === Number(most?.peek(1))) most?.take(1);
  if (!isRange) return { doseQuantity: { value: single, ...unit } };
  return { doseRange: { low: { value: low, ...unit }, high: { value: high, ...unit } } };
}
