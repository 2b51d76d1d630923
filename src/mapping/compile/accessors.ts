/**
 * Reading and writing an element by its path, in code that is made for that path. `root.period.start` is compiled for the
 * resources it meets; `object[step.name]` in one function for all paths is a look-up by name each time, and a conversion
 * has some hundreds of them (docs/decisions/0007).
 */
import { Extended } from '../values/extensions.ts';
import type { Element } from '../message/state.ts';

export interface PathStep {
  /** Letters only, as table.ts checks: it becomes code. */
  readonly name: string;
  /** One element, a new one in a list, or a certain one of a list. */
  readonly mode: 'single' | 'new' | 'index';
  readonly index: number;
}

export interface Accessors {
  /** True when there is an element at the path. */
  readonly isSet: (root: Element) => boolean;
  /** Puts a value there; what is missing on the way is made. */
  readonly put: (root: Element, value: unknown) => void;
}

/** @param beside constants that stand beside the value: frozen, they are never changed */
export function generateAccessors(steps: readonly PathStep[], beside: Readonly<Element> | undefined): Accessors {
  if (!steps.every(({ name }) => /^[A-Za-z]+$/.test(name))) throw new Error('a path of names that are no names');
  const source = `'use strict';
const { Extended, ownElement, ownList, fill, extend, add } = helpers;
return {
  isSet(root) {\n${isSetLines(steps).join('\n')}\n  },
  put(root, value) {\n${putLines(steps, beside).join('\n')}\n  },
};
//# sourceURL=paths/${steps.map(({ name, mode }) => (mode === 'single' ? name : `${name}_`)).join('.')}.js`;
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const make = new Function('helpers', 'beside', source) as (helpers: object, beside: unknown) => Accessors;
  return make({ Extended, ownElement, ownList, fill, extend, add }, beside);
}

/** FHIR JSON has two names for a primitive: `status`, and `_status` for its extensions. */
function isSetLines(steps: readonly PathStep[]): string[] {
  return [
    '    let at = root;',
    ...steps.flatMap(({ name, mode, index }) => [
      `    at = at.${name} ?? at._${name};`,
      ...(mode === 'index' ? [`    if (Array.isArray(at)) at = at[${index}];`] : []),
      '    if (at === undefined) return false;',
    ]),
    '    return true;',
  ];
}

function putLines(steps: readonly PathStep[], beside: Readonly<Element> | undefined): string[] {
  const isBeside = beside !== undefined;
  const way = steps.slice(0, -1);
  const last = steps.at(-1) as PathStep;
  // Constants stand in the innermost element that is new for each value, else in the value or what holds it.
  const newest = isBeside ? way.findLastIndex(({ mode }) => mode === 'new') : -1;
  const lines = ['    let at = root, list, next;'];
  way.forEach((step, index) => lines.push(...wayLines(step, index === newest ? literalOf(beside) : '{}')));
  if (isBeside && newest < 0) lines.push('    value = fill(at, value, beside);');
  return [...lines, ...lastLines(last)];
}

/** One step on the way: `at` becomes the element there. */
function wayLines({ name, mode, index }: PathStep, fresh: string): string[] {
  if (mode === 'single') return [`    next = at.${name};`, own('next', `at.${name}`), '    at = next;'];
  if (mode === 'index')
    return [...listLines(name), `    next = list[${index}];`, own('next', `list[${index}]`), '    at = next;'];
  // A list of one is made as such: one that is pushed to has room for sixteen more.
  return [
    `    list = at.${name};`,
    `    next = ${fresh};`,
    `    if (list === undefined) at.${name} = [next]; else { ${ownLine(name)} list.push(next); }`,
    '    at = next;',
  ];
}

/** An element that has these constants. By name, where they have names: a literal is of one shape from the start. */
function literalOf(beside: Readonly<Element> | undefined): string {
  const names = Object.keys(beside ?? {});
  if (!names.every((name) => /^[A-Za-z]+$/.test(name))) return '{ ...beside }';
  return `{ ${names.map((name) => `${name}: beside.${name}`).join(', ')} }`;
}

function own(variable: string, place: string): string {
  return `    if (${variable} === undefined) ${place} = ${variable} = {}; else if (Object.isFrozen(${variable})) ${place} = ${variable} = ownElement(${variable});`;
}

function listLines(name: string): string[] {
  return [`    list = at.${name};`, `    if (list === undefined) at.${name} = list = []; else ${ownLine(name)}`];
}

function ownLine(name: string): string {
  return `if (Object.isFrozen(list)) at.${name} = list = ownList(list);`;
}

function lastLines({ name, mode, index }: PathStep): string[] {
  const extended = 'value instanceof Extended';
  if (mode === 'single') return [`    if (${extended}) extend(at, '${name}', value); else at.${name} = value;`];
  const list = listLines(name);
  if (mode === 'index') return [...list, `    list[${index}] = value;`];
  const isPlain = `!(${extended}) && !Array.isArray(value) && at._${name} === undefined`;
  return [
    `    if (at.${name} === undefined && ${isPlain}) { at.${name} = [value]; return; }`,
    ...list,
    `    if (${isPlain}) list.push(value); else add(at, '_${name}', list, value);`,
  ];
}

/** A copy of one that is kept for other messages (source.ts), because it will change. */
function ownElement(known: Element): Element {
  return { ...known };
}

function ownList(known: readonly unknown[]): unknown[] {
  return [...known];
}

/** The constants beside a value: in the value itself when it is an element, else in the element that holds it. */
function fill(holder: Element, value: unknown, beside: Readonly<Element>): unknown {
  const isElement =
    typeof value === 'object' && value !== null && !(value instanceof Extended) && !Array.isArray(value);
  if (isElement) return { ...beside, ...(value as Element) };
  for (const name of Object.keys(beside)) holder[name] ??= beside[name];
  return value;
}

function extend(object: Element, name: string, { value, extension }: Extended): void {
  if (value !== undefined) object[name] = value;
  object[`_${name}`] = { extension };
}

/** Adds a value, or each of several, of which one may be a primitive with extensions. */
function add(object: Element, under: string, list: unknown[], value: unknown): void {
  if (Array.isArray(value)) for (const item of value as unknown[]) push(object, under, list, item);
  else push(object, under, list, value);
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
