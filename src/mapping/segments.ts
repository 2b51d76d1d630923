/** Elements that are made of several fields of a segment. */
import { toConcept } from './concepts.ts';
import { controlIdSystem, dataAbsentReasonUrl, Extended } from './extensions.ts';
import type { RuleInfo } from './functions.ts';
import type { Node } from './nesting.ts';
import type { Part } from './part.ts';
import { addressOf, organization, practitioner } from './parties.ts';
import type { Element, Reference, Run } from './state.ts';

const participantType = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

/** NTE as Annotation; repetitions of NTE-3 are lines. @see HL7 v2-to-FHIR, NTE[Observation] */
export function note(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const lines = node.reader.parts(3);
  const text = lines.map((line) => (line.value.isNull ? '' : line.peekAll())).join('\n');
  if (text.trim() === '') return undefined;
  for (const line of lines) line.takeAll();
  const annotation: Element = {};
  const [author] = node.reader.parts(5);
  const reference = author && practitioner(author, run, info);
  if (reference !== undefined) annotation['authorReference'] = reference;
  const [entered] = node.reader.parts(6);
  const time = entered && run.dateTime(entered.peek(1));
  if (typeof time === 'string') {
    entered?.take(1);
    annotation['time'] = time;
  }
  annotation['text'] = text;
  return annotation;
}

/** DG1 as Encounter.diagnosis of the visit it came with. @see HL7 v2-to-FHIR, DG1[Encounter] */
export function encounterDiagnosis(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const condition = node.drafts.find((draft) => draft.type === 'Condition');
  if (condition === undefined) return undefined;
  const diagnosis: Element = { condition: { reference: condition.reference } };
  const [type] = node.reader.parts(6);
  const use = type && toConcept(type, run, info);
  if (use !== undefined) diagnosis['use'] = use;
  const [priority] = node.reader.parts(15);
  if (priority !== undefined && /^[1-9]\d{0,3}$/.test(priority.peek(1))) diagnosis['rank'] = Number(priority.get(1));
  return diagnosis;
}

/** OBX-23 and OBX-24: the laboratory and its address. @see HL7 v2-to-FHIR, OBX[Observation] OBX-23 */
export function performingOrganization(node: Node, run: Run, info: RuleInfo): Reference | undefined {
  const [name] = node.reader.parts(23);
  const reference = name && organization(name, run, info);
  if (reference === undefined) return undefined;
  const [address] = node.reader.parts(24);
  const element = address && run.map.datatypes.get('XAD')?.(address, run, 'OBX-24');
  addressOf(
    run.drafts.find((draft) => draft.reference === reference.reference),
    element,
  );
  return reference;
}

/** MSH-9: what happened, as code and as sent. @see HL7 v2-to-FHIR, MSH[Provenance-Source] MSH-9 */
export function activity(node: Node, run: Run): Element {
  const [type] = node.reader.parts(9);
  type?.takeAll();
  const coding = { system: 'http://terminology.hl7.org/CodeSystem/v2-0003', code: run.event };
  return type === undefined ? { coding: [coding] } : { coding: [coding], text: type.peekAll() };
}

/** MSH-10: the message itself, by its control id. */
export function messageEntity(node: Node): Element | undefined {
  const [controlId] = node.reader.parts(10);
  if (controlId === undefined || controlId.value.isNull) return undefined;
  const value = controlId.peekAll();
  controlId.takeAll();
  return { role: 'source', what: { identifier: { system: controlIdSystem, value } } };
}

/** The organization that owns what the endpoint sends, by the name that its messages use (MSH-4). */
export function ownerAgent(node: Node, run: Run): Element {
  const who: Reference = { reference: run.context.owner };
  const [facility] = node.reader.parts(4);
  if (facility !== undefined && facility.peek(1) !== '') {
    who.display = facility.child(1).peek(1);
    facility.child(1).take(1);
  }
  return { type: { coding: [{ system: participantType, code: 'author', display: 'Author' }] }, who };
}

/** The status that the event gives a visit; undefined for events that do not move it. @see MSH[Encounter] MSH-9 */
export function eventStatus(_node: Node, run: Run, { vocabulary }: RuleInfo): string | undefined {
  return vocabulary?.entries.get(run.event)?.code;
}

/** IN1-3, IN1-4, IN1-5: the insurer. @see HL7 v2-to-FHIR, IN1[Coverage] IN1-4 */
export function insurer(node: Node, run: Run): Reference | undefined {
  const [id] = node.reader.parts(3);
  const [name] = node.reader.parts(4);
  const [address] = node.reader.parts(5);
  const [value, title] = [id?.peek(1) ?? '', name?.peek(1) ?? ''];
  if (value === '' && title === '') return undefined;
  const draft = run.shared(
    'Organization',
    value === '' ? ['name', title] : [id?.child(4).peek(1) || run.facility, value],
  );
  const identifier = id && run.map.datatypes.get('CX')?.(id, run, 'IN1-3');
  draft.add({
    ...(identifier && { identifier: [identifier] }),
    ...(title === '' ? undefined : { name: name?.get(1) }),
  });
  addressOf(draft, address && run.map.datatypes.get('XAD')?.(address, run, 'IN1-5'));
  return title === '' ? { reference: draft.reference } : { reference: draft.reference, display: title };
}

/** SPS: type, additive, site and condition of a specimen in one field. @see HL7 v2-to-FHIR, SPS[Specimen-Source] */
export function specimenSource(part: Part, run: Run, info: RuleInfo): Element | undefined {
  const type = toConcept(part.child(1), run, { ...info, vocabulary: run.map.vocabularies.get('specimen-type') });
  const additive = toConcept(part.child(2), run, {
    ...info,
    vocabulary: run.map.vocabularies.get('specimen-additive'),
  });
  const site = toConcept(part.child(4), run, { ...info, vocabulary: run.map.vocabularies.get('body-site') });
  const condition = toConcept(part.child(6), run, {
    ...info,
    vocabulary: run.map.vocabularies.get('specimen-condition'),
  });
  const remark = part.get(3);
  return {
    ...(type && { type }),
    ...(site && { collection: { bodySite: site } }),
    ...(additive && { container: [{ additiveCodeableConcept: additive }] }),
    ...(condition && { condition: [condition] }),
    ...(remark === '' ? undefined : { note: [{ text: remark }] }),
  };
}

/** A required element that the message does not give. */
export function absent(): Extended {
  return new Extended(undefined, [{ url: dataAbsentReasonUrl, valueCode: 'unknown' }]);
}
