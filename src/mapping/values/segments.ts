/** Elements that are made of several fields of a segment. */
import { toConcept } from './concepts.ts';
import { telecom } from './contact.ts';
import { controlIdSystem, dataAbsentReasonUrl, Extended, hubExtension } from './extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import type { Part } from '../message/part.ts';
import { addressOf, entityIdentifier, location, organization, practitioner } from './parties.ts';
import type { Element, Reference, Run } from '../message/state.ts';

const participantType = 'http://terminology.hl7.org/CodeSystem/provenance-participant-type';

/** NTE as Annotation; repetitions of NTE-3 are lines. @see HL7 v2-to-FHIR, NTE[Observation] */
export function note(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const lines = node.reader.parts(3);
  const text = lines.map((line) => (line.value.isNull ? '' : line.peekAll())).join('\n');
  if (text.trim() === '') return undefined;
  for (const line of lines) line.takeAll();
  const annotation: Element = {};
  const extension = [
    ...codedBeside(node, run, 2, 'note-source'),
    ...codedBeside(node, run, 4, 'note-type'),
    ...codedBeside(node, run, 9, 'coded-note'),
  ];
  if (extension.length > 0) annotation['extension'] = extension;
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

/** A code that R4's element has no place for, as an extension of the hub's own. */
function codedBeside(node: Node, run: Run, field: number, name: string): Element[] {
  const [part] = node.reader.parts(field);
  const concept = part && toConcept(part, run, { position: `${node.name}-${field}`, vocabulary: undefined });
  return concept === undefined ? [] : [{ url: hubExtension(name), valueCodeableConcept: concept }];
}

/** SFT: the software that made the message, as a device that took part. @see HL7 v2-to-FHIR, SFT[MessageHeader.source] */
export function softwareAgent(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const { reader } = node;
  const [vendor] = reader.parts(1);
  const [version, product, build, about] = [2, 3, 4, 5].map((field) => reader.whole(field));
  if (!product && !version) return undefined;
  const maker = vendor && organization(vendor, run, info);
  const key = [maker?.display ?? '', product ?? '', version ?? '', build ?? ''];
  const notes = about ? [{ text: about }] : undefined;
  const draft = run.share('Device', key, {
    ...(maker?.display === undefined ? undefined : { manufacturer: maker.display }),
    ...(product ? { deviceName: [{ name: product, type: 'model-name' }] } : undefined),
    ...(version ? { version: [{ value: version }] } : undefined),
    ...(build ? { identifier: [{ value: build }] } : undefined),
    ...(notes && { note: notes }),
  });
  const [installed] = reader.parts(6);
  const time = installed && run.dateTime(installed.peek(1));
  if (typeof time === 'string') {
    installed?.take(1);
    draft.add({ extension: [{ url: hubExtension('installed'), valueDateTime: time }] });
  }
  for (const field of [2, 3, 4, 5]) for (const part of reader.parts(field)) part.takeAll();
  return {
    type: { coding: [{ system: participantType, code: 'assembler', display: 'Assembler' }] },
    who: { reference: draft.reference, ...(product ? { display: product } : undefined) },
  };
}

/** PRT: somebody, or something, that took part in what the segment before says. @see HL7 v2.7 section 7.3.4 */
export function participation(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const { reader } = node;
  const extension: Element[] = [];
  const add = (url: string, kind: string, value: unknown): void => {
    if (value !== undefined) extension.push({ url, [`value${kind}`]: value });
  };
  const each = (field: number, read: (part: Part) => unknown): unknown[] => reader.parts(field).map(read);
  for (const value of each(4, (part) => toConcept(part, run, info))) add('function', 'CodeableConcept', value);
  for (const value of each(5, (part) => practitioner(part, run, info))) add('person', 'Reference', value);
  for (const value of each(6, (part) => toConcept(part, run, info))) add('provider-type', 'CodeableConcept', value);
  for (const value of each(7, (part) => toConcept(part, run, info))) add('unit-type', 'CodeableConcept', value);
  for (const value of each(8, (part) => organization(part, run, info))) add('organization', 'Reference', value);
  for (const value of each(9, (part) => location(part, run))) add('location', 'Reference', value);
  for (const value of each(10, (part) => entityIdentifier(part, run))) add('device', 'Identifier', value);
  for (const [field, url] of [
    [11, 'begin'],
    [12, 'end'],
  ] as const) {
    const [part] = reader.parts(field);
    const value = part && run.dateTime(part.peek(1));
    if (typeof value === 'string') part?.take(1);
    if (typeof value === 'string') add(url, 'DateTime', value);
  }
  for (const value of each(13, (part) => toConcept(part, run, info))) add('role-type', 'CodeableConcept', value);
  const address = run.map.datatypes.get('XAD');
  for (const value of each(14, (part) => address?.(part, run, 'PRT-14'))) add('address', 'Address', value);
  for (const value of each(15, (part) => telecom(part, run, info))) add('telecom', 'ContactPoint', value);
  for (const field of [1, 16, 17, 18, 19, 20, 21, 22]) {
    const text = reader.whole(field);
    if (text !== '') for (const part of reader.parts(field)) part.takeAll();
    if (text !== '') add(`PRT-${field}`, 'String', text);
  }
  const action = reader.peek(2);
  if (action !== '') {
    reader.take(2);
    add('action', 'Code', action);
  }
  return extension.length === 0 ? undefined : { url: hubExtension('participation'), extension };
}

/** OBX-23 and OBX-24: the laboratory and its address. @see HL7 v2-to-FHIR, OBX[Observation] OBX-23 */
export function performingOrganization(node: Node, run: Run, info: RuleInfo): Reference | undefined {
  if (node.reader.isAbsent(23)) return undefined;
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
