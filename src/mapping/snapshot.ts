/**
 * Whole lists. In snapshot mode the segments of one name replace those of earlier messages, and a single segment whose
 * every field is `""` says that there are none (HL7 v2.5.1 section 2.10.4.1). A segment with an action code is of the other
 * mode (section 2.10.4.2): then each says what becomes of itself, and the list is not whole.
 */
import type { CompiledBuild } from './compile.ts';
import { patientOf } from './keys.ts';
import type { Node } from './message/nesting.ts';
import type { Run } from './message/state.ts';

/** Fields of HL70206 or HL70323, by segment. */
const actionFields: Readonly<Record<string, number>> = { DG1: 21, PR1: 20, IAM: 6, IN1: 55 };

/** One list for each patient of the message, or for each visit. @param nodes all segments of the build's name */
export function takeSnapshots(build: CompiledBuild, nodes: readonly Node[], run: Run): void {
  if (nodes.some(hasAction)) return;
  const { segment, resource: type } = build;
  // One as a rule: of the patient, or of the one visit.
  const lists: { segment: string; type: string; patient: string; visit: string | undefined; ids: string[] }[] = [];
  for (const node of nodes) {
    const patient = patientOf(node, run)?.id;
    if (patient === undefined) continue;
    const visit = build.snapshot === 'visit' ? run.nearest('Encounter', node)?.id : undefined;
    let list = lists.find((one) => one.patient === patient && one.visit === visit);
    if (list === undefined) lists.push((list = { segment, type, patient, visit, ids: [] }));
    for (const draft of node.drafts) if (draft.type === type) list.ids.push(draft.id);
  }
  run.snapshots.push(...lists);
}

function hasAction({ name, reader }: Node): boolean {
  const field = actionFields[name];
  return field !== undefined && reader.key(field) !== '';
}

/** True for the segment that empties its list: beside its set id it holds nothing but `""`. */
export function isEmptying({ reader }: Node): boolean {
  const { segment } = reader;
  if (!segment.raw.includes('""')) return false;
  let isNull = false;
  for (let field = 1; field <= segment.fieldCount; field++) {
    const text = segment.plain(field);
    if (text === '' || (field === 1 && text !== undefined && /^\d+$/.test(text))) continue;
    if (text !== '""') return false;
    isNull = true;
  }
  return isNull;
}
