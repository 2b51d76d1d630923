/** References that the place of a segment alone does not say; found when all drafts of the message exist. */
import { patientParticipants } from './participants.ts';
import { successorOf } from './commands.ts';
import type { CodeableConcept } from './concepts.ts';
import type { Node } from './nesting.ts';
import { parentResult, replacedOrder } from './orders.ts';
import type { DraftBuilder, Element, Run } from './state.ts';

/** @returns elements for the target: references, or what holds them */
export type LinkFunction = (node: Node, draft: DraftBuilder, run: Run) => readonly Element[];

/** The names that message maps may use: `by NAME`. */
export const links: Readonly<Record<string, LinkFunction>> = {
  ordered,
  parentResult,
  patientParticipants,
  replacedOrder,
  subscriber,
  successor,
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
