/** Problems, allergies, roles and master files: what their segments say in ways of their own. */
import { toConcept } from './concepts.ts';
import { hubExtension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Part } from '../message/part.ts';
import type { Element, Run } from '../message/state.ts';

const terminology = 'http://terminology.hl7.org/CodeSystem';

function coded(system: string, code: string): Element {
  return { coding: [{ system: `${terminology}/${system}`, code }] };
}

/** HL70438, IAM-17: an allergy that was found wrong, or is no more. */
export function allergyStatus(text: string): Element | undefined {
  if (text === 'I') return coded('allergyintolerance-clinical', 'inactive');
  // ait-1: one that was entered in error has no clinical status.
  return text === 'E' ? undefined : coded('allergyintolerance-clinical', 'active');
}

export function allergyVerification(text: string): Element | undefined {
  const codes: Readonly<Record<string, string>> = {
    U: 'unconfirmed',
    P: 'unconfirmed',
    S: 'unconfirmed',
    C: 'confirmed',
    D: 'refuted',
    E: 'entered-in-error',
  };
  const code = Object.hasOwn(codes, text) ? codes[text] : undefined;
  return code === undefined ? undefined : coded('allergyintolerance-verification', code);
}

/** A number alone, of whatever data type, as Identifier; its words and system stand beside. */
export function valueIdentifier(part: Part): Element | undefined {
  const value = part.peek(1).trim();
  if (value === '' || value === '""') return undefined;
  part.take(1);
  const words = part.get(2);
  return words === '' ? { value } : { value, assigner: { display: words } };
}

/** HL70183, STF-7. */
export function activeFlag(text: string): boolean | undefined {
  if (text === 'A' || text === 'Y') return true;
  return text === 'I' || text === 'N' ? false : undefined;
}

export function emailAddress(text: string): Element | undefined {
  return text.trim() === '' ? undefined : { system: 'email', value: text.trim() };
}

/** PID-10 and PID-22 with codes of the United States' systems, else as the sender's own coding (a people of China, GB 3304). */
const census = new Set(['urn:oid:2.16.840.1.113883.6.238', 'http://terminology.hl7.org/CodeSystem/v3-Race']);
const oldCensus = new Set(['CDCREC', 'HL70005', 'HL70189', '2.16.840.1.113883.6.238']);

export function race(part: Part, run: Run, info: RuleInfo): Element | undefined {
  return populationGroup(part, run, info, 'us-core-race', 'race');
}

export function ethnicity(part: Part, run: Run, info: RuleInfo): Element | undefined {
  return populationGroup(part, run, info, 'us-core-ethnicity', 'ethnic-group');
}

/** @see http://hl7.org/fhir/us/core/StructureDefinition-us-core-race.html */
function populationGroup(part: Part, run: Run, info: RuleInfo, core: string, own: string): Element | undefined {
  const system = part.peek(3);
  const code = part.peek(1);
  const concept = toConcept(part, run, info);
  if (concept === undefined) return undefined;
  const isCensus = oldCensus.has(system) || census.has(system);
  if (!isCensus || !/^\d{4}-\d$/.test(code)) return { url: hubExtension(own), valueCodeableConcept: concept };
  const [valueCoding] = concept.coding ?? [];
  const text = valueCoding?.display ?? concept.text ?? code;
  const others = (concept.coding ?? []).slice(1).map((coding) => ({ url: 'detailed', valueCoding: coding }));
  return {
    url: `http://hl7.org/fhir/us/core/StructureDefinition/${core}`,
    extension: [{ url: 'ombCategory', valueCoding }, ...others, { url: 'text', valueString: text }],
  };
}

/** FC: the class, without the date from which it holds. @see HL7 v2.5.1 section 2.A.28 */
export function financialClass(part: Part, run: Run, info: RuleInfo): Element | undefined {
  return toConcept(part.child(1), run, info) as Element | undefined;
}

/** JCC: job code and class. */
export function jobCode(part: Part): Element | undefined {
  const [code, job] = [part.get(1), part.get(2)];
  const coding = [code, job].filter((text) => text !== '').map((text) => ({ code: text }));
  const text = part.get(3);
  if (coding.length === 0 && text === '') return undefined;
  return { ...(coding.length === 0 ? undefined : { coding }), ...(text === '' ? undefined : { text }) };
}

/** The whole field as one text, whatever it is made of. */
export function wholeText(part: Part): string | undefined {
  const text = part
    .peekAll()
    .replaceAll(/[\^&]+/g, ' ')
    .trim();
  if (text === '') return undefined;
  part.takeAll();
  return text;
}
