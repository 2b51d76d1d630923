/** Insurers, guarantors and money: what several fields of IN1, IN2, GT1 and FT1 say together. */
import { telecom } from './contact.ts';
import { localUri } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import type { Part } from '../message/part.ts';
import { organization } from './parties.ts';
import { wayNamed } from '../message/source.ts';
import { type DraftBuilder, type Element, type Reference, type Run, union } from '../message/state.ts';

/** IN1-2, IN1-35: a plan as Coverage.class, whose value R4 requires: its code, else its name. */
export function coverageClass(part: Part): Element | undefined {
  const [code, name] = [part.get(1), part.get(2)];
  if (code === '') return name === '' ? undefined : { value: name };
  return name === '' ? { value: code } : { value: code, name };
}

/** IN1-8 and IN1-9: number and name of the insured's group. */
export function coverageGroup(node: Node): Element | undefined {
  const [number] = node.reader.parts(8);
  const [group] = node.reader.parts(9);
  const name = group === undefined || group.value.isNull ? '' : wordsOf(group);
  const value = number === undefined || number.value.isNull ? '' : number.get(1);
  if (value === '') return name === '' ? undefined : { value: name };
  return name === '' ? { value } : { value, name };
}

/** XON.1, or the name that senders put there as if it were a person's. */
function wordsOf(part: Part): string {
  if (part.count <= 1) return part.get(1);
  const isOrganization = part.peek(10) !== '' || part.peek(3) !== '' || part.peek(6) !== '';
  if (isOrganization) return part.get(1);
  part.takeAll();
  return part.peekAll().replaceAll(/[&^]+/g, ' ').trim();
}

/** IN1-3 to IN1-7: the insurer with its address, telephone and contact. @see HL7 v2-to-FHIR, IN1[Coverage] IN1-4 */
export function insurer(node: Node, run: Run): Reference | undefined {
  // Some dozens of insurers stand in all messages of a hospital.
  return run.readAndKeepFields(insurerWay, node.reader, insurerFields, () => readInsurer(node, run)) as
    | Reference
    | undefined;
}
const insurerWay = wayNamed('insurer');
const insurerFields = [3, 4, 5, 6, 7];

function readInsurer({ reader }: Node, run: Run): Reference | undefined {
  const [id] = reader.parts(3);
  const value = id?.peek(1) ?? '';
  const [name] = reader.parts(4);
  const element = elementOf(name, run, 'xon-organization', 'IN1-4');
  const title = element?.['name'] as string | undefined;
  if (value === '' && element === undefined) return undefined;
  const authority = id?.child(4);
  const key =
    value !== ''
      ? [authority?.peek(2) || authority?.peek(1) || run.facility, value]
      : organizationKey(name as Part, title ?? '', run);
  const numbers = elementsOf(reader.parts(3), run, 'CX', 'IN1-3');
  const address = elementsOf(reader.parts(5), run, 'XAD', 'IN1-5');
  const phones = telecomOf(reader.parts(7), run, 'IN1-7');
  const people = elementsOf(reader.parts(6), run, 'XPN', 'IN1-6');
  const identifier = union(numbers ?? [], (element?.['identifier'] ?? []) as Element[]);
  const draft = run.share('Organization', key, {
    ...(identifier.length > 0 && { identifier }),
    ...element,
    ...(identifier.length > 0 && { identifier }),
    ...(address && { address }),
    ...(phones && { telecom: phones }),
    ...(people && { contact: people.map((name) => ({ name })) }),
  });
  // org-1: a number that is none (a bare authority) leaves the organization without name and identifier.
  if (draft.resource['identifier'] === undefined && draft.resource['name'] === undefined)
    run.share('Organization', key, { identifier: [{ value }] });
  return title === undefined ? { reference: draft.reference } : { reference: draft.reference, display: title };
}

/** As `organization` keys one, so that an insurer named without number is the organization named elsewhere. */
function organizationKey(name: Part, title: string, run: Run): string[] {
  const id = name.peek(10) || name.peek(3);
  const authority = name.child(6);
  return id === '' ? ['name', title] : [authority.peek(2) || authority.peek(1) || run.facility, id];
}

function elementOf(part: Part | undefined, run: Run, type: string, position: string): Element | undefined {
  return part === undefined || part.value.isNull ? undefined : run.map.datatypes.get(type)?.(part, run, position);
}

/** Undefined rather than an empty list, which FHIR does not have. */
function elementsOf(parts: readonly Part[], run: Run, type: string, position: string): Element[] | undefined {
  const elements = parts.map((part) => elementOf(part, run, type, position)).filter((item) => item !== undefined);
  return elements.length === 0 ? undefined : elements;
}

function telecomOf(parts: readonly Part[], run: Run, position: string): Element[] | undefined {
  const info: RuleInfo = { position, vocabulary: undefined };
  const elements = parts
    .map((part) => (part.value.isNull ? undefined : telecom(part, run, info)))
    .filter((item) => item !== undefined);
  return elements.length === 0 ? undefined : elements;
}

function give(draft: DraftBuilder, name: string, list: readonly Element[] | undefined): void {
  if (list !== undefined) draft.add({ [name]: list });
}

