/** References that the place of a segment alone does not say; found when all drafts of the message exist. */
import { patientParticipants } from './values/participants.ts';
import { successorOf } from './commands.ts';
import type { CodeableConcept } from './values/concepts.ts';
import type { Node } from './message/nesting.ts';
import { parentOrder, parentResult, replacedOrder } from './values/orders.ts';
import type { DraftBuilder, Element, Run } from './message/state.ts';

/** @returns elements for the target: references, or what holds them */
export type LinkFunction = (node: Node, draft: DraftBuilder, run: Run) => readonly Element[];

/** The names that message maps may use: `by NAME`. */
export const links: Readonly<Record<string, LinkFunction>> = {
  ordered,
  parentOrder,
  parentResult,
  patientParticipants,
  replacedOrder,
  problems,
  referredTo: (node, _draft, run) => providers('RT', node, run),
  referring: (node, _draft, run) => providers('RP', node, run),
  subscriber,
  successor,
  varied,
};

/** What a visit or account that MRG names became. */
function successor(node: Node, draft: DraftBuilder, run: Run): readonly Element[] {
  const found = successorOf(node, draft.type, run);
  return found === undefined ? [] : [{ reference: found.reference }];
}

/** Of a charge within an order: what was ordered. */
function ordered(node: Node): readonly Element[] {
  for (let around = node.parent; around !== undefined; around = around.parent) {
    const request = around.drafts.find(({ type }) => type === 'ServiceRequest' || type === 'MedicationRequest');
    if (request !== undefined) return [{ reference: request.reference }];
  }
  return [];
}

/** Of a policy: the patient whose relationship to the insured is `self`, else the insured. @see IN1[Coverage] IN1-16 */
function subscriber(node: Node, draft: DraftBuilder, run: Run): readonly Element[] {
  const relationship = draft.resource['relationship'] as CodeableConcept | undefined;
  const isSelf = relationship?.coding?.some(({ code }) => code === 'self') === true;
  const person = isSelf ? run.nearest('Patient', node) : node.drafts.find(({ type }) => type === 'RelatedPerson');
  return person === undefined ? [] : [{ reference: person.reference }];
}

/** Of a goal or pathway: the problem it is below (PPR), or the problems below it (PGL, PPP). */
function problems(node: Node): readonly Element[] {
  for (let around = node.parent; around !== undefined; around = around.parent)
    if (around.name === 'PRB') return referencesTo(around.drafts);
  return node.children.filter(({ name }) => name === 'PRB').flatMap(({ drafts }) => referencesTo(drafts));
}

/** Of a variance: the problem, goal or pathway whose course it is about. */
function varied(node: Node): readonly Element[] {
  for (let around = node.parent; around !== undefined; around = around.parent)
    if (around.name === 'PRB' || around.name === 'GOL' || around.name === 'PTH')
      return referencesTo(around.drafts.slice(0, 1));
  return [];
}

/** Of a referral: those with this role in it (HL70286). */
function providers(role: string, node: Node, run: Run): readonly Element[] {
  const segments = run.nodes.filter((item) => item.name === 'PRD' && item.parent === node.parent);
  return segments
    .filter(({ reader }) => reader.parts(1).some((part) => part.peek(1) === role))
    .flatMap(({ drafts }) => referencesTo(drafts.slice(0, 1)));
}

/** What is deleted cannot be pointed to. */
function referencesTo(drafts: readonly DraftBuilder[]): Element[] {
  return drafts.filter(({ mode }) => mode !== 'delete').map(({ reference }) => ({ reference }));
}
