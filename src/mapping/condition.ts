/** The conditions of rules as closures: equals, in, exists, and, or, not. */
import type { Node } from './nesting.ts';
import type { Part } from './part.ts';
import { invalid, type Condition } from './table.ts';

export type Test<S> = (source: S) => boolean;
type Read<S> = (source: S) => string;

/** @param read compiles a position to the text there: its first component, or all of it */
export function compileCondition<S>(condition: Condition, read: (position: string, all?: boolean) => Read<S>): Test<S> {
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
    const inner = compileCondition(condition.not, read);
    return (source) => !inner(source);
  }
  if ('and' in condition) {
    const inner = condition.and.map((item) => compileCondition(item, read));
    return (source) => inner.every((test) => test(source));
  }
  const inner = condition.or.map((item) => compileCondition(item, read));
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

/** Text at a position of a segment map, in that segment or one that belongs to it (`OBR-3` from an ORC map). */
export function readSegment(position: string, all = false): Read<Node> {
  const { segment, field, component, subcomponent } = parsePosition(position);
  if (field === 0) return (node) => (node.find(segment) === undefined ? '' : segment);
  return (node) => {
    const reader = node.find(segment)?.reader;
    if (reader === undefined) return '';
    if (component === 0) return all ? reader.whole(field) : reader.key(field);
    const [part] = reader.parts(field);
    if (part === undefined || part.value.isNull) return '';
    return subcomponent === 0 ? part.peek(component) : part.child(component).peek(subcomponent);
  };
}

/** Text at a position of a data type map: `CX.4`, `XAD.1.2`. */
export function readPart(source: string, at: string): (position: string) => Read<Part> {
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
