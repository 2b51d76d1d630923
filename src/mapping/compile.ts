/** Rules to closures, once for each distinct content of a map. */
import { createHash } from 'node:crypto';
import { commands, type CommandFunction } from './commands.ts';
import { compileCondition, parsePosition, readsOfPart, readsOfSegment, type Test } from './condition.ts';
import { invalid } from './document.ts';
import { functions, type Converter, type RuleInfo } from './functions.ts';
import { compileKey, keys, type KeyFunction } from './keys.ts';
import { links, type LinkFunction } from './links.ts';
import type { Node } from './nesting.ts';
import { isBlank, type Part, type SegmentReader } from './part.ts';
import type { DraftBuilder, Element, Run } from './state.ts';
import {
  type Build,
  type CommandSource,
  type MapSource,
  type Rule,
  type RuleMap,
  type VocabularyEntry,
  type VocabularySource,
} from './table.ts';
import { compileTarget, type Target } from './target.ts';

export interface Vocabulary {
  readonly id: string;
  readonly table: string;
  /** The system of the v2 table itself. */
  readonly tableSystem: string;
  readonly fallback: string | undefined;
  readonly entries: ReadonlyMap<string, CompiledEntry>;
}

export interface CompiledEntry {
  readonly code: string;
  readonly display: string | undefined;
  readonly system: string;
  /** True when an earlier code of the table has the same target: the original is kept beside it. */
  readonly isAmbiguous: boolean;
}

/** Applies the rules of one segment map to a draft. */
export type ApplySegment = (node: Node, draft: DraftBuilder, run: Run) => void;
/** Applies a data type map: an element, or undefined when no rule gave anything. */
export type ConvertPart = (part: Part, run: Run, position: string) => Element | undefined;

export interface CompiledBuild {
  readonly segment: string;
  readonly resource: string;
  readonly into: boolean;
  readonly when: Test<Node> | undefined;
  readonly key: KeyFunction | undefined;
  readonly mode: 'merge' | 'replace';
  readonly isDeleted: Test<Node> | undefined;
  readonly isSnapshot: boolean;
  readonly maps: readonly { readonly segment: string; readonly apply: ApplySegment }[];
  readonly refs: readonly CompiledRef[];
}

export interface CompiledMessage {
  readonly patient: 'required' | 'optional' | 'none';
  readonly nesting: Readonly<Record<string, readonly string[]>>;
  readonly builds: readonly CompiledBuild[];
  readonly commands: readonly CompiledCommand[];
}

export interface CompiledCommand {
  readonly segment: string;
  readonly when: Test<Node> | undefined;
  readonly command: CommandFunction;
}

export interface CompiledRef {
  readonly target: Target;
  readonly reach: 'nearest' | 'only' | 'each' | 'all' | 'by';
  /** A resource type, or `*`. */
  readonly type: string;
  /** For `by`. */
  readonly find: LinkFunction | undefined;
}

export interface CompiledMap {
  /** Content hash of everything that decides what a message becomes. */
  readonly version: string;
  /** By `ADT^A01`. */
  readonly messages: ReadonlyMap<string, CompiledMessage>;
  readonly defaultEvents: ReadonlyMap<string, string>;
  readonly codes: ReadonlySet<string>;
  /** Positions that say how the message is made; kept like all others, not counted as unmapped. */
  readonly structural: ReadonlySet<string>;
  readonly datatypes: ReadonlyMap<string, ConvertPart>;
  readonly vocabularies: ReadonlyMap<string, Vocabulary>;
}

/**
 * @returns the compiled map; the same object for the same content
 * @throws Problem invalid naming file and line of a rule that cannot be compiled
 */
export function compileMap(source: MapSource): CompiledMap {
  const version = contentHash(source);
  let compiled = compiledMaps.get(version);
  if (compiled === undefined) compiledMaps.set(version, (compiled = compile(source, version)));
  return compiled;
}
// One for each distinct overlay; there are as many as partners, so it needs no bound of its own.
const compiledMaps = new Map<string, CompiledMap>();

