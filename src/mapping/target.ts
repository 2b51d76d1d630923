/**
 * Where a rule's value goes: an element path, compiled once. `name[]` adds an element for each value, `[0]` is one
 * certain element, a plain name is a single element that the first rule with a value sets and later ones leave alone.
 */
import { Extended } from './extensions.ts';
import type { Element } from './state.ts';

type Mode = 'single' | 'new' | 'index';

interface Step {
  readonly name: string;
  /** FHIR JSON's second name of a primitive, which holds its extensions. */
  readonly under: string;
  readonly mode: Mode;
  readonly index: number;
}

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
  const last = steps.at(-1);
  if (last === undefined) return whole;
  if (steps.length === 1 && last.mode === 'single' && constants === undefined) return plainTarget(last);
  const way = steps.slice(0, -1);
  const isMany = steps.some((step) => step.mode === 'new');
  const beside = constants === undefined ? undefined : deepFreeze(constants);
  const isEnd = last.name === 'end' && !isMany;
  const newest = way.findLastIndex((step) => step.mode === 'new');
  return {
    top: (steps[0] as Step).name,
    removes: removedBy(steps),
    element: steps.length === 1 && last.mode === 'new' && constants === undefined ? last.name : undefined,
    isMany,
    isSet: isMany ? never : (root) => isSetAt(root, steps),
    put(root, value) {
      if (isEnd && endsBeforeStart(root, way, value)) return false;
      let object = root;
      for (let index = 0; index < way.length; index++) {
        object = enter(object, way[index] as Step, index === newest ? beside : undefined);
      }
      const filled = beside !== undefined && newest < 0 ? fill(object, value, beside) : value;
      set(object, last, filled);
      return true;
    },
  };
}

/** The common case, kept cheap: a single element of the resource itself. */
function plainTarget(step: Step): Target {
  const { name, under } = step;
  return {
    top: name,
    removes: name,
    element: name,
    isMany: false,
    isSet: (root) => root[name] !== undefined || root[under] !== undefined,
    put(root, value) {
      set(root, step, value);
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
    for (const [name, item] of Object.entries(value as Element)) {
      const known = root[name];
      if (known === undefined) root[name] = item;
      else if (Array.isArray(known) && Array.isArray(item))
        root[name] = [...(known as unknown[]), ...(item as unknown[])];
    }
    return true;
  },
};

/** Elements whose parts are fields of their own in HL7v2, each of which may be left out, or removed, by itself. */
export const divisible: ReadonlySet<string> = new Set(['period', 'hospitalization']);

function removedBy(steps: readonly Step[]): string {
  const [first, second] = steps as [Step, Step | undefined];
  return second !== undefined && divisible.has(first.name) ? `${first.name}.${second.name}` : first.name;
}

/** R4 per-1: a period that is sent the wrong way round is no period. */
function endsBeforeStart(root: Element, way: readonly Step[], value: unknown): boolean {
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
  return typeof start === 'string' && typeof end === 'string' && Date.parse(end) < Date.parse(start);
}

function never(): boolean {
  return false;
}

function parseStep(text: string): Step {
  const at = text.indexOf('[');
  const name = at < 0 ? text : text.slice(0, at);
  const inside = at < 0 ? '' : text.slice(at + 1, -1);
  const mode = at < 0 ? 'single' : inside === '' ? 'new' : 'index';
  return { name, under: `_${name}`, mode, index: Number(inside) };
}

function isSetAt(root: Element, steps: readonly Step[]): boolean {
  let object: Element = root;
  for (const step of steps) {
    const value = object[step.name] ?? object[step.under];
    const item = step.mode === 'index' && Array.isArray(value) ? (value as unknown[])[step.index] : value;
    if (item === undefined) return false;
    object = item as Element;
  }
  return true;
}

/** What is there, or a new element; a copy of one that is kept for other messages (source.ts), because it will change. */
function elementAt(object: Element, name: string | number): Element {
  const known = object[name] as Element | undefined;
  if (known === undefined) return (object[name] = {});
  return Object.isFrozen(known) ? (object[name] = { ...known }) : known;
}

function listAt(object: Element, name: string): unknown[] {
  const known = object[name] as unknown[] | undefined;
  if (known === undefined) return (object[name] = []);
  return Object.isFrozen(known) ? (object[name] = [...known]) : known;
}

function enter(object: Element, step: Step, beside: Readonly<Element> | undefined): Element {
  if (step.mode === 'single') return elementAt(object, step.name);
  const list = listAt(object, step.name);
  if (step.mode === 'index') return elementAt(list as unknown as Element, step.index);
  const item = { ...beside };
  list.push(item);
  return item;
}

/** The constants beside a value: in the value itself when it is an element, else in the element that holds it. */
function fill(holder: Element, value: unknown, beside: Readonly<Element>): unknown {
  const isElement =
    typeof value === 'object' && value !== null && !(value instanceof Extended) && !Array.isArray(value);
  if (isElement) return { ...beside, ...(value as Element) };
  for (const name of Object.keys(beside)) holder[name] ??= beside[name];
  return value;
}

function set(object: Element, step: Step, value: unknown): void {
  if (step.mode === 'single') {
    if (!(value instanceof Extended)) object[step.name] = value;
    else {
      if (value.value !== undefined) object[step.name] = value.value;
      object[step.under] = { extension: value.extension };
    }
    return;
  }
  const list = listAt(object, step.name);
  if (step.mode === 'index') list[step.index] = value;
  else if (Array.isArray(value)) for (const item of value as unknown[]) push(object, step.under, list, item);
  else push(object, step.under, list, value);
}

/** FHIR JSON: the extensions of a list of primitives are a second list, with null where there are none. */
function push(object: Element, under: string, list: unknown[], value: unknown): void {
  if (!(value instanceof Extended)) {
    list.push(value);
    const beside = object[under] as unknown[] | undefined;
    if (beside !== undefined) beside.push(null);
    return;
  }
  const beside = (object[under] ??= list.map(() => null)) as unknown[];
  list.push(value.value ?? null);
  beside.push({ extension: value.extension });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
