/** Names, addresses and telephone numbers, where a table of components does not suffice. */
import { lookUp } from './concepts.ts';
import type { Extension } from './extensions.ts';
import { Extended, hubExtension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Part } from '../message/part.ts';
import type { Element, Run } from '../message/state.ts';

const structure = 'http://hl7.org/fhir/StructureDefinition';

/** FN as family name, with the parts of it that some languages tell apart. @see HL7 v2-to-FHIR, FN[HumanName] */
const familyParts = [
  [2, `${structure}/humanname-own-prefix`],
  [3, `${structure}/humanname-own-name`],
  [4, `${structure}/humanname-partner-prefix`],
  [5, `${structure}/humanname-partner-name`],
] as const;

export function familyName(part: Part): string | Extended | undefined {
  const family = part.get(1);
  const extension: Extension[] = [];
  if (part.count > 1) {
    for (const [index, url] of familyParts) {
      const text = part.get(index);
      if (text !== '') extension.push({ url, valueString: text });
    }
  }
  if (extension.length > 0) return new Extended(family === '' ? undefined : family, extension);
  return family === '' || family === '""' ? undefined : family;
}

/** SAD: street, street name, dwelling number, each a line. @see HL7 v2-to-FHIR, SAD[Address] */
export function addressLines(part: Part): string[] | undefined {
  const lines: string[] = [];
  for (let index = 1; index <= Math.min(part.count, 3); index++) {
    const line = part.get(index);
    if (line !== '' && line !== '""') lines.push(line);
  }
  return lines.length === 0 ? undefined : lines;
}

const numberParts = [
  [5, `${structure}/contactpoint-country`],
  [6, `${structure}/contactpoint-area`],
  [7, `${structure}/contactpoint-local`],
  [8, `${structure}/contactpoint-extension`],
] as const;

/** What says more of a number or address than R4 has elements for. */
const besideNumber = [
  [9, 'telecom-text'],
  [1, 'telephone-number'],
  [2, 'telecom-use-code'],
  [3, 'telecom-equipment'],
  [4, 'telecom-address'],
  [11, 'telecom-speed-dial'],
  [15, 'telecom-expiration-reason'],
  [16, 'telecom-protection'],
  [17, 'telecom-shared-id'],
] as const;

const periodParts = [
  [13, 'start'],
  [14, 'end'],
] as const;

/** XTN as ContactPoint. @see HL7 v2-to-FHIR, XTN[ContactPoint] */
export function telecom(part: Part, run: Run, { position }: RuleInfo): Element | undefined {
  const equipment = part.peek(3);
  const found = valueOf(part, equipment === 'Internet' || equipment === 'X.400');
  if (found === undefined) return undefined;
  for (const index of found.taken) part.take(index);
  const element: Element = { system: systemOf(part, found.text, position, run), value: found.text };
  const use = useOf(part, equipment, position, run);
  if (use !== undefined) element['use'] = use;
  const extension: Extension[] = [];
  // Most senders give the number alone: the later components are not asked for one by one.
  const { count } = part;
  for (const [index, url] of numberParts) {
    if (index > count) break;
    const text = part.get(index);
    if (text !== '') extension.push({ url, valueString: text });
  }
  for (const [index, name] of besideNumber) {
    if (index > count || part.isTakenAt(index)) continue;
    const text = part.get(index);
    if (text !== '' && text !== '""') extension.push({ url: hubExtension(name), valueString: text });
  }
  const period: Element = {};
  for (const [index, end] of periodParts) {
    if (index > count) break;
    const time = run.dateTime(part.peek(index));
    if (typeof time !== 'string') continue;
    part.take(index);
    period[end] = time;
  }
  if (period['start'] !== undefined || period['end'] !== undefined) element['period'] = period;
  if (extension.length > 0) element['extension'] = extension;
  const rank = count < 18 ? '' : part.peek(18);
  if (/^[1-9]\d{0,4}$/.test(rank)) element['rank'] = Number(part.get(18));
  return element;
}

/** The number or address, and the components that it is made of. */
function valueOf(part: Part, isAddress: boolean): { text: string; taken: readonly number[] } | undefined {
  if (isAddress && part.peek(4) !== '') return { text: part.peek(4), taken: [4] };
  if (part.peek(12) !== '' && !isAddress) return { text: part.peek(12), taken: [12] };
  const [country, area, local, extension] = [part.peek(5), part.peek(6), part.peek(7), part.peek(8)];
  if (local !== '' && !isAddress) {
    const number = [country === '' ? '' : `+${country}`, area, local, extension === '' ? '' : `X${extension}`];
    return { text: number.filter((text) => text !== '').join(' '), taken: [5, 6, 7, 8] };
  }
  for (const index of [1, 4]) {
    const text = part.peek(index).trim();
    if (text !== '' && text !== '""') return { text, taken: [index] };
  }
  return undefined;
}

function systemOf(part: Part, text: string, position: string, run: Run): string {
  const equipment = part.peek(3);
  const vocabulary = run.map.vocabularies.get('telecom-system');
  if (equipment !== '' && vocabulary !== undefined) {
    const system = lookUp(equipment, vocabulary, `${position}.3`, run);
    if (system !== undefined) part.take(3);
    return system ?? 'other';
  }
  // XTN.1 is "telephone number" by definition; senders without XTN.3 put addresses there as well.
  return part.peek(2) === 'NET' || text.includes('@') ? 'email' : 'phone';
}

function useOf(part: Part, equipment: string, position: string, run: Run): string | undefined {
  // HL70202 CP: a cellular phone is a phone whose use is mobile.
  if (equipment === 'CP') return 'mobile';
  const code = part.peek(2);
  const vocabulary = run.map.vocabularies.get('telecom-use');
  if (code === '' || code === 'NET' || vocabulary === undefined) return undefined;
  const use = lookUp(code, vocabulary, `${position}.2`, run);
  if (use !== undefined) part.take(2);
  return use;
}