/** IN1-10 and IN1-11: the employer through whom the insured has the policy. @see HL7 v2-to-FHIR, IN1[Coverage] */
export function policyHolder(node: Node, run: Run, info: RuleInfo): Reference | undefined {
  // CX.5 SN is a subscriber number, which a rule of its own takes.
  const ids = node.reader.parts(10).filter((part) => part.peek(5) !== 'SN');
  const [name] = node.reader.parts(11);
  const named = name === undefined || name.value.isNull ? undefined : organization(name, run, info);
  const identifier = elementsOf(ids, run, 'CX', 'IN1-10')?.filter((element) => element['value'] !== undefined);
  if (identifier === undefined || identifier.length === 0) return named;
  const [first] = identifier;
  const draft =
    named === undefined
      ? run.shared('Organization', [
          (first?.['system'] as string | undefined) ?? run.facility,
          first?.['value'] as string,
        ])
      : draftOf(named, run);
  draft?.add({ identifier });
  return named ?? (draft && { reference: draft.reference });
}

function draftOf({ reference }: Reference, run: Run): DraftBuilder | undefined {
  return run.drafts.find((draft) => draft.reference === reference);
}

/** GT1-16, 17, 18 and 51: whom the guarantor works for. */
export function guarantorEmployer(node: Node, run: Run): Reference | undefined {
  return employer(node, run, { segment: 'GT1', names: [51, 16], address: 17, phone: 18 });
}

/** IN2-70, 64, 49, 50 and IN1-44: whom the insured works for. */
export function insuredEmployer(node: Node, run: Run): Reference | undefined {
  const reference = employer(node, run, { segment: 'IN2', names: [70, 3], address: undefined, phone: 64 });
  const draft = reference && draftOf(reference, run);
  if (draft === undefined) return reference;
  const [name] = elementsOf(node.reader.parts(49), run, 'XPN', 'IN2-49') ?? [];
  const phones = telecomOf(node.reader.parts(50), run, 'IN2-50');
  if (name !== undefined || phones !== undefined)
    draft.add({ contact: [{ ...(name && { name }), ...(phones && { telecom: phones }) }] });
  give(draft, 'address', elementsOf(node.find('IN1')?.reader.parts(44) ?? [], run, 'XAD', 'IN1-44'));
  return reference;
}

interface EmployerFields {
  readonly segment: string;
  /** Fields that may name it, the best first. */
  readonly names: readonly number[];
  readonly address: number | undefined;
  readonly phone: number;
}

function employer(node: Node, run: Run, { segment, names, address, phone }: EmployerFields): Reference | undefined {
  const { reader } = node;
  const known = names.flatMap((field) => reader.parts(field).slice(0, 1)).filter(({ value }) => !value.isNull);
  const [title, ...others] = known.map(wordsOf).filter((name) => name !== '');
  if (title === undefined) return undefined;
  const draft = run.share('Organization', ['name', title], { name: title });
  const alias = others.filter((name) => name !== title);
  if (alias.length > 0) draft.add({ alias });
  const position = (index: number): string => `${segment}-${index}`;
  if (address !== undefined) give(draft, 'address', elementsOf(reader.parts(address), run, 'XAD', position(address)));
  give(draft, 'telecom', telecomOf(reader.parts(phone), run, position(phone)));
  return { reference: draft.reference, display: title };
}

/** GT1-21: an organization that answers for the account. */
export function guarantorName(part: Part): string | undefined {
  const name = wordsOf(part);
  return name === '' ? undefined : name;
}

/** GT1 in Account.guarantor: who, since when, and whether billing is on hold (GT1-22). */
export function guarantor(node: Node, run: Run): Element | undefined {
  const party = guarantorParty(node, run);
  if (party === undefined) return undefined;
  const { reader } = node;
  const element: Element = { party };
  const [hold, from, to] = [reader.parts(22)[0], reader.parts(13)[0], reader.parts(14)[0]];
  const isOnHold = hold?.peek(1);
  if (hold !== undefined && (isOnHold === 'Y' || isOnHold === 'N')) element['onHold'] = hold.get(1) === 'Y';
  const start = from && run.dateTime(from.peek(1));
  const end = to && run.dateTime(to.peek(1));
  if (typeof start === 'string') from?.take(1);
  // R4 per-1: a period that is sent the wrong way round is no period.
  const isEnd = typeof end === 'string' && !(typeof start === 'string' && Date.parse(end) < Date.parse(start));
  if (isEnd) to?.take(1);
  if (typeof start === 'string' || isEnd)
    element['period'] = { ...(typeof start === 'string' && { start }), ...(isEnd && { end }) };
  return element;
}

/** The person or organization made of GT1, or the patient, who answers for himself. */
function guarantorParty(node: Node, run: Run): Reference | undefined {
  const party = node.drafts[0] ?? run.nearest('Patient', node);
  return party && { reference: party.reference };
}

/** Who pays where no insurer does: the guarantor. */
export function selfPay(node: Node, run: Run): Reference | undefined {
  const found = node.find('GT1');
  return found && guarantorParty(found, run);
}

/** IN1 in Account.coverage, in the order of IN1-22 or, without it, as they were sent. */
export function accountCoverage(node: Node): Element | undefined {
  const coverage = node.drafts.find(({ type, mode }) => type === 'Coverage' && mode !== 'delete');
  if (coverage === undefined) return undefined;
  const rank = node.reader.key(22) || node.reader.key(1);
  const priority = /^0*[1-9]\d{0,8}$/.test(rank) ? { priority: Number(rank) } : undefined;
  return { coverage: { reference: coverage.reference }, ...priority };
}

/** CDM-1: a URL for the definition of a charge, within its owner. */
export function chargeUrl(part: Part, run: Run): string | undefined {
  const code = part.peek(1).trim();
  if (code === '') return undefined;
  return `${localUri(run.context.owner, 'coding-system', 'CDM')}/${encodeURIComponent(code)}`;
}
