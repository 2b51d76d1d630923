/**
 * Watches the rules at work: which of them was asked, what it took of the message, what it made of it. The rules are the
 * compiled ones of every day, each step wrapped (compile.ts, `compileTraced`); nothing is interpreted a second time.
 */
import type { PartStep, SegmentStep, Tracer } from './compile/compile-rules.ts';
import { compileCondition, readsOfSegment } from './compile/condition.ts';
import { flatten, valueText, type Flat } from './message/flatten.ts';
import type { Node } from './message/nesting.ts';
import type { DraftBuilder, Element, Run } from './message/state.ts';
import type { Rule, RuleMap } from './table.ts';
import { compileTarget } from './compile/target.ts';

/** A rule at one place of the message. */
export interface Step {
  readonly map: RuleMap;
  readonly rule: Rule;
  readonly node: Node;
  readonly draft: DraftBuilder;
  /** Leaves it took: `4 PID-3.1`, the number being that of the segment. */
  readonly taken: readonly string[];
  /** Paths it gave a value, by the resource they are in. */
  readonly made: ReadonlyMap<object, readonly string[]>;
  /** Why it did nothing. */
  readonly idle: Idle | undefined;
  /** Rules of data types that worked for it. */
  readonly inner: readonly InnerStep[];
}

export type Idle = 'condition' | 'already set' | 'unusable';

export interface InnerStep {
  readonly map: RuleMap;
  readonly rule: Rule;
  readonly taken: readonly string[];
  /** Paths it gave a value: below its element while the rule is under way, then in the resource. */
  readonly made: readonly string[];
  /** Tells the elements that one rule makes apart: a repetition each. */
  readonly element: object;
}

export class Trace implements Tracer {
  readonly steps: Step[] = [];
  /** Readers that the step under way may take from, and what worked for it. */
  #nodes: readonly Node[] = [];
  #inner: InnerStep[] = [];

  segmentStep(rule: Rule, map: RuleMap, step: SegmentStep): SegmentStep {
    const holds = rule.when && compileCondition(rule.when, readsOfSegment);
    const target = compileTarget(rule.to, rule.with);
    return (node, root, run, draft) => {
      this.#nodes = nodesAround(node, rule);
      this.#inner = [];
      const isHeld = holds?.(node) ?? true;
      const wasSet = target.isSet(root);
      const before = { left: this.#left(), flat: flatten(root), drafts: run.drafts.length };
      step(node, root, run, draft);
      const taken = difference(before.left, this.#left());
      const made = madeSince(before.flat, before.drafts, root, run);
      const didNothing = made.size === 0 && taken.length === 0;
      const idle = !didNothing ? undefined : !isHeld ? 'condition' : wasSet ? 'already set' : 'unusable';
      const inner = place(this.#inner, made);
      this.steps.push({ map, rule, node, draft, taken, made, idle, inner });
    };
  }

  partStep(rule: Rule, map: RuleMap, step: PartStep): PartStep {
    return (part, root, run, position) => {
      const before = { left: this.#left(), flat: flatten(root) };
      step(part, root, run, position);
      const made = newPaths(before.flat, root);
      const taken = difference(before.left, this.#left());
      if (made.length > 0) this.#inner.push({ map, rule, element: root, taken, made });
    };
  }

  #left(): ReadonlySet<string> {
    return new Set(this.#nodes.flatMap(leavesOf));
  }
}

/** Where the elements of data types ended up: of several repetitions, each in its own place. */
function place(inner: readonly InnerStep[], made: Step['made']): InnerStep[] {
  if (inner.length === 0) return [];
  const places = new Map<object, string>();
  for (const resource of made.keys()) findPlaces(resource, '', places);
  return inner.map((step) => {
    const at = places.get(step.element);
    // What was copied on its way (constants beside it) is found by the end of its path.
    return { ...step, made: step.made.map((path) => (at === undefined ? `…${path}` : join(at, path))) };
  });
}

function findPlaces(value: unknown, path: string, places: Map<object, string>): void {
  if (typeof value !== 'object' || value === null) return;
  places.set(value, path);
  if (Array.isArray(value)) value.forEach((item, index) => findPlaces(item, `${path}[${index}]`, places));
  else for (const [name, item] of Object.entries(value)) findPlaces(item, join(path, name), places);
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

/** True when a rule of a data type made this path. */
export function isMadeBy({ made }: InnerStep, path: string): boolean {
  return made.some((item) => (item.startsWith('…') ? `.${path}`.endsWith(`.${item.slice(1)}`) : item === path));
}

/** What nobody took of a segment, named as in {@link Step.taken}. */
export function leavesOf(node: Node): string[] {
  return node.reader.left().map(({ position }) => `${node.position} ${position}`);
}

/** Functions read their segment and its neighbours; a rule may name another one. */
function nodesAround(node: Node, { from }: Rule): readonly Node[] {
  const named = from === undefined ? undefined : node.find(from.split('-')[0] as string);
  const near = [node, node.companion, node.parent, named, ...node.children];
  return [...new Set(near.filter((item) => item !== undefined))];
}

function difference(before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  return [...before].filter((leaf) => !after.has(leaf));
}

function madeSince(before: Flat, drafts: number, root: Element, run: Run): Map<object, string[]> {
  const made = new Map<object, string[]>();
  const own = newPaths(before, root);
  if (own.length > 0) made.set(root, own);
  // A practitioner or an organization that the field names is a resource of its own.
  for (const { resource } of run.drafts.slice(drafts)) made.set(resource, [...flatten(resource).keys()]);
  return made;
}

function newPaths(before: Flat, root: Element): string[] {
  const paths: string[] = [];
  for (const [path, value] of flatten(root)) {
    if (!before.has(path) || valueText(before.get(path)) !== valueText(value)) paths.push(path);
  }
  return paths;
}
