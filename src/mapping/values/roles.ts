/**
 * ROL: staff in a role. The role is a PractitionerRole outside any record; the part it has in a visit, in a procedure or for
 * a patient, with its time, is in that resource.
 * @see HL7 v2-to-FHIR, ROL[Encounter-PractitionerRole], ROL[Patient-GeneralPractitioner], ROL[CareTeam]
 */
import { toConcept, type CodeableConcept } from './concepts.ts';
import { hubExtension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import { entityIdentifier } from './parties.ts';
import type { Element, Reference, Run } from '../message/state.ts';

/** The PractitionerRole of the segment. */
export function roleReference(node: Node): Reference | undefined {
  const role = node.drafts.find(({ type }) => type === 'PractitionerRole');
  return role && { reference: role.reference };
}

/** Encounter.participant. @see https://hl7.org/fhir/R4/encounter-definitions.html#Encounter.participant */
export function visitParticipant(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const individual = roleReference(node);
  if (individual === undefined) return undefined;
  const type = roleOf(node, run, info);
  return { ...beside(node, run), ...(type && { type: [type] }), ...periodOf(node, run), individual };
}

/** CareTeam.participant, for parts that are the patient's and not a visit's. */
export function teamParticipant(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const member = roleReference(node);
  if (member === undefined) return undefined;
  const role = roleOf(node, run, info);
  return { ...beside(node, run), ...(role && { role: [role] }), member, ...periodOf(node, run) };
}

/** Procedure.performer, for a ROL after a PR1. */
export function procedurePerformer(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const actor = roleReference(node);
  if (actor === undefined) return undefined;
  const role = roleOf(node, run, info);
  const period = periodOf(node, run)?.['period'];
  const { extension = [] } = beside(node, run) as { extension?: Element[] };
  const all = period === undefined ? extension : [...extension, { url: hubExtension('period'), valuePeriod: period }];
  return { ...(all.length > 0 && { extension: all }), ...(role && { function: role }), actor };
}

function roleOf({ reader }: Node, run: Run, info: RuleInfo): CodeableConcept | undefined {
  const [role] = reader.parts(3);
  return role && toConcept(role, run, { ...info, position: 'ROL-3' });
}

function periodOf({ reader }: Node, run: Run): Element | undefined {
  const period: Element = {};
  for (const [field, name] of [
    [5, 'start'],
    [6, 'end'],
  ] as const) {
    const [part] = reader.parts(field);
    const value = part && run.dateTime(part.peek(1));
    if (typeof value !== 'string') continue;
    if (name === 'end' && typeof period['start'] === 'string' && Date.parse(value) < Date.parse(period['start']))
      continue;
    part?.take(1);
    period[name] = value;
  }
  return Object.keys(period).length === 0 ? undefined : { period };
}

/** What a participation says that R4 has no element for: its own id, what was done to it, how long and why. */
function beside({ reader }: Node, run: Run): Element {
  const extension: Element[] = [];
  const [instance] = reader.parts(1);
  const valueIdentifier = instance && entityIdentifier(instance, run);
  if (valueIdentifier !== undefined) extension.push({ url: hubExtension('role-instance'), valueIdentifier });
  const [action] = reader.parts(2);
  if (action !== undefined && action.peek(1) !== '') {
    extension.push({ url: hubExtension('action'), valueCode: action.get(1) });
  }
  for (const [field, name] of [
    [7, 'role-duration'],
    [8, 'role-action-reason'],
  ] as const) {
    const [part] = reader.parts(field);
    const valueCodeableConcept = part && toConcept(part, run, { position: `ROL-${field}`, vocabulary: undefined });
    if (valueCodeableConcept !== undefined) extension.push({ url: hubExtension(name), valueCodeableConcept });
  }
  return extension.length === 0 ? {} : { extension };
}
