/**
 * Facts that must not be lost even once: identifiers of patients, results with what qualifies them, notes, documents.
 * A fact is kept when one resource says all of it; it is typed when it does so outside the hub's own extensions.
 */
import { isRawNumber } from '../../src/fhir/json.ts';
import type { AnyResource } from '../../src/fhir/types.ts';
import type { Hl7Message, Hl7Segment, Hl7Value } from '../../src/mapping/message.ts';
import { withoutOwnExtensions } from './account.ts';
import { entriesOf } from './faults.ts';
import { BundleText, keptAs, leavesOfField, leavesOfValue, type Leaf, type Translations } from './kept.ts';

export const factKinds = [
  'PID-3 repetitions',
  'OBX values with unit, range, flag and status',
  'NTE',
  'embedded documents, byte for byte',
] as const;
export type FactKind = (typeof factKinds)[number];

export interface Fact {
  readonly kind: FactKind;
  readonly position: string;
  readonly isKept: boolean;
  readonly isTyped: boolean;
}

export function* factsOf(message: Hl7Message, bundle: AnyResource, translations: Translations): Generator<Fact> {
  const resources = entriesOf(bundle).flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
  const whole = resources.map((resource) => new BundleText(resource));
  const typed = resources.map((resource) => new BundleText(withoutOwnExtensions(resource)));
  const attachments = [...dataOf(bundle)];
  const fact = (kind: FactKind, { name, position }: Hl7Segment, leaves: readonly Leaf[]): Fact => ({
    kind,
    position: `${name}[${position}]`,
    isKept: isSaidByOne(leaves, whole, translations),
    isTyped: isSaidByOne(leaves, typed, translations),
  });
  for (const segment of message.segments) {
    if (segment.name === 'PID') {
      for (const id of segment.field(3)) {
        const leaves = [...leavesOfValue(id, 'PID', 3)].filter(({ position }) => idParts.has(position));
        if (leaves.length > 0) yield fact('PID-3 repetitions', segment, leaves);
      }
    } else if (segment.name === 'NTE') {
      for (const text of segment.field(3)) {
        const leaves = [...leavesOfValue(text, 'NTE', 3)];
        if (leaves.length > 0) yield fact('NTE', segment, leaves);
      }
    } else if (segment.name === 'OBX') {
      const documents = segment.field(5).flatMap((value) => documentOf(value) ?? []);
      for (const bytes of documents) {
        const isKept = attachments.some((data) => data.includes(bytes));
        yield {
          kind: 'embedded documents, byte for byte',
          position: `OBX[${segment.position}]`,
          isKept,
          isTyped: isKept,
        };
      }
      const value = documents.length > 0 ? [] : [...leavesOfField(segment, 5)];
      const qualifiers = value.length > 0 ? [6, 7, 8, 11].flatMap((field) => [...leavesOfField(segment, field)]) : [];
      if (value.length > 0) yield fact(factKinds[1], segment, [...value, ...qualifiers]);
    }
  }
}

/** What names a patient: number, authority, type. */
const idParts = new Set(['PID-3.1', 'PID-3.4', 'PID-3.5']);

function isSaidByOne(leaves: readonly Leaf[], resources: readonly BundleText[], translations: Translations): boolean {
  return resources.some((resource) => leaves.every((leaf) => keptAs(leaf, resource, translations) !== undefined));
}

/** The bytes of an ED value (HL7 v2.5.1 section 2.A.24); undefined for any other value, and for a text that is cut off. */
function documentOf(value: Hl7Value): Buffer | undefined {
  const [encoding, data] = [value.get(4).toLowerCase(), value.get(5)];
  if (data === '' || value.componentCount > 5) return undefined;
  if (encoding === 'base64') {
    const bytes = Buffer.from(data, 'base64');
    return bytes.toString('base64').replace(/=+$/, '') === data.replace(/\s+|=+$/g, '') ? bytes : undefined;
  }
  if (encoding === 'hex') return Buffer.from(data.replace(/\s+/g, ''), 'hex');
  return encoding === 'a' ? Buffer.from(data, 'utf8') : undefined;
}

/** Everything that a Bundle carries as bytes. */
function* dataOf(value: unknown): Generator<Buffer> {
  if (typeof value !== 'object' || value === null || isRawNumber(value)) return;
  for (const [name, held] of Object.entries(value)) {
    if (name === 'data' && typeof held === 'string') yield Buffer.from(held, 'base64');
    else yield* dataOf(held);
  }
}
