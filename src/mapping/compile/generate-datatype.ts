/**
 * A data type map as one JavaScript function, for the reasons that generate.ts gives for segment maps: a line for each
 * rule of the commonest forms, with the names of its elements in it; any other rule is left to its own step.
 */
import type { PartStep } from './compile-rules.ts';
import type { Test } from './condition.ts';
import { Extended } from '../values/extensions.ts';
import type { RuleInfo } from '../functions.ts';
import { bindings, isFree, plain, put } from './generate.ts';
import type { Part } from '../message/part.ts';
import type { Element, Run } from '../message/state.ts';
import type { Target } from './target.ts';

/** What the generator knows of a rule. */
export interface PartPlan {
  /** `file:line`, beside the rule's line in the generated code. */
  readonly at: string;
  readonly target: Target;
  /** The component it reads; 0 for the whole, or none. */
  readonly component: number;
  /** As the rule says it; its position is that of the field in which the data type stands. */
  readonly info: RuleInfo;
  readonly test: Test<Part> | undefined;
  readonly form: PartForm | undefined;
  /** The rule as a closure where its data type stands at this position, its condition in it. */
  readonly stepAt: (position: string) => PartStep;
}

export type PartForm =
  | { readonly kind: 'constant'; readonly value: unknown }
  /** A component as one text. */
  | { readonly kind: 'text'; readonly convert: (text: string, run: Run, info: RuleInfo) => unknown }
  /** The whole, or a component, as a part. */
  | { readonly kind: 'part'; readonly convert: (part: Part, run: Run, info: RuleInfo) => unknown };

/** The rules of a data type at one position. */
export interface Bound {
  readonly infos: readonly RuleInfo[];
  readonly steps: readonly PartStep[];
}

export type ConvertBound = (part: Part, run: Run, bound: Bound) => Element | undefined;

/** @param name of the map, which names the function in a stack trace */
export function generateConvert(name: string, plans: readonly PartPlan[]): ConvertBound {
  const source = [
    "'use strict';",
    'const { Extended } = helpers;',
    ...plans.map(bindingsOf),
    `return function ${plain(name).replaceAll(/\W/g, '_')}(part, run, { infos, steps }) {`,
    '  const root = {}, { count } = part;',
    ...plans.map((plan, index) => `  // ${plain(plan.at)}\n${lineOf(plan, index)}`),
    '  for (const name in root) if (root[name] !== undefined) return root;',
    '  return undefined;',
    '};',
    `//# sourceURL=maps/${plain(name)}.js`,
  ].join('\n');
  // As in generate.ts: names that table.ts has checked, numbers, and what `plain` leaves of a place; never values.
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const make = new Function('helpers', 'plans', source) as (
    helpers: object,
    plans: readonly PartPlan[],
  ) => ConvertBound;
  return make({ Extended }, plans);
}

function bindingsOf({ form, test }: PartPlan, index: number): string {
  const names = ['target', ...(form === undefined || test === undefined ? [] : ['test'])];
  return bindings(index, names, form);
}

function lineOf({ component, target, test, form }: PartPlan, index: number): string {
  const conditions = [
    ...(component === 0 ? [] : [`count >= ${component}`]),
    ...(form === undefined || test === undefined ? [] : [`test${index}(part)`]),
    ...(form === undefined ? [] : [isFree(target, index)]),
  ].filter((condition) => condition !== 'true');
  const line = formOf(component, target, form, index);
  return conditions.length === 0 ? `  {\n${line}\n  }` : `  if (${conditions.join(' && ')}) {\n${line}\n  }`;
}

function formOf(component: number, target: Target, form: PartForm | undefined, index: number): string {
  if (form === undefined) return `    steps[${index}](part, root, run, infos[${index}].position);`;
  switch (form.kind) {
    case 'constant':
      return `    ${put(target, index, `value${index}`)}`;
    case 'part': {
      const [isSent, source] =
        component === 0 ? ['', 'part'] : [`if (part.peek(${component}) !== '') `, `part.child(${component})`];
      return `    ${isSent}{
      const value = convert${index}(${source}, run, infos[${index}]);
      if (value !== undefined) ${put(target, index, 'value')}
    }`;
    }
    default: {
      const take = `part.take(${component});`;
      // Only a deeper element may refuse its value (target.ts).
      const taking =
        target.element === undefined
          ? `if (target${index}.put(root, value)) ${take}`
          : `{ ${put(target, index, 'value')} ${take} }`;
      return `    const text = part.peek(${component});
    if (text !== '' && text !== '""') {
      const value = convert${index}(text, run, infos[${index}]);
      if (value !== undefined) ${taking}
    }`;
    }
  }
}
