/**
 * What identifies each resource, so that the same thing through two messages is one resource. An id is derived from the
 * sender's own identifiers within its owner; what has none is identified by its message and its place there. Never from
 * a clock, never from a value: a corrected result must meet the one it corrects.
 */
import { deriveId } from '../fhir/ids.ts';
import { checkNationalId, nationalIdSystem } from '../fhir/identifiers.ts';
import { Problem } from '../fhir/problem.ts';
import type { Hl7Value } from './message.ts';
import type { Node } from './nesting.ts';
import { isBlank, type Part } from './part.ts';
import type { Run } from './state.ts';

/** @returns the id of the resource that this segment stands for */
export type KeyFunction = (node: Node, run: Run) => string;

/** Identifier types of HL70203 in the order in which they name a patient best; then untyped, then any other. */
const patientTypes = ['MR', 'PI', 'PT', 'PN', ''];

function patientKey(node: Node, run: Run): string {
  const { reader } = node;
  const { owner } = run.context;
  // PID-2 and PID-4 are where versions before 2.3.1 put what PID-3 holds now.
  for (const field of [3, 2, 4]) {
    const key = primaryIdentifier(reader.parts(field), run);
    if (key !== undefined) return deriveId(undefined, [owner, 'Patient', ...key]);
  }
  return deriveId(undefined, [...run.messageKey, 'Patient', String(reader.segment.position)]);
}

