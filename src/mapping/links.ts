/** References that the place of a segment alone does not say; found when all drafts of the message exist. */
import { patientParticipants } from './appointments.ts';
import type { Node } from './nesting.ts';
import type { DraftBuilder, Element, Run } from './state.ts';

/** @returns elements for the target: references, or what holds them */
export type LinkFunction = (node: Node, draft: DraftBuilder, run: Run) => readonly Element[];

/** The names that message maps may use: `by NAME`. */
export const links: Readonly<Record<string, LinkFunction>> = { patientParticipants, survivor };

/** The patient of the PID before an MRG: the record that stays when the other is retired (R4 Patient.link). */
function survivor(node: Node, draft: DraftBuilder): readonly Element[] {
  const patient = node.parent?.drafts.find(({ type }) => type === 'Patient');
  if (patient === undefined || patient === draft) return [];
  return [{ other: { reference: patient.reference }, type: 'replaced-by' }];
}