function contentHash(source: MapSource): string {
  // Where a rule stands in its file is not what it says.
  const text = JSON.stringify(source, (key, value: unknown) =>
    key === 'at' ? undefined : value instanceof Map ? [...(value as Map<unknown, unknown>)] : value,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

interface Context {
  readonly datatypes: Map<string, ConvertPart>;
  readonly vocabularies: ReadonlyMap<string, Vocabulary>;
}

function compile(source: MapSource, version: string): CompiledMap {
  const vocabularies = new Map([...source.vocabularies].map(([id, item]) => [id, compileVocabulary(item)]));
  const context: Context = { datatypes: new Map(), vocabularies };
  // Names first: data types use each other (XCN has an HD), and are looked up when they run.
  for (const map of source.datatypes.values()) context.datatypes.set(map.id, () => undefined);
  for (const map of source.datatypes.values()) context.datatypes.set(map.id, compileDatatype(map, context));
  const segments = new Map([...source.segments].map(([id, map]) => [id, compileSegment(map, context)]));
  const messages = new Map<string, CompiledMessage>();
  const compiledKeys = new Map([...source.keys].map(([id, key]) => [id, compileKey(key)]));
  const known: Known = { source, segments, keys: compiledKeys };
  for (const message of source.messages) {
    const compiled: CompiledMessage = {
      patient: message.patient,
      nesting: message.nesting,
      builds: message.build.map((build) => compileBuild(build, known)),
      commands: message.commands.map(compileCommand),
    };
    for (const event of message.events) messages.set(`${message.code}^${event}`, compiled);
  }
  const defaults = source.messages.flatMap(({ code, defaultEvent }) =>
    defaultEvent ? [[code, defaultEvent] as const] : [],
  );
  return {
    version,
    messages,
    defaultEvents: new Map(defaults),
    codes: new Set(source.messages.map((message) => message.code)),
    structural: new Set(source.structural),
    datatypes: context.datatypes,
    vocabularies,
  };
}

function compileVocabulary(source: VocabularySource): Vocabulary {
  const entries = new Map<string, CompiledEntry>();
  const taken = new Set<string>();
  for (const [code, entry] of Object.entries(source.codes)) {
    const system = entry.system ?? source.system;
    const target = `${system}|${entry.code}`;
    entries.set(code, { code: entry.code, display: entry.display, system, isAmbiguous: taken.has(target) });
    taken.add(target);
  }
  return {
    id: source.id,
    table: source.table,
    tableSystem: source.table.startsWith('HL7')
      ? `http://terminology.hl7.org/CodeSystem/v2-${source.table.slice(3)}`
      : source.system,
    fallback: source.fallback,
    entries,
  };
}

type SegmentStep = (node: Node, root: Element, run: Run, draft: DraftBuilder) => void;

function compileSegment(map: RuleMap, context: Context): { segment: string; apply: ApplySegment } {
  const steps = map.rules.map((rule) => compileSegmentRule(rule, map, context));
  const needs = map.rules.map((rule) => needOf(rule, map.source));
  return {
    segment: map.source,
    apply: (node, draft, run) => {
      const { present } = node.reader.segment;
      for (let index = 0; index < steps.length; index++) {
        // Most fields of most segments are empty: their rules are not asked.
        const need = needs[index] as number;
        if (need === always || (present & need) !== 0) (steps[index] as SegmentStep)(node, draft.resource, run, draft);
      }
    },
  };
}

const always = 0;

/** The mask of the field of its own segment that a rule reads; `always` for one that reads more, or nothing. */
function needOf(rule: Rule, segment: string): number {
  const from = rule.from === undefined ? undefined : parsePosition(rule.from);
  if (from === undefined || from.segment !== segment || from.field === 0) return always;
  return from.field > 30 ? 1 : 1 << from.field;
}

function compileSegmentRule(rule: Rule, map: RuleMap, context: Context): SegmentStep {
  const target = targetOf(rule, map.target);
  const test = rule.when && compileCondition(rule.when, readsOfSegment);
  const step = rule.from === undefined ? constantStep(rule.const, target) : sourceStep(rule, target, context);
  if (test === undefined && rule.fallback !== true) return step;
  return (node, root, run, draft) => {
    if (test !== undefined && !test(node)) return;
    if (rule.fallback !== true) return step(node, root, run, draft);
    const wasSet = target.isSet(root);
    step(node, root, run, draft);
    if (!wasSet && target.isSet(root)) (draft.fallback ??= []).push(target.top);
  };
}

function targetOf(rule: Rule, type: string): Target {
  if (rule.to !== type && !rule.to.startsWith(`${type}.`)) throw invalid(rule.at, `${rule.to} is not in ${type}`);
  if (rule.fallback === true && rule.to.includes('[]')) throw invalid(rule.at, 'fallback is for a single element');
  return compileTarget(rule.to, rule.with);
}

function constantStep(value: unknown, target: Target): SegmentStep & ((part: Part, root: Element) => void) {
  return (_source: unknown, root: Element) => {
    if (!target.isSet(root)) target.put(root, value);
  };
}

function converterOf(rule: Rule, context: Context): { converter: Converter; info: RuleInfo } {
  const name = rule.as ?? 'string';
  const vocabulary = rule.map === undefined ? undefined : context.vocabularies.get(rule.map);
  if (rule.map !== undefined && vocabulary === undefined) throw invalid(rule.at, `there is no vocabulary ${rule.map}`);
  const info: RuleInfo = { position: rule.from ?? '', vocabulary };
  const named = functions[name];
  if (named !== undefined) return { converter: named, info };
  if (!context.datatypes.has(name)) throw invalid(rule.at, `there is no data type map and no function ${name}`);
  const convert = (part: Part, run: Run, { position }: RuleInfo): unknown =>
    context.datatypes.get(name)?.(part, run, position);
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
  const each = rule.each === true;
  return (node, root, run, draft) => {
    const reader = (node.name === segment ? node : node.find(segment))?.reader;
    if (reader === undefined || reader.isAbsent(field)) return;
    const text = readPlain === undefined ? undefined : reader.plain(field);
    if (text === '') return;
    if (readPlain !== undefined && text !== undefined) {
      if (text === '""') (draft.removed ??= new Set()).add(target.top);
      else if (!target.isSet(root)) readPlain(text, reader, run, root);
      return;
    }
    if (way !== undefined && recallField(way, reader, field, target, run, root)) return;
    const parts = reader.parts(field);
    const count = each ? parts.length : Math.min(parts.length, 1);
    for (let index = 0; index < count; index++) {
      const part = parts[index] as Part;
      if (part.value.isNull) {
        (draft.removed ??= new Set()).add(target.top);
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
function compileRead(
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
function wayOf({ as = 'string', map = '' }: Rule, converter: Converter): string | undefined {
  return converter.takes === 'part' && converter.isKept === true ? `${as} ${map}` : undefined;
}

function keeping(converter: FieldConverter, way: string): FieldConverter {
  if (converter.takes !== 'part') return converter;
  const { convert } = converter;
  return { takes: 'part', convert: (part, run, info) => run.readAndKeep(way, part, () => convert(part, run, info)) };
}

/** Takes over what the same field became in an earlier message; false when it is to be read. */
function recallField(
  way: string,
  reader: SegmentReader,
  field: number,
  target: Target,
  run: Run,
  root: Element,
): boolean {
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

function isEmpty(element: Element): boolean {
  for (const name in element) if (element[name] !== undefined) return false;
  return true;
}

type PartStep = (part: Part, root: Element, run: Run, position: string) => void;

function compileDatatype(map: RuleMap, context: Context): ConvertPart {
  const steps = map.rules.map((rule) => compilePartRule(rule, map, context));
  return (part, run, position) => {
    const element: Element = {};
    for (const step of steps) step(part, element, run, position);
    return isEmpty(element) ? undefined : element;
  };
}

function compilePartRule(rule: Rule, map: RuleMap, context: Context): PartStep {
  const target = targetOf(rule, map.target);
  const test = rule.when && compileCondition(rule.when, readsOfPart(map.source, rule.at));
  const step = rule.from === undefined ? constantStep(rule.const, target) : partStep(rule, map, target, context);
  if (test === undefined) return step;
  return (part, root, run, position) => {
    if (test(part)) step(part, root, run, position);
  };
}

function partStep(rule: Rule, map: RuleMap, target: Target, context: Context): PartStep {
  const { converter, info } = converterOf(rule, context);
  const [type, component = 0, subcomponent = 0] = (rule.from as string)
    .split('.')
    .map((text, index) => (index === 0 ? text : Number(text)));
  if (type !== map.source) throw invalid(rule.at, `${rule.from} is not in ${map.source}`);
  if (converter.takes === 'segment') throw invalid(rule.at, `${rule.as} reads a segment`);
  const reads = new Map<string, ReadPart>();
  return (part, root, run, position) => {
    if ((component as number) > part.count || target.isSet(root)) return;
    let read = reads.get(position);
    if (read === undefined) {
      // A code is counted where it stands in the segment (PID-3.5), not where in its data type.
      const at = component === 0 ? position : `${position}.${component}`;
      read = compileRead(converter, component as number, subcomponent as number, { ...info, position: at }, target);
      reads.set(position, read);
    }
    read(part, run, root);
  };
}

/** What the builds of a map may name. */
interface Known {
  readonly source: MapSource;
  readonly segments: ReadonlyMap<string, { segment: string; apply: ApplySegment }>;
  readonly keys: ReadonlyMap<string, KeyFunction>;
}

function compileBuild(build: Build, known: Known): CompiledBuild {
  const maps = build.maps.map((id) => {
    const map = known.segments.get(id);
    if (map === undefined) throw invalid(build.at, `there is no segment map ${id}`);
    if (known.source.segments.get(id)?.target !== build.resource)
      throw invalid(build.at, `${id} is not for ${build.resource}`);
    return map;
  });
  const key = build.key === undefined ? undefined : (keys[build.key] ?? known.keys.get(build.key));
  if (build.key !== undefined && key === undefined) throw invalid(build.at, `there is no key ${build.key}`);
  return {
    segment: build.segment,
    resource: build.resource,
    into: build.into,
    when: build.when && compileCondition(build.when, readsOfSegment),
    key,
    mode: build.mode,
    isDeleted: build.delete && compileCondition(build.delete, readsOfSegment),
    isSnapshot: build.snapshot,
    maps,
    refs: Object.entries(build.refs).map(([path, text]) => compileRef(build, path, text)),
  };
}

const reaches = ['nearest', 'only', 'each', 'all', 'by'] as const;

function compileRef(build: Build, path: string, text: string): CompiledRef {
  const [word, type] = text.includes(' ') ? text.split(' ') : ['nearest', text];
  const reach = reaches.find((item) => item === word);
  if (reach === undefined || type === undefined) throw invalid(build.at, `${text} is no reference`);
  const find = reach === 'by' ? links[type] : undefined;
  if (reach === 'by' && find === undefined) throw invalid(build.at, `there is no function ${type} in links.ts`);
  return { target: compileTarget(`${build.resource}.${path}`, undefined), reach, type, find };
}

function compileCommand({ command: name, segment, when, at }: CommandSource): CompiledCommand {
  const command = commands[name];
  if (command === undefined) throw invalid(at, `there is no command ${name}`);
  return { segment, when: when && compileCondition(when, readsOfSegment), command };
}

export type { VocabularyEntry };
