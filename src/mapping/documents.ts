/**
 * Documents in messages, byte for byte: encapsulated data (ED) as it was sent, text of many OBX as one text. The content stays in its
 * DocumentReference, so that it is protected exactly as the document is.
 *
 * @see HL7 v2.5.1 section 9.6 (MDM) and HL7 v2-to-FHIR, MDM_T02
 */
import type { Node } from './nesting.ts';
import { encapsulatedAttachment, pointerAttachment } from './observation.ts';
import { entityIdentifier } from './parties.ts';
import type { Part } from './part.ts';
import type { Element, Run } from './state.ts';

/** TXA-3 says what the document is presented as; the text of OBX is plain unless it says otherwise. */
const presentations: Readonly<Record<string, string>> = {
  TX: 'text/plain',
  FT: 'text/plain',
  TEXT: 'text/plain',
  RTF: 'text/rtf',
  HTML: 'text/html',
  PDF: 'application/pdf',
};

/**
 * The contents of the OBX after a TXA: each encapsulated object, pointer and type of text is one. Objects that were divided over OBX with
 * the same code and sub-id are joined; text lines are joined with line ends.
 */
export function documentContent(node: Node, _run: Run): Element[] {
  const contents: Element[] = [];
  const lines: string[] = [];
  let open: Divided | undefined;
  for (const observation of node.children.filter(({ name }) => name === 'OBX')) {
    const { reader } = observation;
    const type = reader.peek(2);
    if (type === 'ED') {
      for (const part of reader.parts(5)) {
        if (open !== undefined && open.key === keyOf(observation) && continues(open, part)) continue;
        open = encapsulated(observation, part, contents);
      }
      continue;
    }
    open = undefined;
    if (type === 'RP') pointers(observation, contents);
    else lines.push(...linesOf(observation));
  }
  const formatted = titleOf(node);
  if (lines.length > 0) {
    const contentType = presentations[node.reader.peek(3).toUpperCase()] ?? 'text/plain';
    const data = Buffer.from(lines.join('\n')).toString('base64');
    contents.push({ attachment: { contentType: `${contentType}; charset=utf-8`, data, ...formatted } });
  }
  // R4 requires a content: a notification (T01) announces a document without it.
  if (contents.length === 0)
    contents.push({ attachment: Object.keys(formatted).length === 0 ? { title: 'document' } : formatted });
  return contents;
}

interface Divided {
  readonly key: string;
  readonly attachment: Element;
  text: string;
}

/** Code and sub-id: parts of one object have both in common. */
function keyOf({ reader }: Node): string {
  return `${reader.whole(3)} ${reader.peek(4)}`;
}

function encapsulated(node: Node, part: Part, contents: Element[]): Divided | undefined {
  const attachment = encapsulatedAttachment(part);
  if (attachment === undefined) return undefined;
  const title = node.reader.whole(3).split('^')[1];
  contents.push({ attachment: { ...attachment, ...(title === undefined || title === '' ? undefined : { title }) } });
  const held = (contents.at(-1) as { attachment: Element }).attachment;
  return { key: keyOf(node), attachment: held, text: part.peek(5) };
}

/** A further part of a Base64 text that was cut: only where the first did not end, which padding or a full group would say. */
function continues(open: Divided, part: Part): boolean {
  const text = part.peek(5);
  const isCut =
    part.peek(4).toLowerCase() === 'base64' && !open.text.endsWith('=') && /^[A-Za-z0-9+/]+={0,2}$/.test(text);
  if (!isCut) return false;
  open.text += text;
  open.attachment['data'] = open.text;
  part.takeAll();
  return true;
}

function pointers({ reader }: Node, contents: Element[]): void {
  for (const part of reader.parts(5)) {
    const attachment = pointerAttachment(part);
    if (attachment !== undefined) contents.push({ attachment });
  }
}

/** Each repetition of a TX or FT is a line. */
function linesOf({ reader }: Node): string[] {
  return reader.parts(5).map((part) => {
    if (part.value.isNull) return '';
    const text = part.peekAll();
    part.takeAll();
    return text;
  });
}

function titleOf(node: Node): Element {
  const title = node.reader.peek(25) || node.reader.peek(16);
  return title === '' ? {} : { title };
}

/** TXA-13: the document that this one replaces (T09, T10), corrects (T05 to T08) or adds to (T03, T04 of a parent: T05, T06). */
export function documentParent(part: Part, run: Run): Element | undefined {
  const identifier = entityIdentifier(part, run);
  if (identifier === undefined) return undefined;
  const isAddendum = run.event === 'T05' || run.event === 'T06';
  return { code: isAddendum ? 'appends' : 'replaces', target: { identifier } };
}

/** TXA-22.15: when the document was authenticated. */
export function authenticationInstant(part: Part, run: Run): unknown {
  const value = run.instant(part.peek(15));
  if (value !== undefined) part.take(15);
  return value;
}
