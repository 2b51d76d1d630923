/** The rules of one segment map as closures: what compile.ts puts together to a whole map. Those of data types: compile-datatype.ts. */
import type { Vocabulary } from '../compile.ts';
import { compileCondition, parsePosition, readsOfSegment, type Test } from './condition.ts';
import { invalid } from '../../fhir/yaml-table.ts';
import { functions, type Converter, type RuleInfo } from '../functions.ts';
import { type Form, generateApply, type Plan } from './generate.ts';
import type { Node } from '../message/nesting.ts';
import { isBlank, maskedFields, type Part, type SegmentReader } from '../message/part.ts';
import { type Way, wayNamed } from '../message/source.ts';
import { type DraftBuilder, type Element, isSame, type Run } from '../message/state.ts';
import type { Condition, Rule, RuleMap } from '../table.ts';
import { compileTarget, type Target } from './target.ts';

/** Applies the rules of one segment map to a draft. */
export type ApplySegment = (node: Node, draft: DraftBuilder, run: Run) => void;
/** Applies a data type map: an element, or undefined when no rule gave anything. */
export type ConvertPart = (part: Part, run: Run, position: string) => Element | undefined;

export interface CompiledSegment {
  readonly segment: string;
  readonly apply: ApplySegment;
}

/** What one rule does: with a segment, or with a part of one. */
export type SegmentStep = (node: Node, root: Element, run: Run, draft: DraftBuilder) => void;
export type PartStep = (part: Part, root: Element, run: Run, position: string) => void;

/** Sees each rule's step before it becomes part of a map (trace.ts); a map without one has no trace of it. */
export interface Tracer {
  segmentStep(rule: Rule, map: RuleMap, step: SegmentStep): SegmentStep;
  partStep(rule: Rule, map: RuleMap, step: PartStep): PartStep;
}

/** What the rules of a table may name. */
export interface Context {
  /** Found when a rule runs, by name: an overlay's data type is read by rules that are compiled for all. */
  readonly datatypes: ReadonlySet<string>;
  readonly vocabularies: ReadonlyMap<string, Vocabulary>;
  readonly tracer: Tracer | undefined;
}

export function compileSegment(map: RuleMap, context: Context): CompiledSegment {
  const { tracer } = context;
  const plans = map.rules.map((rule) => planOf(rule, map, context));
  if (tracer !== undefined) return { segment: map.source, apply: tracedApply(map, plans, tracer) };
  let apply: ApplySegment | undefined;
  return {
    segment: map.source,
    apply: (node, draft, run) => (apply ??= generateApply(map.id, plans))(node, draft, run),
  };
}

/** The same one step after the other: what the generated function does, in a form that can be watched. */
function tracedApply(map: RuleMap, plans: readonly Plan[], tracer: Tracer): ApplySegment {
  const steps = map.rules.map((rule, index) => tracer.segmentStep(rule, map, (plans[index] as Plan).step));
  return (node, draft, run) => {
    for (const step of steps) step(node, draft.resource, run, draft);
  };
}

/** A rule that an overlay leaves as it is, is compiled once for all maps in which its vocabulary is the same. */
export function oncePerRule<T>(
  compiled: WeakMap<Rule, WeakMap<object, T>>,
  make: (rule: Rule, map: RuleMap, context: Context) => T,
) {
  return (rule: Rule, map: RuleMap, context: Context): T => {
    // What is traced tells its own tracer.
    if (context.tracer !== undefined) return make(rule, map, context);
    const vocabulary = (rule.map === undefined ? undefined : context.vocabularies.get(rule.map)) ?? noVocabulary;
    let byVocabulary = compiled.get(rule);
    if (byVocabulary === undefined) compiled.set(rule, (byVocabulary = new WeakMap()));
    const known = byVocabulary.get(vocabulary) ?? make(rule, map, context);
    byVocabulary.set(vocabulary, known);
    return known;
  };
}
const noVocabulary = {};

const planOf = oncePerRule(new WeakMap<Rule, WeakMap<object, Plan>>(), compilePlan);

function compilePlan(rule: Rule, map: RuleMap, context: Context): Plan {
  const target = targetOf(rule, map.target);
  const test = rule.when && compileCondition(rule.when, readsOfSegment);
  const bare = rule.from === undefined ? constantStep(rule.const, target) : sourceStep(rule, target, context);
  const isCommon = rule.fallback !== true && rule.unique !== true && rule.rest !== true;
  return {
    at: `${rule.id} ${rule.at}`,
    target,
    step: withConditions(rule, bare, target, test),
    test,
    need: needOf(rule, map.source),
    form: isCommon ? formOf(rule, map.source, context) : undefined,
  };
}

