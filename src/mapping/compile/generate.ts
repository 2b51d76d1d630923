/**
 * A segment map as one JavaScript function. The steps of rules (compile-rules.ts) are closures that share their code, so
 * in a loop over them every call, and every property that is read or written, may be that of any rule of any map; V8
 * then looks each up by name. In a function of their own, with a line for each rule, it compiles them as if somebody
 * had written the mapping by hand, which takes less than half the time (docs/decisions/0007).
 *
 * Only the commonest forms of rules have lines; any other rule, and any text that is more than plain, is left to the
 * rule's own step, which means the same. A function is generated when its map is first used.
 */
import type { ApplySegment, SegmentStep } from './compile-rules.ts';
import type { Test } from './condition.ts';
import { Extended } from '../values/extensions.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import { bitBeyond, isBlank, maskBits, type SegmentReader } from '../message/part.ts';
import type { Way } from '../message/source.ts';
import type { Run } from '../message/state.ts';
import type { Target } from './target.ts';

/** What the generator knows of a rule. */
export interface Plan {
  /** `file:line`, beside the rule's line in the generated code. */
  readonly at: string;
  readonly target: Target;
  /** The rule as a closure, its condition in it. */
  readonly step: SegmentStep;
  readonly test: Test<Node> | undefined;
  /** The field of its own segment without which the rule does nothing; 0 when it must always be asked. */
  readonly need: number;
  readonly form: Form | undefined;
}

export type Form =
  | { readonly kind: 'constant'; readonly value: unknown }
  /** A field of the segment itself, when it is one text that nothing divides. */
  | { readonly kind: 'text'; readonly field: number; readonly convert: ConvertText; readonly info: RuleInfo }
  /** The same, when what the text became is kept (source.ts). */
  | { readonly kind: 'kept'; readonly field: number; readonly way: Way }
  /** A function over the segment itself. */
  | { readonly kind: 'segment'; readonly convert: ConvertSegment; readonly info: RuleInfo };

type ConvertText = (text: string, run: Run, info: RuleInfo) => unknown;
type ConvertSegment = (node: Node, run: Run, info: RuleInfo) => unknown;

/** @param name of the map, which names the function in a stack trace */
export function generateApply(name: string, plans: readonly Plan[]): ApplySegment {
  const lines = plans.map((plan, index) => `  // ${plain(plan.at)}\n${lineOf(plan, index)}`);
  const source = [
    "'use strict';",
    'const { Extended, isBlank, recall } = helpers;',
    ...plans.map(bindingsOf),
    `return function ${plain(name).replaceAll(/\W/g, '_')}(node, draft, run) {`,
    '  const { reader } = node, { present, presentBeyond } = reader.segment, root = draft.resource;',
    ...lines,
    '};',
    `//# sourceURL=maps/${plain(name)}.js`,
  ].join('\n');
  // The text is made of names that table.ts has checked, numbers, and what `plain` leaves of a place: never of values.
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const make = new Function('helpers', 'plans', source) as (helpers: object, plans: readonly Plan[]) => ApplySegment;
  return make({ Extended, isBlank, recall }, plans);
}

/** Nothing that could end a comment or a name. */
export function plain(text: string): string {
  return text.replaceAll(/[^\w./:-]/g, '_');
}

/** Values that a rule's line uses, under names of their own. */
function bindingsOf({ form, test }: Plan, index: number): string {
  return bindings(index, ['step', 'target', ...(form === undefined || test === undefined ? [] : ['test'])], form);
}

export function bindings(index: number, names: readonly string[], form: object | undefined): string {
  const inForm = Object.keys(form ?? {}).filter((name) => name !== 'kind' && name !== 'field');
  const bound = [
    ...names.map((name) => `${name}${index} = plans[${index}].${name}`),
    ...inForm.map((name) => `${name}${index} = plans[${index}].form.${name}`),
  ];
  return `const ${bound.join(', ')};`;
}

function lineOf(plan: Plan, index: number): string {
  const { need, form, test } = plan;
  const conditions = [
    ...(need === 0 ? [] : [isPresent(need)]),
    ...(form === undefined || test === undefined ? [] : [`test${index}(node)`]),
  ];
  const line = formOf(plan, index);
  return conditions.length === 0 ? `  {\n${line}\n  }` : `  if (${conditions.join(' && ')}) {\n${line}\n  }`;
}

function isPresent(field: number): string {
  return field > maskBits ? `(presentBeyond & ${bitBeyond(field)}) !== 0` : `(present & ${1 << field}) !== 0`;
}

function formOf(plan: Plan, index: number): string {
  const { form, target } = plan;
  const otherwise = `step${index}(node, root, run, draft);`;
  if (form === undefined) return `    ${otherwise}`;
  const free = isFree(target, index);
  switch (form.kind) {
    case 'constant':
      return `    if (${free}) ${put(target, index, `value${index}`)}`;
    case 'segment':
      return `    if (${free}) {
      const value = convert${index}(node, run, info${index});
      if (value !== undefined) ${put(target, index, 'value')}
    }`;
    case 'kept':
      return `    if (${free}) {
      const value = recall(reader, ${form.field}, way${index}, run);
      if (value === undefined) ${otherwise}
      else ${put(target, index, 'value')}
    }`;
    default: {
      const take = `reader.take(${form.field});`;
      // Only a deeper element may refuse its value (target.ts).
      const taking =
        target.element === undefined
          ? `if (target${index}.put(root, value)) ${take}`
          : `{ ${put(target, index, 'value')} ${take} }`;
      return `    const text = reader.plain(${form.field});
    if (text === undefined || text === '""') ${otherwise}
    else if (${free} && !isBlank(text)) {
      const value = convert${index}(text, run, info${index});
      if (value !== undefined) ${taking}
    }`;
    }
  }
}

/** Whether the element may be set; a list takes every value. */
export function isFree({ element, isMany }: Target, index: number): string {
  if (isMany) return 'true';
  return element === undefined
    ? `!target${index}.isSet(root)`
    : `root.${element} === undefined && root._${element} === undefined`;
}

export function put({ element, isMany }: Target, index: number, value: string): string {
  const otherwise = `target${index}.put(root, ${value});`;
  if (element === undefined) return otherwise;
  return isMany
    ? `{ if (root.${element} === undefined && !Array.isArray(${value}) && !(${value} instanceof Extended)) root.${element} = [${value}]; else ${otherwise} }`
    : `{ if (${value} instanceof Extended) ${otherwise} else root.${element} = ${value}; }`;
}

/** What a field became in an earlier message; undefined when it is to be read. */
function recall(reader: SegmentReader, field: number, way: Way, run: Run): unknown {
  const text = reader.single(field);
  const value = text === undefined || text === '' ? undefined : run.recall(way, text);
  if (value !== undefined) reader.take(field);
  return value;
}
