/** The conditions of rules as closures: equals, in, exists, and, or, not. */
import type { Node } from '../message/nesting.ts';
import type { Part } from '../message/part.ts';
import { invalid } from '../../fhir/yaml-table.ts';
import type { Condition } from '../table.ts';

export type Test<S> = (source: S) => boolean;
type Read<S> = (source: S) => string;

/** How a condition reads what it is about. */
export interface Reads<S> {
  /** Compiles a position to the text there: its first component, or all of it. */
  readonly text: (position: string, all?: boolean) => Read<S>;
  /** The event of the message. */
  readonly event: Read<S>;
  /** The name of the segment that this one nests in. */
  readonly parent: Read<S>;
}

export function compileCondition<S>(condition: Condition, reads: Reads<S>): Test<S> {
  const { text: read, event, parent } = reads;
  if ('under' in condition) {
    const names = new Set(condition.under);
    return (source) => names.has(parent(source));
  }
  if ('event' in condition) {
    const events = new Set(condition.event);
    return (source) => events.has(event(source));
  }
  if ('exists' in condition) {
    const text = read(condition.exists, true);
    return (source) => text(source) !== '';
  }
  if ('equals' in condition) {
    const [text, expected] = [read(condition.equals[0]), condition.equals[1]];
    return (source) => text(source) === expected;
  }
  if ('in' in condition) {
    const [text, expected] = [read(condition.in[0]), new Set(condition.in[1])];
    return (source) => expected.has(text(source));
  }
  if ('not' in condition) {
    const inner = compileCondition(condition.not, reads);
    return (source) => !inner(source);
  }
  if ('and' in condition) {
    const inner = condition.and.map((item) => compileCondition(item, reads));
    return (source) => inner.every((test) => test(source));
  }
  const inner = condition.or.map((item) => compileCondition(item, reads));
  return (source) => inner.some((test) => test(source));
}

export interface Position {
  readonly segment: string;
  readonly field: number;
  readonly component: number;
  readonly subcomponent: number;
}

/** `PV1-3.4.1` -> its numbers; 0 where the position does not go so deep. */
export function parsePosition(text: string): Position {
  const [segment = '', rest = ''] = text.split('-');
  const [field = 0, component = 0, subcomponent = 0] = rest === '' ? [] : rest.split('.').map(Number);
  return { segment, field, component, subcomponent };
}

/** Conditions over a segment and what belongs to it. */
export const readsOfSegment: Reads<Node> = {
  text: readSegment,
  event: (node) => node.root.event,
  parent: (node) => node.parent?.name ?? '',
};

/** Text at a position of a segment map, in that segment or one that belongs to it (`OBR-3` from an ORC map). */
function readSegment(position: string, all = false): Read<Node> {
  const { segment, field, component, subcomponent } = parsePosition(position);
  if (field === 0) return (node) => (node.has(segment) ? segment : '');
  return (node) => {
    const reader = node.find(segment)?.reader;
    if (reader === undefined) return '';
    if (component === 0) return all ? reader.whole(field) : reader.key(field);
    const [part] = reader.parts(field);
    if (part === undefined || part.value.isNull) return '';
    return subcomponent === 0 ? part.peek(component) : part.child(component).peek(subcomponent);
  };
}

/** Conditions over a field: positions of a data type map are `CX.4`, `XAD.1.2`. */
export function readsOfPart(source: string, at: string): Reads<Part> {
  const none = (): never => {
    throw invalid(at, 'a data type knows no message around it');
  };
  return { text: readPart(source, at), event: none, parent: none };
}

function readPart(source: string, at: string): (position: string) => Read<Part> {
  return (position) => {
    const [type, component = 0, subcomponent = 0] = position
      .split('.')
      .map((text, index) => (index === 0 ? text : Number(text)));
    if (type !== source) throw invalid(at, `${position} is not in ${source}`);
    if (component === 0) return (part) => part.peekAll();
    if (subcomponent === 0) return (part) => part.peek(component as number);
    return (part) => part.child(component as number).peek(subcomponent as number);
  };
}