/** The field of its own segment without which a rule does nothing; 0 when there is none. */
function needOf(rule: Rule, segment: string): number {
  return (
    (rule.from === undefined ? 0 : ownField(rule.from, segment)) ||
    (rule.when ? needOfCondition(rule.when, segment) : 0)
  );
}

function needOfCondition(condition: Condition, segment: string): number {
  if ('exists' in condition) return ownField(condition.exists, segment);
  if ('equals' in condition) return condition.equals[1] === '' ? 0 : ownField(condition.equals[0], segment);
  if ('in' in condition) return condition.in[1].includes('') ? 0 : ownField(condition.in[0], segment);
  if (!('and' in condition)) return 0;
  return condition.and.map((item) => needOfCondition(item, segment)).find((field) => field !== 0) ?? 0;
}

function ownField(position: string, segment: string): number {
  const from = parsePosition(position);
  return from.segment === segment ? from.field : 0;
}

/** The forms that have lines of their own in generated code; undefined for any other rule. */
function formOf(rule: Rule, source: string, context: Context): Form | undefined {
  if (rule.from === undefined) return { kind: 'constant', value: rule.const };
  const { segment, field, component } = parsePosition(rule.from);
  if (segment !== source || component !== 0) return undefined;
  const { converter, info } = converterOf(rule, context);
  if (converter.takes === 'segment') return { kind: 'segment', convert: converter.convert, info };
  if (field > maskedFields) return undefined;
  if (converter.takes !== 'part') return { kind: 'text', field, convert: converter.convert, info };
  const way = wayOf(rule, converter);
  if (way !== undefined) return { kind: 'kept', field, way };
  return converter.plain === undefined ? undefined : { kind: 'text', field, convert: converter.plain, info };
}

function withConditions(rule: Rule, step: SegmentStep, target: Target, test: Test<Node> | undefined): SegmentStep {
  if (test === undefined && rule.fallback !== true && rule.unique !== true) return step;
  return (node, root, run, draft) => {
    if (test !== undefined && !test(node)) return;
    if (rule.unique === true) {
      step(node, root, run, draft);
      return dropRepeated(root, target.top);
    }
    if (rule.fallback !== true) return step(node, root, run, draft);
    // A list holds for want of a better one only while nothing else has given to it.
    const isSet = (): boolean => (target.isMany ? root[target.top] !== undefined : target.isSet(root));
    const wasSet = isSet();
    step(node, root, run, draft);
    if (!wasSet && isSet()) (draft.fallback ??= []).push(target.top);
  };
}

/** What was added last to a list, when the list had it already, goes again. */
function dropRepeated(root: Element, name: string): void {
  const list = root[name];
  if (!Array.isArray(list) || list.length < 2) return;
  const end = list.length - 1;
  for (let index = 0; index < end; index++) {
    if (!isSame(list[index], list[end])) continue;
    root[name] = list.slice(0, end);
    return;
  }
}

export function targetOf(rule: Rule, type: string): Target {
  if (rule.to !== type && !rule.to.startsWith(`${type}.`)) throw invalid(rule.at, `${rule.to} is not in ${type}`);
  return compileTarget(rule.to, rule.with);
}

export function constantStep(value: unknown, target: Target): SegmentStep & ((part: Part, root: Element) => void) {
  return (_source: unknown, root: Element) => {
    if (!target.isSet(root)) target.put(root, value);
  };
}

export function converterOf(rule: Rule, context: Context): { converter: Converter; info: RuleInfo } {
  const name = rule.as ?? 'string';
  const vocabulary = rule.map === undefined ? undefined : context.vocabularies.get(rule.map);
  if (rule.map !== undefined && vocabulary === undefined) throw invalid(rule.at, `there is no vocabulary ${rule.map}`);
  const info: RuleInfo = { position: rule.from ?? '', vocabulary };
  const named = functions[name];
  if (named !== undefined) return { converter: named, info };
  if (!context.datatypes.has(name)) throw invalid(rule.at, `there is no data type map and no function ${name}`);
  const convert = (part: Part, run: Run, { position }: RuleInfo): unknown =>
    run.map.datatypes.get(name)?.(part, run, position);
  return { converter: { takes: 'part', convert }, info };
}

