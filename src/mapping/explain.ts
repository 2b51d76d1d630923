/**
 * Why a message becomes what it becomes: for each element the rule and the fields that made it, for each field where it
 * went, or why no rule took it.
 */
import { Problem } from '../fhir/problem.ts';
import { compileTraced } from './compile.ts';
import type { MapContext, MappedMessage } from './message/draft.ts';
import { unmappedUrl } from './values/extensions.ts';
import { flatten, type Flat } from './message/flatten.ts';
import type { Hl7Message } from './message.ts';
import { nest } from './message/nesting.ts';
import { mapMessage } from './run.ts';
import type { MapSource, Rule, RuleMap } from './table.ts';
import { isMadeBy, Trace, type Idle, type InnerStep, type Step } from './trace.ts';

export interface Explanation {
  readonly mapVersion: string;
  readonly resources: readonly ExplainedResource[];
  readonly fields: readonly ExplainedField[];
}

export interface ExplainedResource {
  /** `Patient/<id>` */
  readonly reference: string;
  readonly elements: readonly ExplainedElement[];
}

export interface ExplainedElement {
  /** `name[0].family` */
  readonly path: string;
  readonly value: unknown;
  /** `pid-patient/PID-5 > XPN/XPN.1`; for ids and references, what the message map says. */
  readonly rule: string;
  /** File and line of the rule; undefined for what no rule made. */
  readonly at?: string;
  /** Fields it took: `PID-5.1`. */
  readonly from: readonly string[];
}

export interface ExplainedField {
  /** Number of the segment in the message, from 1. */
  readonly segment: number;
  /** `PID-3~2.1` */
  readonly position: string;
  readonly text: string;
  /** Where it went: `Patient.identifier[1].value`. */
  readonly to: readonly string[];
  readonly rule?: string;
  readonly at?: string;
  /** Why no rule took it; it stays in the extension for such fields. */
  readonly why?: string;
}

/** Each rule is watched at each segment, some milliseconds and kilobytes: more of them nobody reads. */
export const explainedSegmentsMax = 2_000;

/** @throws Problem as {@link mapMessage}, too-costly */
export function explainMessage(source: MapSource, message: Hl7Message, context: MapContext): Explanation {
  if (message.segments.length > explainedSegmentsMax) {
    throw new Problem('too-costly', `at most ${explainedSegmentsMax} segments are explained`, {
      hint: 'Leave out results that are like others.',
    });
  }
  const trace = new Trace();
  const mapped = mapMessage(compileTraced(source, trace), message, context);
  const types = new Map<object, string>(mapped.drafts.map(({ resource }) => [resource, resource.resourceType]));
  return {
    mapVersion: mapped.mapVersion,
    resources: explainResources(mapped, trace.steps),
    fields: explainFields(message, trace.steps, source, types),
  };
}

function explainResources({ drafts }: MappedMessage, steps: readonly Step[]): ExplainedResource[] {
  const all = makersOf(steps);
  return drafts.map(({ resource }) => {
    const makers = all.get(resource) ?? new Map<string, Step>();
    const elements = [...withoutKept(flatten(resource))].map(([path, value]): ExplainedElement => {
      const step = makers.get(path);
      if (step === undefined) return { path, value, rule: unruled(path), from: [] };
      const within = step.inner.find((one) => isMadeBy(one, path));
      const taken = within === undefined ? step.taken : takenBy(within, step);
      return {
        path,
        value,
        rule: within === undefined ? nameOf(step) : `${nameOf(step)} > ${nameOf(within)}`,
        at: (within ?? step).rule.at,
        from: taken.map(positionOf),
      };
    });
    return { reference: `${resource.resourceType}/${resource.id}`, elements };
  });
}

/** By resource and path, the last step that gave the value. */
function makersOf(steps: readonly Step[]): ReadonlyMap<object, ReadonlyMap<string, Step>> {
  const all = new Map<object, Map<string, Step>>();
  for (const step of steps) {
    for (const [resource, paths] of step.made) {
      let makers = all.get(resource);
      if (makers === undefined) all.set(resource, (makers = new Map()));
      for (const path of paths) makers.set(path, step);
    }
  }
  return all;
}

/** What another rule of the data type took before (CX.4 is both system and assigner) this one read as well. */
function takenBy(inner: InnerStep, { inner: all, taken }: Step): readonly string[] {
  if (inner.taken.length > 0) return inner.taken;
  const together = all.filter(({ element }) => element === inner.element).flatMap((step) => step.taken);
  const [, component] = inner.rule.from?.split('.') ?? [];
  const same = together.filter((leaf) => positionOf(leaf).split('.')[1] === component);
  if (same.length > 0) return same;
  return together.length > 0 ? together : taken;
}

