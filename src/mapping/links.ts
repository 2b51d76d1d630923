/** References that the place of a segment alone does not say; found when all drafts of the message exist. */
import { patientParticipants } from './appointments.ts';
import { successorOf } from './commands.ts';
import type { Node } from './nesting.ts';
import type { DraftBuilder, Element, Run } from './state.ts';

/** @returns elements for the target: references, or what holds them */
export type LinkFunction = (node: Node, draft: DraftBuilder, run: Run) => readonly Element[];

/** The names that message maps may use: `by NAME`. */
export const links: Readonly<Record<string, LinkFunction>> = { patientParticipants, successor };

/** What a visit or account that MRG names became. */
function successor(node: Node, draft: DraftBuilder, run: Run): readonly Element[] {
  const found = successorOf(node, draft.type, run);
  return found === undefined ? [] : [{ reference: found.reference }];
}
