/**
 * What a segment commands beside what it describes: patients to be merged, linked, moved. A command moves links between
 * records, never what is recorded. How it shows in the Patients is here, for previews and for the store alike; who is one
 * person then, src/identity decides.
 *
 * @see HL7 v2.5.1 section 3.6.2 (definitions of merge, link, move, change)
 */
import type { AnyResource } from '../fhir/types.ts';
import type { Command, PatientCommand } from './message/draft.ts';
import { patientOf } from './keys.ts';
import type { Node } from './message/nesting.ts';
import type { DraftBuilder, Run } from './message/state.ts';

/** @returns undefined when the segment does not say enough to command anything */
export type CommandFunction = (node: Node, run: Run) => Command | undefined;

/** MRG names the record that gives way, the PID before it the one that stays. */
function ofPrior(kind: 'merge' | 'move'): CommandFunction {
  return (node, run) => {
    const prior = draftOf(node, 'Patient')?.id;
    const stays = node.parent === undefined ? undefined : patientOf(node.parent, run)?.id;
    if (prior === undefined || stays === undefined) return refuse(node, run, 'no prior identifier of the patient');
    if (prior === stays) return refuse(node, run, 'the prior identifier is the patient’s own');
    return patientCommand(kind, prior, stays, run);
  };
}

/** The second PID and each further one, with the first. */
function ofPair(kind: 'link' | 'unlink'): CommandFunction {
  return (node, run) => {
    const [first] = run.nodes.filter(({ name }) => name === 'PID');
    if (first === node) return undefined;
    const [patient, other] = [draftOf(node, 'Patient')?.id, first && draftOf(first, 'Patient')?.resource.id];
    if (patient === undefined || other === undefined || patient === other) {
      return refuse(node, run, 'both PID segments name the same patient');
    }
    return patientCommand(kind, patient, other, run);
  };
}

function patientCommand(kind: PatientCommand['kind'], patient: string, other: string, run: Run): PatientCommand {
  return { kind, patient, other, event: run.event, controlId: run.nodes[0]?.reader.peek(10) ?? '' };
}

function refuse(node: Node, run: Run, diagnostics: string): undefined {
  run.issues.push({ severity: 'warning', code: 'business-rule', position: node.name, diagnostics });
}

/** The visit (MRG-5, MRG-6) or account (MRG-3) goes on under the number that the message has for it now. */
function ofNumber(type: 'Encounter' | 'Account'): CommandFunction {
  return (node, run) => {
    const [from, to] = [draftOf(node, type), successorOf(node, type, run)];
    if (from === undefined || to === undefined) return undefined;
    return { kind: 'renumber', type, from: from.id, to: to.resource.id };
  };
}

/**
 * What a prior visit or account became: of the visit after the MRG, else the one beside it. Undefined when it is the same
 * one, or another patient's: what was recorded of one patient does not show in another's record.
 */
export function successorOf(node: Node, type: string, run: Run): DraftBuilder | undefined {
  const patient = node.parent && patientOf(node.parent, run)?.id;
  if (patient === undefined || patient !== patientOf(node, run)?.id) return undefined;
  const beside = [...(node.parent === undefined ? [] : [node.parent]), ...(node.parent?.children ?? [])];
  const own = draftOf(node, type);
  const found = beside.filter((other) => other !== node && draftOf(other, type) !== undefined);
  const next = found.find(({ position }) => position > node.position) ?? found[0];
  const successor = next && draftOf(next, type);
  return successor === own ? undefined : successor;
}

function draftOf(node: Node, type: string): DraftBuilder | undefined {
  return node.drafts.find((draft) => draft.type === type);
}

/** The names that message maps may use. */
export const commands: Readonly<Record<string, CommandFunction>> = {
  merge: ofPrior('merge'),
  move: ofPrior('move'),
  link: ofPair('link'),
  unlink: ofPair('unlink'),
  renumberVisit: ofNumber('Encounter'),
  renumberAccount: ofNumber('Account'),
};

interface PatientLink {
  readonly other: { readonly reference: string };
  readonly type: 'replaced-by' | 'replaces' | 'refer' | 'seealso';
}

/**
 * A Patient as a command leaves it: `link`, and `active` of one that is retired or comes back. The same command twice
 * changes nothing the second time, and the opposite command undoes it.
 * @param patient one of the two that the command names
 * @see https://hl7.org/fhir/R4/patient.html#links
 */
export function withCommand(patient: AnyResource & { id: string }, command: PatientCommand): AnyResource {
  const { kind } = command;
  const isFirst = patient.id === command.patient;
  const other = { reference: `Patient/${isFirst ? command.other : command.patient}` };
  const links = (patient['link'] ?? []) as readonly PatientLink[];
  const known = links.filter((link) => link.other.reference === other.reference);
  const others = links.filter((link) => link.other.reference !== other.reference);
  const isMerged = known.some(({ type }) => type === 'replaced-by' || type === 'replaces');
  // One that was merged into the other is linked to it already.
  if (kind === 'link' && isMerged) return patient;
  const type = kind === 'merge' ? (isFirst ? 'replaced-by' : 'replaces') : 'seealso';
  const isKnown = known.length === 1 && known[0]?.type === type;
  const link = kind === 'unlink' ? others : isKnown ? links : [...others, { other, type } as const];
  const changed: AnyResource = { ...patient, link };
  if (link.length === 0) delete changed['link'];
  if (type === 'replaced-by') return { ...changed, active: false };
  const wasRetired = known.some((item) => item.type === 'replaced-by');
  const isRetired = others.some((item) => item.type === 'replaced-by');
  return wasRetired && !isRetired ? { ...changed, active: true } : changed;
}
