/**
 * Documents in messages, byte for byte. What is encapsulated (ED) becomes a Binary of its own, which names its DocumentReference
 * as security context: it is read by whom the document may be read, and a page of documents does not carry their megabytes.
 * Text (TX, FT and the like) stays in the DocumentReference, where it is found.
 *
 * @see HL7 v2.5.1 section 9.6 (MDM) and HL7 v2-to-FHIR, MDM_T02, OBX[DocumentReference]
 */
import { hash } from 'node:crypto';
import { deriveId } from '../../fhir/ids.ts';
import { toConcept } from './concepts.ts';
import { decodeEncapsulated, encapsulatedAs, mediaType } from './encapsulated.ts';
import { hubExtension } from './extensions.ts';
import { patientOf } from '../keys.ts';
import type { Node } from '../message/nesting.ts';
import { pointerAttachment } from './observation.ts';
import { entityIdentifier } from './parties.ts';
import type { Part } from '../message/part.ts';
import type { DraftBuilder, Element, Run } from '../message/state.ts';

/** TXA-3 (HL70191, and what senders write): how the text of the OBX is meant. */
const presentations: Readonly<Record<string, string>> = { RTF: 'text/rtf', HTML: 'text/html', XML: 'text/xml' };

/** The contents of a document, in the order of its OBX: objects, pointers, and the text of each section (OBX-3). */
export function documentContent(node: Node, run: Run): Element[] {
  const document = node.drafts.find(({ type }) => type === 'DocumentReference');
  const contents: Element[] = [];
  for (const section of sectionsOf(node)) {
    const [first] = section as [Node];
    const type = first.reader.peek(2);
    takeRepeated(section);
    if (type === 'ED' && document !== undefined) {
      for (const object of objectsIn(section))
        contents.push(binaryContent(object, contents.length, document, node, run));
    } else if (type === 'RP') contents.push(...pointersIn(section, run));
    else contents.push(...textContent(section, node, run));
  }
  return contents;
}

/** OBX that follow each other with the same type and code: the parts, or the lines, of one thing. */
function sectionsOf(node: Node): Node[][] {
  const sections: Node[][] = [];
  let before = '';
  for (const observation of node.children.filter(({ name }) => name === 'OBX')) {
    const { reader } = observation;
    const key = `${kindOf(reader.peek(2))} ${reader.whole(3)}`;
    if (key === before) sections.at(-1)?.push(observation);
    else sections.push([observation]);
    before = key;
  }
  return sections;
}

function kindOf(type: string): string {
  return type === 'ED' || type === 'RP' ? type : 'text';
}

/** An encapsulated object, put together from the parts it was sent in. */
interface EncapsulatedObject {
  readonly node: Node;
  readonly part: Part;
  readonly parts: Part[];
  readonly encoding: string;
  text: string;
}

function objectsIn(section: readonly Node[]): EncapsulatedObject[] {
  const objects: EncapsulatedObject[] = [];
  for (const node of section) {
    for (const part of node.reader.parts(5)) {
      const text = part.peek(5);
      const open = objects.at(-1);
      if (open !== undefined && continues(open, part)) {
        open.text += text;
        open.parts.push(part);
      } else if (text !== '') objects.push({ node, part, parts: [part], encoding: part.peek(4).toLowerCase(), text });
    }
  }
  return objects;
}

/** So many characters tell one format from another: `%PDF`, `{\rt`, `<htm`. */
const signatureChars = 5;

/**
 * Whether a part goes on with the object before it (HL7 v2.5.1 section 2.A.24 leaves division to the sites): the object has not
 * ended (padding ends Base64), and the part does not begin like it, as a second document of the kind would.
 */
function continues(open: EncapsulatedObject, part: Part): boolean {
  const text = part.peek(5);
  const encoding = part.peek(4).toLowerCase();
  const isSameKind = encoding === '' || encoding === open.encoding;
  return isSameKind && !open.text.endsWith('=') && text.slice(0, signatureChars) !== open.text.slice(0, signatureChars);
}

function binaryContent(
  { node, part, parts, encoding, text }: EncapsulatedObject,
  index: number,
  document: DraftBuilder,
  holder: Node,
  run: Run,
): Element {
  const bytes = decodeEncapsulated(text, encoding);
  // Kept as it came where it is not what its encoding says: a text is better than nothing.
  const content = bytes ?? Buffer.from(text);
  for (const one of parts) {
    one.take(4);
    one.take(5);
  }
  const contentType =
    mediaType(part, 2) ?? presentedAs(holder) ?? (bytes === undefined ? plain : 'application/octet-stream');
  const patient = patientOf(node, run);
  // By the document and the place in it: the same document again is the same Binary, with the content of the day.
  const id = deriveId(patient?.bucket, ['Binary', document.reference, String(index)]);
  const draft = run.draft('Binary', id, 'replace');
  Object.assign(draft.resource, {
    contentType,
    securityContext: { reference: document.reference },
    data: content.toString('base64'),
  });
  const sha1 = hash('sha1', content, 'base64');
  const about = { ...titleOf(node, holder), ...creationOf(node, run) };
  // The first part says how it was sent; the others repeat it, or leave it out.
  const [sent] = parts.map((one) => {
    one.take(5);
    return encapsulatedAs(one);
  });
  return contentOf(node, run, {
    ...sent,
    contentType,
    url: draft.reference,
    size: content.length,
    hash: sha1,
    ...about,
  });
}

