/** Visits, procedures and who takes part in them, where several fields or segments make one element. */
import { toConcept } from './concepts.ts';
import { Extended } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import type { Element, Run } from '../message/state.ts';

/** The status that the event gives a visit; undefined for events that do not move it. @see MSH[Encounter] MSH-9 */
export function eventStatus(_node: Node, run: Run, { vocabulary }: RuleInfo): string | undefined {
  return vocabulary?.entries.get(run.event)?.code;
}

/** A cancelled discharge (A13) takes the end of the visit back, which no field of the message says. */
export function reopened(node: Node): undefined {
  const visit = node.drafts.find(({ type }) => type === 'Encounter');
  if (visit !== undefined) (visit.removed ??= new Set()).add('period.end').add('hospitalization.dischargeDisposition');
}

/** DG1 as Encounter.diagnosis of the visit it came with. @see HL7 v2-to-FHIR, DG1[Encounter] */
export function encounterDiagnosis(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const condition = node.drafts.find((draft) => draft.type === 'Condition');
  if (condition === undefined || condition.mode === 'delete') return undefined;
  const diagnosis: Element = { condition: { reference: condition.reference } };
  const [type] = node.reader.parts(6);
  const use = type && toConcept(type, run, info);
  if (use !== undefined) diagnosis['use'] = use;
  const [priority] = node.reader.parts(15);
  if (priority !== undefined && /^[1-9]\d{0,3}$/.test(priority.peek(1))) diagnosis['rank'] = Number(priority.get(1));
  return diagnosis;
}

/** PR1-5 and PR1-7: when a procedure was, and how many minutes it took. @see HL7 v2-to-FHIR, PR1[Procedure] PR1-5 */
export function performed(node: Node, run: Run): Element | undefined {
  const [time] = node.reader.parts(5);
  const [minutes] = node.reader.parts(7);
  const start = time && run.dateTime(time.peek(1));
  if (time === undefined || start === undefined) return undefined;
  time.take(1);
  if (start instanceof Extended) {
    return { performedDateTime: start.value, _performedDateTime: { extension: start.extension } };
  }
  const end = minutes && endOf(start, minutes.peek(1));
  if (end === undefined) return { performedDateTime: start };
  minutes?.take(1);
  return { performedPeriod: { start, end } };
}

/** `start` and so many minutes later, in the same offset; undefined for what is no time or no number of minutes. */
function endOf(start: string, minutes: string): string | undefined {
  const offset = /T.*([+-])(\d\d):(\d\d)$/.exec(start);
  if (offset === null || !/^\d{1,5}$/.test(minutes)) return undefined;
  const [, sign, hours, rest] = offset;
  const offsetMinutes = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(rest));
  const wall = new Date(Date.parse(start) + (Number(minutes) + offsetMinutes) * 60_000);
  return `${wall.toISOString().slice(0, 19)}${sign}${hours}:${rest}`;
}
