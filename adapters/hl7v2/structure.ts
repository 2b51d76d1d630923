/**
 * An inbound message against the standard of its version: what is missing, unknown, or longer than printed. A report for whoever
 * connects a hospital, never a reason to refuse: real senders leave out what is required and send what is not.
 */
import type { Hl7Message, Hl7Segment } from '../../src/ingest/contract.ts';

export interface StructureIssue {
  /** `PID`, `PID-3`. */
  readonly position: string;
  readonly what: string;
}

interface FieldShape {
  readonly desc: string;
  readonly opt?: string;
  readonly rep?: number | string;
  readonly len?: number;
}
interface GroupShape {
  readonly min?: number;
  readonly segments?: Readonly<Record<string, GroupShape>>;
}
interface Shape {
  readonly segments: Readonly<Record<string, { readonly fields: Readonly<Record<string, FieldShape>> }>>;
  readonly messages: Readonly<Record<string, GroupShape>>;
}

/** A report is read by a person. */
const issuesMax = 200;
/** Of a message whose version says nothing, or one that the dictionary does not have. */
const usualVersion = '2.5.1';

/** Loads the dictionary when it is first asked: it takes longer than ten thousand messages. */
export async function checkStructure(message: Hl7Message): Promise<StructureIssue[]> {
  const { dictionaries } = await import('hl7v2-dictionary');
  const shapes = dictionaries as unknown as Readonly<Record<string, Shape>>;
  const version = message.first('MSH')?.text(12) ?? '';
  const shape = Object.hasOwn(shapes, version) ? shapes[version] : shapes[usualVersion];
  if (shape === undefined) return [];
  const issues = [
    ...missingSegments(message, shape),
    ...message.segments.flatMap((one) => [...checkSegment(one, shape)]),
  ];
  return issues.slice(0, issuesMax);
}

function* missingSegments(message: Hl7Message, { messages }: Shape): Generator<StructureIssue> {
  const type = message.first('MSH')?.field(9)[0];
  const names = [type?.get(3) ?? '', `${type?.get(1)}_${type?.get(2)}`];
  const name = names.find((one) => Object.hasOwn(messages, one));
  if (name === undefined) yield { position: 'MSH-9', what: 'the standard has no structure of this name' };
  else {
    for (const segment of requiredOf(messages[name] as GroupShape)) {
      if (message.first(segment) === undefined) yield { position: segment, what: `${name} requires it` };
    }
  }
}

/** Segments that stand in every message: required, in groups that are required. */
function* requiredOf({ segments = {} }: GroupShape): Generator<string> {
  for (const [name, part] of Object.entries(segments)) {
    if ((part.min ?? 0) === 0) continue;
    if (part.segments !== undefined) yield* requiredOf(part);
    else yield name;
  }
}

function* checkSegment(segment: Hl7Segment, { segments }: Shape): Generator<StructureIssue> {
  const { name } = segment;
  if (!Object.hasOwn(segments, name)) {
    if (!name.startsWith('Z')) yield { position: name, what: 'the standard has no such segment' };
    return;
  }
  const fields = (segments[name] as Shape['segments'][string]).fields;
  for (const [number, { desc, opt, rep, len }] of Object.entries(fields)) {
    const values = segment.field(Number(number));
    const position = `${name}-${number}`;
    if (opt === 'R' && values.length === 0) yield { position, what: `${desc}: required` };
    if (typeof rep === 'number' && rep > 0 && values.length > rep)
      yield { position, what: `${desc}: at most ${rep} times` };
    if (len !== undefined && len > 0 && values.some(({ raw }) => raw.length > len)) {
      yield { position, what: `${desc}: longer than ${len} characters` };
    }
  }
  const last = Math.max(...Object.keys(fields).map(Number));
  if (segment.fieldCount > last)
    yield { position: `${name}-${segment.fieldCount}`, what: `the last field is ${name}-${last}` };
}
