/**
 * mapping/ turns an HL7v2 message into FHIR resources. What goes where is data: YAML tables under `mappings/`, written
 * and read by interface analysts. This file loads and checks them; overlay.ts merges a partner's changes, compile.ts
 * makes closures of the result, run.ts applies those to one message. The room is pure: it knows no socket, database,
 * clock or charset. docs/mapping.md is the guide to the rule language.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { Problem } from '../fhir/problem.ts';

/** A condition of a rule: a tiny closed language, never code. Positions name the segment or data type they read. */
export type Condition =
  | { readonly exists: string }
  | { readonly equals: readonly [string, string] }
  | { readonly in: readonly [string, readonly string[]] }
  | { readonly not: Condition }
  | { readonly and: readonly Condition[] }
  | { readonly or: readonly Condition[] };

export interface Rule {
  readonly id: string;
  /** `PV1-19`, `PID-5.1` in a segment map; `CX.4` in a data type map; a segment name for a function over the segment. */
  readonly from?: string;
  /** Every repetition gives a value; without it only the first does. */
  readonly each?: boolean;
  readonly when?: Condition;
  /** `Encounter.identifier[]`: `[]` adds an element, `[0]` is one certain element, a bare type is the whole. */
  readonly to: string;
  /** A data type map or a named function (functions.ts); default `string`. */
  readonly as?: string;
  /** The vocabulary that translates codes. */
  readonly map?: string;
  /** A constant instead of `from`. */
  readonly const?: unknown;
  /** Constants beside the value, where the value brings none of its own. */
  readonly with?: Readonly<Record<string, unknown>>;
  /** Holds only while nothing better is known: a stored value wins over it. */
  readonly fallback?: boolean;
  /** `file:line`, for messages about this rule. */
  readonly at: string;
}

export interface RuleMap {
  readonly id: string;
  /** The segment, or the data type, whose positions the rules read. */
  readonly source: string;
  readonly target: string;
  readonly rules: readonly Rule[];
  readonly at: string;
}

/** A resource to be made for each segment of a name, or a map to be applied to the resource that is nearest. */
export interface Build {
  readonly segment: string;
  readonly resource: string;
  /** Applies to the nearest draft of this type instead of making one. */
  readonly into: boolean;
  readonly when?: Condition;
  /** How the id is derived: a function of keys.ts. */
  readonly key?: string;
  readonly mode: 'merge' | 'replace';
  readonly maps: readonly string[];
  /** element -> `Patient` (the nearest), `only Specimen`, `each Observation` (those below), `each *` (all). */
  readonly refs: Readonly<Record<string, string>>;
  readonly at: string;
}

export interface MessageMap {
  readonly id: string;
  readonly code: string;
  readonly events: readonly string[];
  /** The event of a message whose MSH-9 has only a code; undefined: such a message is refused. */
  readonly defaultEvent?: string;
  /** Positions (set ids, OBX-2) that say how the message is made: kept beside like all that no rule takes, not counted. */
  readonly structural: readonly string[];
  readonly build: readonly Build[];
  readonly at: string;
}

export interface VocabularyEntry {
  readonly code: string;
  readonly display?: string;
  readonly system?: string;
}

export interface VocabularySource {
  readonly id: string;
  readonly table: string;
  readonly system: string;
  /** The code of a required binding when the sender's is not in the table. */
  readonly fallback?: string;
  readonly codes: Readonly<Record<string, VocabularyEntry>>;
  readonly at: string;
}

/** One whole map: what compile.ts compiles. Overlays make a new one. */
export interface MapSource {
  readonly messages: readonly MessageMap[];
  readonly segments: ReadonlyMap<string, RuleMap>;
  readonly datatypes: ReadonlyMap<string, RuleMap>;
  readonly vocabularies: ReadonlyMap<string, VocabularySource>;
}

