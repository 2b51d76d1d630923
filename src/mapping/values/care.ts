/** Problems and referrals: what several fields of PRB, PRD and AUT say together. */
import type { Vocabulary } from '../compile.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import type { Part } from '../message/part.ts';
import { addressOf, conceptOrganization, organization } from './parties.ts';
import { telecom } from './contact.ts';
import type { Element, Reference, Run } from '../message/state.ts';

/** A code where R4 binds a CodeableConcept strictly: its translation, whatever case it has, or nothing. */
export function boundConcept(part: Part, _run: Run, { vocabulary }: RuleInfo): Element | undefined {
  const coding = vocabulary === undefined ? undefined : bound(part, vocabulary);
  if (coding === undefined) return undefined;
  part.take(1);
  const text = part.get(2);
  return text === '' ? { coding: [coding] } : { coding: [coding], text };
}

function bound(part: Part, { entries }: Vocabulary): { system: string; code: string } | undefined {
  for (const text of [part.peek(1), part.peek(2)]) {
    const entry = entries.get(text) ?? entries.get(text.trim().toUpperCase());
    if (entry !== undefined) return { system: entry.system, code: entry.code };
  }
  return undefined;
}

const ended = new Set(['inactive', 'remission', 'resolved']);
const clinical = 'http://terminology.hl7.org/CodeSystem/condition-clinical';

/** PRB-14 and PRB-9: a problem with an end is over, whatever its status says. @see https://hl7.org/fhir/R4/condition.html con-4 */
export function problemStatus({ reader }: Node, run: Run, info: RuleInfo): Element {
  const [status] = reader.parts(14);
  const [end] = reader.parts(9);
  const said = status && info.vocabulary && bound(status, info.vocabulary)?.code;
  const hasEnded = end !== undefined && run.dateTime(end.peek(1)) !== undefined;
  if (said !== undefined && (!hasEnded || ended.has(said))) return { coding: [{ system: clinical, code: said }] };
  return { coding: [{ system: clinical, code: hasEnded ? 'resolved' : 'active' }] };
}

/** PRD-10, PRD-11 and PRD-13: the organization of a role, with its address and telephone. */
export function providerOrganization({ reader }: Node, run: Run): Reference | undefined {
  const [name] = reader.parts(10);
  if (name === undefined || name.value.isNull) return undefined;
  const reference = organization(name, run, { position: 'PRD-10', vocabulary: undefined });
  const draft = reference && run.drafts.find((item) => item.reference === reference.reference);
  if (draft === undefined) return undefined;
  for (const address of reader.parts(11)) addressOf(draft, run.map.datatypes.get('XAD')?.(address, run, 'PRD-11'));
  for (const phone of reader.parts(13)) {
    const contact = telecom(phone, run, { position: 'PRD-13', vocabulary: undefined });
    if (contact !== undefined) draft.add({ telecom: [contact] });
  }
  return reference;
}

/** AUT-2 and AUT-3: the payor, by the number that the company has and by its name. */
export function payor({ reader }: Node, run: Run): Reference | undefined {
  const [company] = reader.parts(2);
  const [name] = reader.parts(3);
  const title = name === undefined || name.value.isNull ? '' : name.get(1);
  const reference = company && conceptOrganization(company, run);
  if (reference === undefined) {
    if (title === '') return undefined;
    return { reference: run.share('Organization', ['name', title], { name: title }).reference, display: title };
  }
  if (title !== '') run.drafts.find((item) => item.reference === reference.reference)?.add({ name: title });
  return title === '' ? reference : { ...reference, display: title };
}
