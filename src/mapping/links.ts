/** References that the place of a segment alone does not say; found when all drafts of the message exist. */
import type { Node } from './nesting.ts';
import type { DraftBuilder, Reference, Run } from './state.ts';

export type LinkFunction = (node: Node, draft: DraftBuilder, run: Run) => readonly Reference[];

/** The names that message maps may use: `by NAME`. */
export const links: Readonly<Record<string, LinkFunction>> = {};