/** One change that a partner makes to the base map. */
export type Change = { readonly at: string } & (
  | { readonly kind: 'add'; readonly map: string; readonly rule: Rule }
  | { readonly kind: 'replace'; readonly map: string; readonly id: string; readonly rule: Rule }
  | { readonly kind: 'remove'; readonly map: string; readonly id: string }
  | { readonly kind: 'move'; readonly map: string; readonly id: string; readonly from?: string; readonly to?: string }
  | { readonly kind: 'vocab'; readonly map: string; readonly codes: Readonly<Record<string, VocabularyEntry>> }
);

export interface Partner {
  readonly id: string;
  /** A vendor's profile that is applied before. */
  readonly profile?: string;
  readonly endpoints: readonly string[];
  readonly changes: readonly Change[];
  readonly at: string;
}

export interface MapLibrary {
  readonly base: MapSource;
  readonly partners: ReadonlyMap<string, Partner>;
}

/**
 * Reads and checks every table under a directory (the repository's `mappings/`).
 * @throws Problem invalid naming file, line and what is wrong
 */
export function loadMaps(directory: string): MapLibrary {
  const base = join(directory, 'hl7v2');
  const load = (folder: string): Table[] => tablesOf(folder, directory);
  return {
    base: {
      messages: load(join(base, 'messages')).map(readMessageMap),
      segments: byId(load(join(base, 'segments')).map((table) => readRuleMap(table, 'segment', 'resource'))),
      datatypes: byId(load(join(base, 'datatypes')).map((table) => readRuleMap(table, 'datatype', 'element'))),
      vocabularies: byId(load(join(base, 'vocabulary')).map(readVocabulary)),
    },
    // A hub without overlays has no such folder.
    partners: byId((existsSync(join(directory, 'partners')) ? load(join(directory, 'partners')) : []).map(readPartner)),
  };
}

function byId<T extends { id: string; at: string }>(items: readonly T[]): Map<string, T> {
  const map = new Map<string, T>();
  for (const item of items) {
    if (map.has(item.id)) throw invalid(item.at, `a second map with the id ${item.id}`);
    map.set(item.id, item);
  }
  return map;
}

function tablesOf(folder: string, root: string): Table[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  return names.sort().map((name) => new Table(join(folder, name), relative(join(root, '..'), join(folder, name))));
}

export function invalid(at: string, what: string): Problem {
  return new Problem('invalid', `${at}: ${what}`, { hint: 'See docs/mapping.md for the rule language.' });
}

type Path = readonly (string | number)[];

/** A YAML file whose values are read by path, so that an error names its line. */
class Table {
  readonly #document: Document.Parsed;
  readonly #lines = new LineCounter();
  readonly #name: string;

  constructor(file: string, name: string) {
    this.#name = name;
    this.#document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: this.#lines });
    const [error] = this.#document.errors;
    if (error !== undefined)
      throw invalid(`${name}:${error.linePos?.[0].line ?? 1}`, error.message.split('\n')[0] ?? '');
  }

  at(path: Path): string {
    const node = this.#document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    return `${this.#name}:${node?.range ? this.#lines.linePos(node.range[0]).line : 1}`;
  }