function pointersIn(section: readonly Node[], run: Run): Element[] {
  return section.flatMap((node) =>
    node.reader
      .parts(5)
      .map(pointerAttachment)
      .filter((attachment) => attachment !== undefined)
      .map((attachment) => contentOf(node, run, { ...attachment, ...creationOf(node, run) })),
  );
}

const sectionUrl = hubExtension('document-section');

/** OBX-3 says what this part of the document is, OBX-11 how final; R4 has no elements for that beside the title. */
function contentOf({ reader }: Node, run: Run, attachment: Element): Element {
  const [part] = reader.parts(3);
  const code = part && toConcept(part, run, { position: 'OBX-3', vocabulary: undefined });
  const status = reader.peek(11);
  const extension: Element[] = code === undefined ? [] : [{ url: sectionUrl, valueCodeableConcept: code }];
  if (/^[A-Z]$/.test(status)) {
    reader.take(11);
    extension.push({ url: hubExtension('result-status'), valueCode: status });
  }
  const subId = reader.peek(4);
  if (subId !== '') {
    reader.take(4);
    extension.push({ url: hubExtension('document-sub-id'), valueString: subId });
  }
  return extension.length === 0 ? { attachment } : { extension, attachment };
}

/** Code, sub-id, status and time that each line of a section says again: its first one has said them. */
const repeated = [3, 4, 11, 14];

function takeRepeated([first, ...others]: readonly Node[]): void {
  for (const { reader } of others) {
    for (const field of repeated) {
      const [part] = reader.parts(field);
      if (part !== undefined && part.value.raw === first?.reader.parts(field)[0]?.value.raw) part.takeAll();
    }
  }
}

function creationOf({ reader }: Node, run: Run): Element {
  const value = run.dateTime(reader.peek(14));
  if (typeof value !== 'string') return {};
  reader.take(14);
  return { creation: value };
}

const plain = 'text/plain; charset=utf-8';

/** Lines of text: each OBX, and each repetition in it, is one; notes below say more. */
function textContent(section: readonly Node[], holder: Node, run: Run): Element[] {
  const lines = section.flatMap((node) => [...linesOf(node), ...notesOf(node)]);
  if (lines.every((line) => line.trim() === '')) return [];
  const type = presentedAs(holder);
  const contentType = type === undefined ? plain : `${type}; charset=utf-8`;
  const data = Buffer.from(lines.join('\n')).toString('base64');
  const [first] = section as [Node];
  return [contentOf(first, run, { contentType, data, ...titleOf(first, holder), ...creationOf(first, run) })];
}

function presentedAs(holder: Node): string | undefined {
  const presentation = holder.reader.peek(3);
  return /^\w+\/[\w.+-]+$/.test(presentation) ? presentation.toLowerCase() : presentations[presentation.toUpperCase()];
}

function linesOf({ reader }: Node): string[] {
  return reader.parts(5).map((part) => {
    part.takeAll();
    return part.value.isNull ? '' : part.peekAll();
  });
}

/** @see HL7 v2-to-FHIR, NTE[DocumentReference] */
function notesOf(node: Node): string[] {
  return node.children
    .filter(({ name }) => name === 'NTE')
    .flatMap(({ reader }) => reader.parts(3))
    .map((part) => {
      part.takeAll();
      return part.peekAll();
    });
}

/** The section's own name, else the document's title, else its file name. */
function titleOf(node: Node, holder: Node): Element {
  const [code] = node.reader.parts(3);
  const title = code?.peek(2) || holder.reader.peek(25) || holder.reader.peek(16);
  return title === '' || title === undefined ? {} : { title };
}

/** Events that replace what TXA-13 names; others add to it. @see HL7 v2.5.1 sections 9.6.7 to 9.6.12 */
const replacing = new Set(['T07', 'T08', 'T09', 'T10']);

export function documentParent(part: Part, run: Run): Element | undefined {
  const identifier = entityIdentifier(part, run);
  if (identifier === undefined) return undefined;
  return { code: replacing.has(run.event) ? 'replaces' : 'appends', target: { identifier } };
}

/** TXA-22.15: when the document was authenticated. */
export function authenticationInstant(part: Part, run: Run): unknown {
  const value = run.instant(part.peek(15));
  if (value !== undefined) part.take(15);
  return value;
}