/** The identifier that is the patient's in the sender's system: by type, then its own authority, then by text. */
function primaryIdentifier(parts: readonly Part[], run: Run): [string, string] | undefined {
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
  const rank = patientTypes.indexOf(part.peek(5));
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

/** The patient a segment belongs to. @throws Problem required when the message names none. */
export function patientOf(node: Node, run: Run): { id: string; bucket: number } {
  // Upwards only: a patient is never beside what belongs to it, and every key asks for it.
  let holder: Node | undefined = node;
  while (holder !== undefined && holder.drafts[0]?.type !== 'Patient') holder = holder.parent;
  const draft = holder?.drafts[0];
  if (draft === undefined) throw new Problem('required', 'no patient before this segment', { expression: 'PID' });
  const { id } = draft.resource;
  return { id, bucket: run.bucketOf(id) };
}

/** An id in the patient's compartment. A key that occurs twice in a message is told apart by its count there. */
function inCompartment(node: Node, run: Run, type: string, key: readonly string[]): string {
  const { id, bucket } = patientOf(node, run);
  const parts = [run.context.owner, type, id, ...key];
  const first = deriveId(bucket, parts);
  if (!run.isTaken(first)) return first;
  for (let count = 2; ; count++) {
    const next = deriveId(bucket, [...parts, `#${count}`]);
    if (!run.isTaken(next)) return next;
  }
}

/** For what has no identifier: the message and the place in it. */
function byPlace(node: Node, run: Run, type: string): string {
  return inCompartment(node, run, type, ['message', ...run.messageKey.slice(1), String(node.reader.segment.position)]);
}

function visitKey(node: Node, run: Run): string {
  const visit = visitOf(node, run);
  if (visit === undefined) return byPlace(node, run, 'Encounter');
  const { id, bucket } = patientOf(node, run);
  // The same visit twice in a message is one visit.
  return deriveId(bucket, [run.context.owner, 'Encounter', id, ...visit]);
}

/** Visit number (PV1-19), else alternate visit id (PV1-50). */
function visitOf(node: Node, run: Run): [string, string] | undefined {
  const reader = node.find('PV1')?.reader;
  for (const field of [19, 50]) {
    const [part] = reader?.parts(field) ?? [];
    if (part !== undefined && !part.value.isNull && part.peek(1) !== '')
      return [authorityOf(part, 4, run), part.peek(1)];
  }
  return undefined;
}

function text(node: Node, segment: string, field: number): string {
  return node.find(segment)?.reader.key(field) ?? '';
}

/** Code and coding system of a CWE, or its text when it has no code. */
function concept(node: Node, segment: string, field: number): [string, string] {
  // Not as a Part: what a rule recalls needs none, and a code is read for its key in every message.
  const [value] = node.find(segment)?.reader.segment.field(field) ?? [];
  if (value === undefined) return ['', ''];
  const code = textOf(value, 1);
  return code === '' ? ['', textOf(value, 2) || textOf(value, 4)] : [textOf(value, 3), code];
}

function textOf(value: Hl7Value, component: number): string {
  const text = value.whole(component);
  return isBlank(text) ? '' : text;
}

/** Filler order number (the laboratory's accession), else the placer's: OBR before its ORC. */
function orderOf(node: Node, isFiller: boolean): string {
  const order = isFiller ? text(node, 'OBR', 3) || text(node, 'ORC', 3) : text(node, 'OBR', 2) || text(node, 'ORC', 2);
  return order;
}

function reportKey(node: Node, run: Run): string {
  return orderKey(node, run, 'DiagnosticReport', ['filler', orderOf(node, true)], ['placer', orderOf(node, false)]);
}

function requestKey(node: Node, run: Run): string {
  return orderKey(node, run, 'ServiceRequest', ['placer', orderOf(node, false)], ['filler', orderOf(node, true)]);
}

/** One order number may cover several services (a panel for each OBR), so the service is part of the key. */
function orderKey(node: Node, run: Run, type: string, ...orders: [string, string][]): string {
  const order = orders.find(([, number]) => number !== '');
  if (order === undefined) return byPlace(node, run, type);
  return inCompartment(node, run, type, [...order, ...concept(node, 'OBR', 4)]);
}

function observationKey(node: Node, run: Run): string {
  const { order, service, time } = orderParts(node);
  const own = text(node, 'OBX', 14) || time;
  if (order === '' && own === '') return byPlace(node, run, 'Observation');
  const key = [order, ...service, ...concept(node, 'OBX', 3), text(node, 'OBX', 4), own];
  return inCompartment(node, run, 'Observation', key);
}

interface OrderParts {
  readonly order: string;
  /** Only within an order is a service's code part of what was observed: two panels may share an analyte. */
  readonly service: readonly string[];
  readonly time: string;
}

/** What all results of an order share; read once for each order. */
function orderParts(node: Node): OrderParts {
  const holder = node.find('OBR');
  const known = holder === undefined ? noOrder : knownOrders.get(holder);
  if (known !== undefined) return known;
  const order = orderOf(node, true) || orderOf(node, false);
  const parts = { order, service: order === '' ? [] : concept(node, 'OBR', 4), time: text(node, 'OBR', 7) };
  knownOrders.set(holder as Node, parts);
  return parts;
}
const knownOrders = new WeakMap<Node, OrderParts>();
const noOrder: OrderParts = { order: '', service: [], time: '' };

function specimenKey(node: Node, run: Run): string {
  const number = text(node, 'SPM', 30) || specimenId(node) || text(node, 'SPM', 31);
  if (node.name === 'SPM' && number !== '') return inCompartment(node, run, 'Specimen', ['specimen', number]);
  const order = orderOf(node, true) || orderOf(node, false);
  return order === '' ? byPlace(node, run, 'Specimen') : inCompartment(node, run, 'Specimen', ['order', order]);
}

/** SPM-2 is a pair of placer's and filler's identifier (EIP). */
function specimenId(node: Node): string {
  const [part] = node.find('SPM')?.reader.parts(2) ?? [];
  return part === undefined ? '' : part.child(2).peek(1) || part.child(1).peek(1);
}

function conditionKey(node: Node, run: Run): string {
  const identifier = text(node, 'DG1', 20);
  if (identifier !== '') return inCompartment(node, run, 'Condition', ['identifier', identifier]);
  const code = concept(node, 'DG1', 3);
  const description = code[1] === '' ? text(node, 'DG1', 4) : code[1];
  if (description === '') return byPlace(node, run, 'Condition');
  const visit = visitOf(node, run) ?? ['', ''];
  return inCompartment(node, run, 'Condition', [...visit, code[0], description, text(node, 'DG1', 6)]);
}

function allergyKey(node: Node, run: Run): string {
  const code = concept(node, 'AL1', 3);
  return code[1] === ''
    ? byPlace(node, run, 'AllergyIntolerance')
    : inCompartment(node, run, 'AllergyIntolerance', code);
}

function relatedPersonKey(node: Node, run: Run): string {
  const identifier = text(node, 'NK1', 33) || text(node, 'NK1', 12);
  if (identifier !== '') return inCompartment(node, run, 'RelatedPerson', ['identifier', identifier]);
  const [name] = node.reader.parts(2);
  if (name === undefined || name.peekAll() === '') return byPlace(node, run, 'RelatedPerson');
  return inCompartment(node, run, 'RelatedPerson', ['name', name.peek(1), name.peek(2), ...concept(node, 'NK1', 3)]);
}

function coverageKey(node: Node, run: Run): string {
  const policy = text(node, 'IN1', 36) || text(node, 'IN1', 49);
  const key = [...concept(node, 'IN1', 2), text(node, 'IN1', 3), text(node, 'IN1', 4), policy];
  return key.every((part) => part === '') ? byPlace(node, run, 'Coverage') : inCompartment(node, run, 'Coverage', key);
}

/** One for each message, in the compartment of its (first) patient. */
function messageKey(node: Node, run: Run): string {
  const patient = run.drafts.find((draft) => draft.type === 'Patient');
  const bucket = patient === undefined ? undefined : run.bucketOf(patient.resource.id);
  return deriveId(bucket, [...run.messageKey, node.name, 'Provenance']);
}

/** The names by which message maps choose a key. */
export const keys: Readonly<Record<string, KeyFunction>> = {
  patient: patientKey,
  visit: visitKey,
  report: reportKey,
  request: requestKey,
  observation: observationKey,
  specimen: specimenKey,
  condition: conditionKey,
  allergy: allergyKey,
  relatedPerson: relatedPersonKey,
  coverage: coverageKey,
  message: messageKey,
};
