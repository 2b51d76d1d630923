/**
 * Orders and results that belong together although they stand apart: the susceptibilities of a culture point to the organism they were
 * tested on (OBR-26), a child order to its parent (OBR-29, ORC-8), a replacement to the order it replaces (ORC-1 RO after RP or RU).
 *
 * @see HL7 v2.5.1 sections 4.5.3.26, 4.5.3.29 (parent result, parent) and 4.5.1.1.7 (replacement of orders)
 */
import { toConcept } from './concepts.ts';
import { hubExtension } from './extensions.ts';
import type { Node } from '../message/nesting.ts';
import type { Part } from '../message/part.ts';
import { entityIdentifier } from './parties.ts';
import type { Element, Run } from '../message/state.ts';

/** The result that the results of a child order are derived from, in the same message; else what the message calls it. */
export function parentResult(node: Node, _draft: unknown, run: Run): readonly Element[] {
  const order = node.find('OBR');
  const [link] = order?.reader.parts(26) ?? [];
  if (order === undefined || link === undefined || link.value.isNull) return [];
  const found = findParent(order, run);
  if (found !== undefined) {
    for (const part of [...order.reader.parts(26), ...order.reader.parts(29)]) part.takeAll();
    return [{ reference: found }];
  }
  return namedParent(link, run);
}

/** PRL of a result that came before, in another message: its code, sub-id and value in words; its order is in `basedOn`. */
function namedParent(link: Part, run: Run): readonly Element[] {
  const code = toConcept(link.child(1), run, { position: 'OBR-26', vocabulary: undefined });
  const [subId, words] = [link.get(2), link.get(3)];
  if (code === undefined && words === '') return [];
  const extension = [
    ...(code === undefined ? [] : [{ url: 'code', valueCodeableConcept: code }]),
    ...(subId === '' ? [] : [{ url: 'sub-id', valueString: subId }]),
  ];
  const display = words || code?.text || code?.coding?.[0]?.display;
  return [
    {
      ...(extension.length > 0 && { extension: [{ url: hubExtension('parent-result'), extension }] }),
      type: 'Observation',
      ...(display && { display }),
    },
  ];
}

/**
 * The order that this one is a child of: OBR-29 and ORC-8, each a placer's and a filler's number. In the same message it is a
 * reference; else the numbers are, which the parent has as its identifiers.
 * @see HL7 v2-to-FHIR, OBR[ServiceRequest] OBR-29
 */
export function parentOrder(node: Node, draft: { readonly reference: string }, run: Run): readonly Element[] {
  const [order, control] = node.name === 'ORC' ? [node.companion, node] : [node, node.companion];
  const parts = [
    ...(order?.name !== 'OBR' || order.reader.isAbsent(29) ? [] : order.reader.parts(29)),
    ...(control === undefined || control.reader.isAbsent(8) ? [] : control.reader.parts(8)),
  ];
  if (parts.length === 0) return [];
  const elements = parts.filter((part) => !part.value.isNull).flatMap((part) => parentIn(part, draft.reference, run));
  // OBR-29 and ORC-8 say the same where both are sent.
  const texts = elements.map((element) => JSON.stringify(element));
  return elements.filter((_, index) => texts.indexOf(texts[index] as string) === index);
}

function parentIn(part: Part, self: string, run: Run): readonly Element[] {
  const identifiers = [1, 2]
    .map((half) => entityIdentifier(part.child(half), run))
    .filter((found) => found !== undefined);
  const requests = requestsOf(run);
  const reference = identifiers
    .map(({ value }) => requests.get(value as string))
    .find((found) => found !== undefined && found !== self);
  return identifiers.map((identifier) => ({ ...(reference && { reference }), type: 'ServiceRequest', identifier }));
}

/** The orders of the message by their numbers, made once: each child asks. */
function requestsOf(run: Run): ReadonlyMap<string, string> {
  let requests = requestsByRun.get(run);
  if (requests !== undefined) return requests;
  requestsByRun.set(run, (requests = new Map()));
  for (const node of run.nodes) {
    const reference = node.name === 'OBR' ? requestOf(node) : undefined;
    if (reference === undefined) continue;
    for (const { reader } of [node, ...(node.companion === undefined ? [] : [node.companion])]) {
      for (const number of [reader.key(2), reader.key(3)]) {
        if (number !== '' && !requests.has(number)) requests.set(number, reference);
      }
    }
  }
  return requests;
}
const requestsByRun = new WeakMap<Run, Map<string, string>>();

function requestOf(node: Node): string | undefined {
  return node.drafts.find(({ type }) => type === 'ServiceRequest')?.reference;
}

/** By code and sub-id, within the order that OBR-29 names; when it names none, or none of the message, within any other order. */
function findParent(order: Node, run: Run): string | undefined {
  const known = parents.get(order);
  if (known !== undefined) return known.reference;
  const [link] = order.reader.parts(26);
  const [parent] = order.reader.parts(29);
  const numbers = [2, 1].map((half) => parent?.child(half).peek(1) ?? '').filter((number) => number !== '');
  const candidates = run.nodes.filter(
    (node) => node.name === 'OBX' && isResult(node, order, link?.child(1), link?.peek(2)),
  );
  const own = candidates.find((node) => numbers.some((number) => isOfOrder(node, number)));
  const draft = (own ?? candidates.at(-1))?.drafts.find(({ type }) => type === 'Observation');
  parents.set(order, { reference: draft?.reference });
  return draft?.reference;
}
/** Asked again by each result of the order. */
const parents = new WeakMap<Node, { readonly reference: string | undefined }>();

function isResult(node: Node, child: Node, code: { peek(index: number): string } | undefined, subId = ''): boolean {
  // A parent stands before its child, in another order.
  if (code === undefined || node.position > child.position) return false;
  const [own] = node.reader.parts(3);
  const codes = [own?.peek(1), own?.peek(4)].filter((text) => text !== undefined && text !== '');
  const isSame = [code.peek(1), code.peek(4)].some((text) => text !== '' && codes.includes(text));
  return isSame && (subId === '' || node.reader.key(4) === subId);
}

function isOfOrder(node: Node, number: string): boolean {
  const order = node.find('OBR');
  if (order === undefined) return false;
  const isNumbered = ({ reader }: Node): boolean => [2, 3].some((field) => reader.key(field) === number);
  return isNumbered(order) || (order.companion !== undefined && isNumbered(order.companion));
}

/** ORC-1 RO is the order that stands in for the one that RP or RU before it took away. */
export function replacedOrder(node: Node, draft: { readonly reference: string }, run: Run): readonly Element[] {
  const control = node.name === 'ORC' ? node : node.companion;
  if (control?.reader.peek(1) !== 'RO') return [];
  const before = run.nodes.filter(({ name, position }) => name === 'ORC' && position < control.position);
  const replaced = before.findLast(({ reader }) => reader.peek(1) === 'RP' || reader.peek(1) === 'RU');
  const drafts = replaced === undefined ? [] : [...replaced.drafts, ...(replaced.companion?.drafts ?? [])];
  const found = drafts.find(({ type, reference }) => orders.has(type) && reference !== draft.reference);
  return found === undefined ? [] : [{ reference: found.reference }];
}
const orders = new Set(['ServiceRequest', 'MedicationRequest']);