  get(path: Path): unknown {
    const node: unknown = this.#document.getIn(path);
    const isNode = typeof node === 'object' && node !== null && 'toJS' in node && typeof node.toJS === 'function';
    return isNode ? (node.toJS as (document: Document) => unknown).call(node, this.#document) : node;
  }

  fail(path: Path, what: string): never {
    throw invalid(this.at(path), what);
  }

  string(path: Path): string {
    const value = this.get(path);
    return typeof value === 'string' && value !== ''
      ? value
      : this.fail(path.slice(0, -1), `${path.at(-1)} is missing`);
  }

  optional(path: Path): string | undefined {
    return this.get(path) === undefined ? undefined : this.string(path);
  }

  strings(path: Path): string[] {
    const value = this.get(path) ?? [];
    const isList = Array.isArray(value) && value.every((item) => typeof item === 'string');
    return isList ? value : this.fail(path, `${path.at(-1)} is a list of texts`);
  }

  record(path: Path): Record<string, unknown> {
    const value = this.get(path) ?? {};
    const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isRecord
      ? (value as Record<string, unknown>)
      : this.fail(path, `${path.at(-1)} is a table of names and values`);
  }

  /** The length of a list, whose items must be tables with none but these names. */
  list(path: Path, names: readonly string[]): Path[] {
    const value = this.get(path);
    if (!Array.isArray(value)) this.fail(path.slice(0, -1), `${path.at(-1)} is a list`);
    const paths = (value as unknown[]).map((_, index) => [...path, index]);
    for (const item of paths) this.only(item, names);
    return paths;
  }

  only(path: Path, names: readonly string[]): void {
    const stranger = Object.keys(this.record(path)).find((name) => !names.includes(name));
    if (stranger !== undefined) this.fail(path, `${stranger} is not a word of this table; known: ${names.join(', ')}`);
  }
}

const ruleWords = ['id', 'from', 'each', 'when', 'to', 'as', 'map', 'const', 'with', 'fallback'];

function readRuleMap(table: Table, sourceWord: string, targetWord: string): RuleMap {
  table.only([], ['id', sourceWord, targetWord, 'rules']);
  const rules = table.list(['rules'], ruleWords).map((path) => readRule(table, path));
  const seen = new Set<string>();
  for (const rule of rules) {
    if (seen.has(rule.id)) throw invalid(rule.at, `a second rule with the id ${rule.id}`);
    seen.add(rule.id);
  }
  return {
    id: table.string(['id']),
    source: table.string([sourceWord]),
    target: table.string([targetWord]),
    rules,
    at: table.at([]),
  };
}

function readRule(table: Table, path: Path): Rule {
  const value = table.record(path);
  const isFlag = (name: string): boolean => value[name] === undefined || typeof value[name] === 'boolean';
  if (!isFlag('each') || !isFlag('fallback')) table.fail(path, 'each and fallback are true or false');
  const [from, constant] = [table.optional([...path, 'from']), value['const']];
  if ((from === undefined) === (constant === undefined)) table.fail(path, 'a rule has either from or const');
  const to = table.string([...path, 'to']);
  if (!targetPattern.test(to)) table.fail(path, `${to} is no element path`);
  if (from !== undefined && !sourcePattern.test(from)) table.fail(path, `${from} is no HL7v2 position`);
  return {
    id: table.string([...path, 'id']),
    from,
    each: value['each'] as boolean | undefined,
    when: value['when'] === undefined ? undefined : checkCondition(table, [...path, 'when'], value['when']),
    to,
    as: table.optional([...path, 'as']),
    map: table.optional([...path, 'map']),
    const: constant,
    with: value['with'] === undefined ? undefined : table.record([...path, 'with']),
    fallback: value['fallback'] as boolean | undefined,
    at: table.at(path),
  };
}
const targetPattern = /^[A-Z][A-Za-z]*(\.[a-zA-Z]+(\[\d?\])?)*$/;
const sourcePattern = /^([A-Z][A-Z0-9]{1,2}(-\d{1,3}(\.\d{1,2}(\.\d{1,2})?)?)?|[A-Z]{2,3}\.\d{1,2}(\.\d{1,2})?)$/;

function checkCondition(table: Table, path: Path, value: unknown): Condition {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  const [word, operand] = entries[0] ?? [];
  const isPosition = (text: unknown): boolean => typeof text === 'string' && sourcePattern.test(text);
  const isText = (item: unknown): boolean => typeof item === 'string';
  let fits = entries.length === 1;
  if (word === 'exists') fits &&= isPosition(operand);
  else if (word === 'not') checkCondition(table, path, operand);
  else if (!Array.isArray(operand)) fits = false;
  else if (word === 'and' || word === 'or') for (const item of operand as unknown[]) checkCondition(table, path, item);
  else if (word === 'equals') fits &&= operand.length === 2 && isPosition(operand[0]) && isText(operand[1]);
  else if (word === 'in')
    fits &&= isPosition(operand[0]) && Array.isArray(operand[1]) && (operand[1] as unknown[]).every(isText);
  else fits = false;
  if (!fits) table.fail(path, 'a condition is one of exists, equals, in, not, and, or');
  return value as Condition;
}

function readMessageMap(table: Table): MessageMap {
  table.only([], ['id', 'code', 'events', 'defaultEvent', 'structural', 'build']);
  const words = ['segment', 'resource', 'into', 'when', 'key', 'mode', 'maps', 'refs'];
  return {
    id: table.string(['id']),
    code: table.string(['code']),
    events: table.strings(['events']),
    defaultEvent: table.optional(['defaultEvent']),
    structural: table.strings(['structural']),
    build: table.list(['build'], words).map((path) => readBuild(table, path)),
    at: table.at([]),
  };
}

function readBuild(table: Table, path: Path): Build {
  const value = table.record(path);
  const into = table.optional([...path, 'into']);
  const mode = value['mode'] ?? 'replace';
  if (mode !== 'merge' && mode !== 'replace') table.fail(path, 'mode is merge or replace');
  const refs = table.record([...path, 'refs']);
  for (const text of Object.values(refs)) if (typeof text !== 'string') table.fail(path, 'refs name resource types');
  return {
    segment: table.string([...path, 'segment']),
    resource: into ?? table.string([...path, 'resource']),
    into: into !== undefined,
    when: value['when'] === undefined ? undefined : checkCondition(table, [...path, 'when'], value['when']),
    key: into === undefined ? table.string([...path, 'key']) : undefined,
    mode,
    maps: table.strings([...path, 'maps']),
    refs: refs as Record<string, string>,
    at: table.at(path),
  };
}

function readVocabulary(table: Table): VocabularySource {
  table.only([], ['vocabulary', 'table', 'system', 'fallback', 'codes']);
  return {
    id: table.string(['vocabulary']),
    table: table.string(['table']),
    system: table.string(['system']),
    fallback: table.optional(['fallback']),
    codes: readCodes(table, ['codes']),
    at: table.at([]),
  };
}

function readCodes(table: Table, path: Path): Record<string, VocabularyEntry> {
  const codes: Record<string, VocabularyEntry> = {};
  for (const [code, value] of Object.entries(table.record(path))) {
    if (typeof value === 'string') codes[code] = { code: value };
    else {
      table.only([...path, code], ['code', 'display', 'system']);
      table.string([...path, code, 'code']);
      codes[code] = value as VocabularyEntry;
    }
  }
  return codes;
}

function readPartner(table: Table): Partner {
  table.only([], ['partner', 'profile', 'endpoints', 'changes']);
  const words = ['add', 'replace', 'remove', 'move', 'vocab', 'rule', 'from', 'to', 'codes'];
  return {
    id: table.string(['partner']),
    profile: table.optional(['profile']),
    endpoints: table.strings(['endpoints']),
    changes: table.list(['changes'], words).map((path) => readChange(table, path)),
    at: table.at([]),
  };
}

function readChange(table: Table, path: Path): Change {
  const at = table.at(path);
  const kinds = ['add', 'replace', 'remove', 'move', 'vocab'].filter(
    (kind) => table.get([...path, kind]) !== undefined,
  );
  const kind = kinds[0];
  if (kind === undefined || kinds.length > 1) table.fail(path, 'a change is one of add, replace, remove, move, vocab');
  const [map = '', id = ''] = table.string([...path, kind]).split('/');
  const rule = (): Rule => {
    table.only([...path, 'rule'], ruleWords);
    return readRule(table, [...path, 'rule']);
  };
  if (kind === 'add') return { at, kind, map, rule: rule() };
  if (kind === 'vocab') return { at, kind, map, codes: readCodes(table, [...path, 'codes']) };
  if (id === '') table.fail(path, `${kind} names a map and a rule: pid-patient/PID-8`);
  if (kind === 'replace') return { at, kind, map, id, rule: rule() };
  if (kind === 'remove') return { at, kind, map, id };
  const [from, to] = [table.optional([...path, 'from']), table.optional([...path, 'to'])];
  if (from === undefined && to === undefined) table.fail(path, 'move names a new from, a new to, or both');
  return { at, kind: 'move', map, id, from, to };
}
