/**
 * What identifies each resource, so that the same thing through two messages is one resource. An id is derived from the
 * sender's own identifiers within its owner; what has none is identified by its message and its place there. Never from
 * a clock, never from a value: a corrected result must meet the one it corrects.
 */
import { deriveId, idOfKey, keyPart } from '../fhir/ids.ts';
import { checkNationalId, nationalIdSystem } from '../fhir/identifiers.ts';
import { parsePosition } from './compile/condition.ts';
import type { Hl7Segment } from './message.ts';
import type { KeyText, Node } from './message/nesting.ts';
import { isBlank, type Part, type SegmentReader } from './message/part.ts';
import { location } from './values/parties.ts';
import type { Compartment, Run } from './message/state.ts';
import type { KeyPart, KeySource } from './table.ts';

/** @returns the id of the resource of this type that this segment stands for; undefined when it stands for nobody */
export type KeyFunction = (node: Node, run: Run, type: string) => string | undefined;

/** Identifier types of HL70203 in the order in which they name a patient best; then untyped, then any other. */
const patientTypes = ['MR', 'PI', 'PT', 'PN', ''];

/** @param fields where identifiers of the patient stand, the best first */
function patientKey(fields: readonly number[]): KeyFunction {
  return ({ reader }, run) => {
    for (const field of fields) {
      const key = primaryIdentifier(reader.parts(field), run);
      if (key !== undefined) return deriveId(undefined, [run.context.owner, 'Patient', ...key]);
    }
    if (!isNamed(reader)) return undefined;
    return deriveId(undefined, [...run.messageKey, 'Patient', String(reader.segment.position)]);
  };
}

/** Without a record number, a name (PID-5) or a number of the person (PID-19) says at least who is meant. */
function isNamed(reader: SegmentReader): boolean {
  if (reader.segment.name !== 'PID') return true;
  const isSaid = (part: Part, ...components: number[]): boolean =>
    !part.value.isNull && components.some((component) => part.peek(component).trim() !== '');
  return reader.parts(5).some((part) => isSaid(part, 1, 2)) || reader.parts(19).some((part) => isSaid(part, 1));
}

/** The identifier that is the patient's in the sender's system: by type, then its own authority, then by text. */
function primaryIdentifier(parts: readonly Part[], run: Run): [string, string] | undefined {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) {
    const value = only.value.isNull ? '' : only.peek(1).trim();
    return value === '' ? undefined : identifierKey(only, value, run);
  }
  let best: [string, string] | undefined;
  let bestRank = Infinity;
  for (const part of parts) {
    const value = part.peek(1).trim();
    if (value === '' || part.value.isNull) continue;
    const key = identifierKey(part, value, run);
    const rank = rankOf(part, key, run);
    if (rank < bestRank || (rank === bestRank && best !== undefined && key.join('|') < best.join('|'))) {
      [best, bestRank] = [key, rank];
    }
  }
  return best;
}

function identifierKey(part: Part, value: string, run: Run): [string, string] {
  const national = value.length === 18 ? checkNationalId(value) : undefined;
  return national === undefined ? [authorityOf(part, 4, run), value] : [nationalIdSystem, national];
}

function rankOf(part: Part, key: [string, string], run: Run): number {
  const sent = part.peek(5);
  // A sender with codes of its own says by its overlay which of them is the record's number.
  const type = run.map.vocabularies.get('identifier-type')?.entries.get(sent)?.code ?? sent;
  const rank = patientTypes.indexOf(type);
  const isForeign = key[0] !== run.facility;
  // A national id names the person; the hospital's number names its record, which is what a source patient is.
  if (key[0] === nationalIdSystem) return 100;
  return (rank < 0 ? patientTypes.length : rank) * 2 + (isForeign ? 1 : 0);
}

/** The assigning authority of an identifier (an HD): universal id, else namespace, else the sending facility. */
function authorityOf(part: Part, component: number, run: Run): string {
  const authority = part.child(component);
  return authority.peek(2) || authority.peek(1) || run.facility;
}

