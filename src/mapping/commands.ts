/** What a segment commands beside what it describes: patients to be merged, linked, moved. */
import type { Command } from './draft.ts';
import type { Node } from './nesting.ts';
import type { Run } from './state.ts';

/** @returns undefined when the segment does not say enough to command anything */
export type CommandFunction = (node: Node, run: Run) => Command | undefined;

/** The names that message maps may use. */
export const commands: Readonly<Record<string, CommandFunction>> = {};