/** What was kept for want of a rule is explained by its field. */
function withoutKept(flat: Flat): Flat {
  const kept = new Set<string>();
  for (const [path, value] of flat) if (value === unmappedUrl) kept.add(path.slice(0, -'.url'.length));
  return new Map(
    [...flat].filter(([path]) => path !== 'resourceType' && ![...kept].some((at) => path.startsWith(`${at}.`))),
  );
}

function unruled(path: string): string {
  if (path === 'id') return 'key of the message map';
  return path.endsWith('reference') ? 'refs of the message map' : 'message map';
}

function explainFields(
  message: Hl7Message,
  steps: readonly Step[],
  source: MapSource,
  types: ReadonlyMap<object, string>,
): ExplainedField[] {
  const takers = new Map<string, Step>();
  for (const step of steps) for (const leaf of step.taken) takers.set(leaf, step);
  const structural = new Set(source.structural);
  const at = stepsAt(steps);
  // Read anew, so that every value is there.
  return nest(message).flatMap((node) =>
    node.reader.left().map(({ position, text }): ExplainedField => {
      const field = { segment: node.position, position, text };
      const step = takers.get(`${node.position} ${position}`);
      if (step === undefined)
        return { ...field, to: [], ...whyNot(field, at.get(node.position) ?? [], source, structural) };
      return {
        ...field,
        to: placesOf(step, `${node.position} ${position}`, types),
        rule: nameOf(step),
        at: step.rule.at,
      };
    }),
  );
}

/** The elements that the rules of a data type made of this very component; without any, all that the rule made. */
function placesOf(step: Step, leaf: string, types: ReadonlyMap<object, string>): string[] {
  const within = step.inner.filter(({ taken }) => taken.includes(leaf));
  const places: string[] = [];
  for (const [resource, paths] of step.made) {
    const meant = paths.filter((path) => within.length === 0 || within.some((one) => isMadeBy(one, path)));
    for (const path of meant) if (path !== 'resourceType') places.push(`${types.get(resource) ?? ''}.${path}`);
  }
  return places;
}

type Field = Pick<ExplainedField, 'position'>;

const reasons: Readonly<Record<Idle, (step: Step) => string>> = {
  condition: (step) => `the condition of ${nameOf(step)} does not hold`,
  'already set': (step) => `${step.rule.to} had a value when ${nameOf(step)} was asked`,
  unusable: (step) => `${nameOf(step)} could not use this text (${step.rule.as ?? 'string'})`,
};

function whyNot(
  field: Field,
  around: readonly Step[],
  source: MapSource,
  structural: ReadonlySet<string>,
): { why: string; rule?: string; at?: string } {
  const position = field.position.replace(/~\d+/, '');
  const asked = around.filter(({ rule }) => reads(rule, position));
  const idle = asked.find((step) => step.idle !== undefined);
  if (idle?.idle !== undefined) return { why: reasons[idle.idle](idle), rule: nameOf(idle), at: idle.rule.at };
  const [other] = asked;
  if (other !== undefined) {
    const isRepetition = field.position.includes('~') && other.rule.each !== true && other.rule.rest !== true;
    const what = isRepetition ? 'takes the first repetition alone' : 'has no place for this part';
    return { why: `${nameOf(other)} ${what}`, rule: nameOf(other), at: other.rule.at };
  }
  if (structural.has(position)) return { why: 'it says how the message is made (structural)' };
  const unasked = rulesFor(position, source);
  if (unasked === undefined) return { why: 'no rule reads it' };
  const name = `${unasked.map.id}/${unasked.rule.id}`;
  return { why: `${name} reads it, but no build of this message uses it here`, rule: name, at: unasked.rule.at };
}

/** By the number of the segment: steps on it, and steps on one around it whose rule names it. */
function stepsAt(steps: readonly Step[]): ReadonlyMap<number, readonly Step[]> {
  const at = new Map<number, Step[]>();
  for (const step of steps) {
    const { node, rule } = step;
    const named = rule.from === undefined ? undefined : node.find(rule.from.split('-')[0] as string)?.position;
    for (const position of new Set([node.position, named ?? node.position])) {
      const list = at.get(position);
      if (list === undefined) at.set(position, [step]);
      else list.push(step);
    }
  }
  return at;
}

function reads({ from }: Rule, position: string): boolean {
  return (
    from !== undefined && (from === position || position.startsWith(`${from}.`) || from.startsWith(`${position}.`))
  );
}

function rulesFor(position: string, source: MapSource): { map: RuleMap; rule: Rule } | undefined {
  for (const map of source.segments.values()) {
    const rule = map.rules.find((item) => reads(item, position));
    if (rule !== undefined) return { map, rule };
  }
  return undefined;
}

function nameOf({ map, rule }: { readonly map: RuleMap; readonly rule: Rule }): string {
  return `${map.id}/${rule.id}`;
}

/** `4 PID-3.1` -> `PID-3.1`. */
function positionOf(leaf: string): string {
  return leaf.slice(leaf.indexOf(' ') + 1);
}