function sourceStep(rule: Rule, target: Target, context: Context): SegmentStep {
  const { converter, info } = converterOf(rule, context);
  const { segment, field, component, subcomponent } = parsePosition(rule.from as string);
  if (converter.takes === 'segment') return segmentStep(converter.convert, segment, target, info);
  if (field === 0) throw invalid(rule.at, `${rule.as} reads a field, not a whole segment`);
  const way = component === 0 ? wayOf(rule, converter) : undefined;
  const read = compileRead(
    way === undefined ? converter : keeping(converter, way),
    component,
    subcomponent,
    info,
    target,
  );
  const readPlain = component === 0 ? compilePlainRead(converter, field, info, target) : undefined;
  const isEach = rule.each === true || rule.rest === true;
  const first = rule.rest === true ? 1 : 0;
  return (node, root, run, draft) => {
    const reader = (node.name === segment ? node : node.find(segment))?.reader;
    if (reader === undefined || reader.isAbsent(field)) return;
    // One text is one repetition.
    if (first === 1 && reader.single(field) !== undefined) return;
    const text = readPlain === undefined ? undefined : reader.plain(field);
    if (text === '') return;
    if (readPlain !== undefined && text !== undefined) {
      if (text === '""') (draft.removed ??= new Set()).add(target.removes);
      else if (!target.isSet(root)) readPlain(text, reader, run, root);
      return;
    }
    if (way !== undefined && recallField(way, reader, field, target, run, root)) return;
    const parts = reader.parts(field);
    const count = isEach ? parts.length : Math.min(parts.length, 1);
    for (let index = first; index < count; index++) {
      const part = parts[index] as Part;
      if (part.value.isNull) {
        (draft.removed ??= new Set()).add(target.removes);
        continue;
      }
      if (target.isSet(root)) return;
      read(part, run, root);
    }
  };
}

function segmentStep(
  convert: (node: Node, run: Run, info: RuleInfo) => unknown,
  segment: string,
  target: Target,
  info: RuleInfo,
): SegmentStep {
  return (node, root, run) => {
    const source = node.find(segment);
    if (source === undefined || target.isSet(root)) return;
    const value = convert(source, run, info);
    if (value !== undefined) target.put(root, value);
  };
}

type FieldConverter = Exclude<Converter, { takes: 'segment' }>;
type ReadPart = (part: Part, run: Run, root: Element) => void;

/** Reads a part as its converter wants it, puts the value, and takes what was put: the rest stays to be kept beside. */
export function compileRead(
  converter: FieldConverter,
  component: number,
  subcomponent: number,
  info: RuleInfo,
  target: Target,
): ReadPart {
  const { convert, takes } = converter;
  if (takes === 'part') {
    return (part, run, root) => {
      if (component !== 0 && !part.has(component)) return;
      const value = convert(component === 0 ? part : part.child(component), run, info);
      if (value !== undefined) target.put(root, value);
    };
  }
  if (component === 0 && takes === 'whole') {
    return (part, run, root) => {
      const value = convert(part.peekAll(), run, info);
      if (value !== undefined && target.put(root, value)) part.takeAll();
    };
  }
  const index = component === 0 ? 1 : component;
  const readText = (part: Part, at: number, run: Run, root: Element): void => {
    const text = part.peek(at);
    if (text === '' || text === '""') return;
    const value = convert(text, run, info);
    if (value !== undefined && target.put(root, value)) part.take(at);
  };
  if (subcomponent === 0) return (part, run, root) => readText(part, index, run, root);
  return (part, run, root) => readText(part.child(index), subcomponent, run, root);
}

/** The way a rule reads texts, when what they become is kept: it depends on nothing but the text and its sender. */
function wayOf({ as = 'string', map = '' }: Rule, converter: Converter): Way | undefined {
  return converter.takes === 'part' && converter.isKept === true ? wayNamed(`${as} ${map}`) : undefined;
}

function keeping(converter: FieldConverter, way: Way): FieldConverter {
  if (converter.takes !== 'part') return converter;
  const { convert } = converter;
  return { takes: 'part', convert: (part, run, info) => run.readAndKeep(way, part, (own) => convert(own, run, info)) };
}

/** Takes over what the same field became in an earlier message; false when it is to be read. */
function recallField(way: Way, reader: SegmentReader, field: number, target: Target, run: Run, root: Element): boolean {
  const text = reader.single(field);
  if (text === undefined || text === '' || target.isSet(root)) return text === '';
  const value = run.recall(way, text);
  if (value === undefined) return false;
  reader.take(field);
  target.put(root, value);
  return true;
}

type ReadPlain = (text: string, reader: SegmentReader, run: Run, root: Element) => void;

/** The same for a field that is one text, which is most of them; undefined for a converter that wants its parts. */
function compilePlainRead(
  { takes, convert }: FieldConverter,
  field: number,
  info: RuleInfo,
  target: Target,
): ReadPlain | undefined {
  if (takes === 'part') return undefined;
  return (text, reader, run, root) => {
    if (isBlank(text)) return;
    const value = convert(text, run, info);
    if (value !== undefined && target.put(root, value)) reader.take(field);
  };
}
