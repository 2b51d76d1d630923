/** The rules of one data type map (CX, XPN, XAD) as one function over a part of a field. */
import {
  compileRead,
  constantStep,
  converterOf,
  oncePerRule,
  targetOf,
  type Context,
  type ConvertPart,
  type PartStep,
} from './compile-rules.ts';
import { compileCondition, readsOfPart } from './condition.ts';
import { invalid } from '../../fhir/yaml-table.ts';
import { type Bound, generateConvert, type PartForm, type PartPlan } from './generate-datatype.ts';
import type { Element } from '../message/state.ts';
import type { Rule, RuleMap } from '../table.ts';
import type { Target } from './target.ts';

export function compileDatatype(map: RuleMap, context: Context): ConvertPart {
  const plans = map.rules.map((rule) => planOf(rule, map, context));
  // By position, because a code is counted where its data type stands (PID-3.5). Positions are those of rules.
  const known = new Map<string, Bound>();
  const boundTo = (position: string): Bound => {
    let bound = known.get(position);
    if (bound === undefined) known.set(position, (bound = bind(plans, position)));
    return bound;
  };
  if (context.tracer !== undefined) return byStep(map, plans, boundTo, context);
  let convert: ReturnType<typeof generateConvert> | undefined;
  return (part, run, position) => (convert ??= generateConvert(map.id, plans))(part, run, boundTo(position));
}

/** The same one step after the other: what the generated function does, in a form that can be watched. */
function byStep(
  map: RuleMap,
  plans: readonly PartPlan[],
  boundTo: (position: string) => Bound,
  { tracer }: Context,
): ConvertPart {
  const traced = new Map<string, readonly PartStep[]>();
  const stepsAt = (position: string): readonly PartStep[] => {
    const { steps } = boundTo(position);
    return map.rules.map((rule, index) => {
      const step = steps[index] as PartStep;
      return tracer?.partStep(rule, map, step) ?? step;
    });
  };
  return (part, run, position) => {
    let steps = traced.get(position);
    if (steps === undefined) traced.set(position, (steps = stepsAt(position)));
    const element: Element = {};
    const { count } = part;
    plans.forEach(({ component }, index) => {
      if (component <= count) (steps[index] as PartStep)(part, element, run, position);
    });
    return Object.values(element).some((value) => value !== undefined) ? element : undefined;
  };
}

function bind(plans: readonly PartPlan[], position: string): Bound {
  return {
    infos: plans.map(({ info, component }) => ({ ...info, position: placeOf(position, component) })),
    steps: plans.map(({ stepAt }) => stepAt(position)),
  };
}

function placeOf(position: string, component: number): string {
  return component === 0 ? position : `${position}.${component}`;
}

const planOf = oncePerRule(new WeakMap<Rule, WeakMap<object, PartPlan>>(), compilePlan);

function compilePlan(rule: Rule, map: RuleMap, context: Context): PartPlan {
  const target = targetOf(rule, map.target);
  const test = rule.when && compileCondition(rule.when, readsOfPart(map.source, rule.at));
  const bare = rule.from === undefined ? constantPlan(rule, target) : sourcePlan(rule, map, target, context);
  return {
    ...bare,
    at: `${rule.id} ${rule.at}`,
    target,
    test,
    stepAt: (position) => {
      const step = bare.stepAt(position);
      return test === undefined
        ? step
        : (part, root, run) => (test(part) ? step(part, root, run, position) : undefined);
    },
  };
}

type BarePlan = Pick<PartPlan, 'component' | 'info' | 'form' | 'stepAt'>;

function constantPlan({ const: value }: Rule, target: Target): BarePlan {
  const step = constantStep(value, target);
  return {
    component: 0,
    info: { position: '', vocabulary: undefined },
    form: { kind: 'constant', value },
    stepAt: () => step,
  };
}

function sourcePlan(rule: Rule, map: RuleMap, target: Target, context: Context): BarePlan {
  const { converter, info } = converterOf(rule, context);
  const [type, ...path] = (rule.from as string).split('.');
  const [component = 0, subcomponent = 0] = path.map(Number);
  if (type !== map.source) throw invalid(rule.at, `${rule.from} is not in ${map.source}`);
  if (converter.takes === 'segment') throw invalid(rule.at, `${rule.as} reads a segment`);
  const { takes, convert } = converter;
  const form: PartForm | undefined =
    takes === 'part'
      ? { kind: 'part', convert }
      : component > 0 && subcomponent === 0
        ? { kind: 'text', convert }
        : undefined;
  return {
    component,
    info,
    form,
    stepAt: (position) => {
      const place = { ...info, position: placeOf(position, component) };
      const read = compileRead(converter, component, subcomponent, place, target);
      return (part, root, run) => {
        if (!target.isSet(root)) read(part, run, root);
      };
    },
  };
}