/** The patient a segment belongs to; undefined when the message names none. */
export function patientOf(node: Node, run: Run): Compartment | undefined {
  // Upwards: a patient is never beside what belongs to it, and every key asks for it.
  let holder: Node | undefined = node;
  while (holder !== undefined && holder.drafts[0]?.type !== 'Patient') holder = holder.parent;
  // An appointment's SCH stands before the patient it is for.
  const draft = holder?.drafts[0] ?? run.drafts.find(({ type }) => type === 'Patient');
  return draft === undefined ? undefined : run.compartmentOf(draft);
}

/** Tells a key that occurs twice in a message apart by its count there. */
function counted(run: Run, bucket: number | undefined, key: string): string {
  const first = idOfKey(bucket, key);
  if (!run.isTaken(first)) return first;
  // From the last one on: of ten thousand with one key, the last would otherwise ask for all before it.
  for (let count = run.counts.get(key) ?? 2; ; count++) {
    const next = idOfKey(bucket, key + keyPart(`#${count}`));
    if (run.isTaken(next)) continue;
    run.counts.set(key, count + 1);
    return next;
  }
}

/** For what has no identifier: the message and the place in it. */
export function byPlace(node: Node, run: Run, type: string): string {
  const patient = patientOf(node, run);
  const place = ['message', ...run.messageKey.slice(1), String(node.reader.segment.position)];
  const key = [run.context.owner, type, patient?.id ?? '', ...place].map(keyPart).join('');
  return counted(run, patient?.bucket, key);
}

/** A piece of a key, each of its texts as `keyPart` has it; undefined when the message does not have it. */
type ReadKey = (node: Node, run: Run) => string | undefined;

/**
 * A key of keys.yaml as a function.
 * @param otherwise what identifies a resource when no alternative does
 */
export function compileKey(source: KeySource, otherwise: KeyFunction = byPlace): KeyFunction {
  const alternatives = source.from.map(compileAlternative);
  const { same, within } = source;
  return (node, run, type) => {
    for (const alternative of alternatives) {
      const found = alternative(node, run);
      if (found === undefined) continue;
      const patient = within === 'patient' ? patientOf(node, run) : undefined;
      const key = run.ownerKey + keyPart(type) + (patient?.key ?? '') + found;
      return same ? idOfKey(patient?.bucket, key) : counted(run, patient?.bucket, key);
    }
    return otherwise(node, run, type);
  };
}

/** A part of an alternative. */
interface Piece {
  readonly read: ReadKey;
  /** The segments it is read in. */
  readonly segments: readonly string[];
  readonly isLiteral: boolean;
  /** What stands for it when it is missing, so that two keys never become one by a shift; undefined when it may not be. */
  readonly empty: string | undefined;
}

/** The parts as one text; undefined when a required one is missing, or all are empty. */
function compileAlternative(parts: readonly KeyPart[]): ReadKey {
  const pieces = parts.map((part) => ({
    read: compileKeyPart(part),
    segments: part.from.map((position) => parsePosition(position).segment),
    isLiteral: part.literal !== undefined,
    empty: part.optional ? emptyOf[part.as] : undefined,
  }));
  const splits = new Map<string, Split>();
  return (node, run) => {
    let split = splits.get(node.name);
    if (split === undefined) splits.set(node.name, (split = splitFor(node.name, pieces)));
    const before = sharedText(split.before, node, run);
    const own = before === undefined ? undefined : textOf(split.own, node, run);
    return before === undefined || own === undefined || !(before.isAny || own.isAny) ? undefined : before.key + own.key;
  };
}

/** The pieces before the first that is read in the segment itself, and that with all after it. */
interface Split {
  readonly before: readonly Piece[];
  readonly own: readonly Piece[];
}

function splitFor(name: string, pieces: readonly Piece[]): Split {
  const first = pieces.findIndex(({ segments }) => segments.includes(name));
  return first < 0 ? { before: pieces, own: [] } : { before: pieces.slice(0, first), own: pieces.slice(first) };
}

/** What is read in other segments is the same for all results of an order: it is read once. */
function sharedText(pieces: readonly Piece[], node: Node, run: Run): KeyText | undefined {
  const { parent } = node;
  if (pieces.length === 0) return noText;
  if (parent === undefined || !node.isLeaf) return textOf(pieces, node, run);
  let text = parent.texts.get(pieces);
  if (text === undefined) parent.texts.set(pieces, (text = textOf(pieces, node, run) ?? null));
  return text ?? undefined;
}

