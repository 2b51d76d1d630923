/**
 * Where a rule's value goes: an element path, compiled once. `name[]` adds an element for each value, `[0]` is one
 * certain element, a plain name is a single element that the first rule with a value sets and later ones leave alone.
 */
import { type Accessors, generateAccessors, type PathStep } from './accessors.ts';
import { Extended } from '../values/extensions.ts';
import type { Element } from '../message/state.ts';

export interface Target {
  /** The element of the resource itself that holds the value: `period` of `Encounter.period.start`; '' for the whole. */
  readonly top: string;
  /** What is removed when the sender removes the value: `top`, or of a divisible element the part (`period.end`). */
  readonly removes: string;
  /** The same when that element is the whole path, and nothing stands beside its value; then `put` never refuses. */
  readonly element: string | undefined;
  /** True when every value gets an element of its own. */
  readonly isMany: boolean;
  isSet(root: Element): boolean;
  /** False when the element cannot hold the value (an end before its start), which then stays where it was. */
  put(root: Element, value: unknown): boolean;
}

/** @param path checked by table.ts, e.g. `Encounter.participant[].individual` */
export function compileTarget(path: string, constants: Readonly<Element> | undefined): Target {
  const steps = path.split('.').slice(1).map(parseStep);
  const [first] = steps;
  const last = steps.at(-1);
  if (first === undefined || last === undefined) return whole;
  const isMany = steps.some((step) => step.mode === 'new');
  const beside = constants === undefined ? undefined : deepFreeze(constants);
  const way = steps.slice(0, -1);
  const isEnd = last.name === 'end' && !isMany && way.length > 0;
  // Made when first used: most of the tables' paths are in segments that a hospital does not send.
  let made: Accessors | undefined;
  const accessors = (): Accessors => (made ??= generateAccessors(steps, beside));
  return {
    top: first.name,
    removes: removedBy(steps),
    element: steps.length === 1 && last.mode !== 'index' && constants === undefined ? last.name : undefined,
    isMany,
    isSet: isMany ? never : (root) => (made ?? accessors()).isSet(root),
    put(root, value) {
      if (isEnd && endsBeforeStart(root, way, value)) return false;
      (made ?? accessors()).put(root, value);
      return true;
    },
  };
}

/** A bare type as target: the elements of the value become elements of the root. */
const whole: Target = {
  top: '',
  removes: '',
  element: undefined,
  isMany: true,
  isSet: () => false,
  put(root, value) {
    for (const name in value as Element) {
      const [known, item] = [root[name], (value as Element)[name]];
      if (known === undefined) root[name] = item;
      else if (Array.isArray(known) && Array.isArray(item))
        root[name] = [...(known as unknown[]), ...(item as unknown[])];
    }
    return true;
  },
};

/** Elements whose parts are fields of their own in HL7v2, each of which may be left out, or removed, by itself. */
export const divisible: ReadonlySet<string> = new Set(['period', 'hospitalization']);

function removedBy(steps: readonly PathStep[]): string {
  const [first, second] = steps as [PathStep, PathStep | undefined];
  return second !== undefined && divisible.has(first.name) ? `${first.name}.${second.name}` : first.name;
}

/** R4 per-1: a period that is sent the wrong way round is no period. */
function endsBeforeStart(root: Element, way: readonly PathStep[], value: unknown): boolean {
  let object: Element | undefined = root;
  for (const step of way) {
    const next = object[step.name];
    object = (step.mode === 'index' && Array.isArray(next) ? (next as unknown[])[step.index] : next) as
      | Element
      | undefined;
    if (object === undefined) return false;
  }
  const start = object['start'];
  const end = value instanceof Extended ? value.value : value;
  return typeof start === 'string' && typeof end === 'string' && isBefore(end, start);
}

function isBefore(one: string, other: string): boolean {
  // Dates alone, as most policies have them, are in order as texts are.
  if (one.length === dateChars && other.length === dateChars) return one < other;
  return Date.parse(one) < Date.parse(other);
}
const dateChars = 10;

function never(): boolean {
  return false;
}

function parseStep(text: string): PathStep {
  const at = text.indexOf('[');
  const name = at < 0 ? text : text.slice(0, at);
  const inside = at < 0 ? '' : text.slice(at + 1, -1);
  const mode = at < 0 ? 'single' : inside === '' ? 'new' : 'index';
  return { name, mode, index: Number(inside) };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