function textOf(pieces: readonly Piece[], node: Node, run: Run): KeyText | undefined {
  let key = '';
  let isAny = false;
  for (const { read, isLiteral, empty } of pieces) {
    const text = read(node, run);
    if (text !== undefined) isAny ||= !isLiteral;
    else if (empty === undefined) return undefined;
    key += text ?? empty;
  }
  return { key, isAny };
}

const noText: KeyText = { key: '', isAny: false };
const nothing = keyPart('');
const emptyOf: Readonly<Record<KeyPart['as'], string>> = {
  text: nothing,
  identifier: nothing + nothing,
  concept: nothing + nothing,
  name: nothing + nothing,
};

function compileKeyPart({ from, literal, as }: KeyPart): ReadKey {
  if (literal !== undefined) {
    const text = keyPart(literal);
    return () => text;
  }
  const reads = from.map((position) => compileKeyRead(position, as));
  const [only] = reads;
  if (reads.length === 1 && only !== undefined) return only;
  return (node, run) => {
    for (const each of reads) {
      const text = each(node, run);
      if (text !== undefined) return text;
    }
    return undefined;
  };
}

function compileKeyRead(position: string, as: KeyPart['as']): ReadKey {
  const { segment, field, component } = parsePosition(position);
  const readerOf = (node: Node): SegmentReader | undefined => {
    const reader = (node.name === segment ? node : node.find(segment))?.reader;
    return reader === undefined || reader.isAbsent(field) ? undefined : reader;
  };
  if (as === 'concept') {
    return (node) => {
      const reader = readerOf(node);
      return reader && concept(reader, field);
    };
  }
  if (as === 'text' && component === 0) {
    return (node) => {
      const reader = readerOf(node);
      return reader && some(reader.key(field));
    };
  }
  return (node, run) => {
    const part = readerOf(node)?.parts(field)[0];
    if (part === undefined || part.value.isNull) return undefined;
    if (as === 'text') return some(part.child(component).peek(1));
    if (as === 'name') return part.peekAll() === '' ? undefined : keyPart(part.peek(1)) + keyPart(part.peek(2));
    const value = part.peek(1);
    return value === '' ? undefined : keyPart(authorityOf(part, 4, run)) + keyPart(value);
  };
}

function some(text: string): string | undefined {
  return text === '' ? undefined : keyPart(text);
}

/** Coding system and code of a CWE, or its text when it has no code. */
function concept({ segment }: SegmentReader, field: number): string | undefined {
  // Not as a Part: what a rule recalls needs none, and a code is read for its key in every message.
  const code = componentOf(segment, field, 1);
  if (code !== '') return keyPart(componentOf(segment, field, 3)) + keyPart(code);
  const text = componentOf(segment, field, 2) || componentOf(segment, field, 4);
  return text === '' ? undefined : nothing + keyPart(text);
}

function componentOf(segment: Hl7Segment, field: number, component: number): string {
  const text = segment.component(field, component);
  return isBlank(text) ? '' : text;
}

/** One for each message, in the compartment of its (first) patient. */
function messageKey(node: Node, run: Run, type: string): string {
  return deriveId(patientOf(node, run)?.bucket, [...run.messageKey, node.name, type]);
}

/** Where segments that are about a place have it: NPU and PV1 tell the state of a bed, LOC and MFE keep a master file. */
const placeFields: Readonly<Record<string, number>> = { NPU: 1, PV1: 3, LOC: 1, MFE: 4 };

/** The place that a segment is about: the same that a visit refers to. */
function placeKey(node: Node, run: Run, type: string): string {
  const [part] = node.reader.parts(placeFields[node.name] ?? 1);
  const place = part === undefined ? undefined : location(part, run);
  return place?.reference?.split('/')[1] ?? byPlace(node, run, type);
}

/** Keys that are more than a list of positions. */
export const keys: Readonly<Record<string, KeyFunction>> = {
  // PID-2 and PID-4 are where versions before 2.3.1 put what PID-3 holds now.
  patient: patientKey([3, 2, 4]),
  // MRG-4 and MRG-2 likewise.
  priorPatient: patientKey([1, 4, 2]),
  message: messageKey,
  place: placeKey,
};
