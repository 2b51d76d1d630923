/**
 * mapping/ turns an HL7v2 message into FHIR resources. What goes where is data: YAML tables under `mappings/`, written
 * and read by interface analysts. This file loads and checks them (tables/, where overlay.ts merges a partner's changes),
 * compile.ts makes closures and functions of the result (compile/), run.ts applies those to one message, which message/
 * takes apart; values/ has what tables cannot say, called by name through functions.ts. The room is pure: it knows no
 * socket, database, clock or charset. docs/mapping.md is the guide to the rule language.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { invalid, Table } from '../fhir/yaml-table.ts';
import { readOverlay } from './tables/read-overlay.ts';
import {
  readGroup,
  readKeys,
  readMessageMap,
  readRuleMap,
  readStructural,
  readVocabulary,
} from './tables/read-table.ts';

/** A condition of a rule: a tiny closed language, never code. Positions name the segment or data type they read. */
export type Condition =
  | { readonly exists: string }
  | { readonly equals: readonly [string, string] }
  | { readonly in: readonly [string, readonly string[]] }
  | { readonly not: Condition }
  | { readonly and: readonly Condition[] }
  | { readonly or: readonly Condition[] }
  /** The message's event is one of these. */
  | { readonly event: readonly string[] }
  /** The segment nests in one of these: a ROL in a PV1, and not in a PID. */
  | { readonly under: readonly string[] };

export interface Rule {
  readonly id: string;
  /** `PV1-19`, `PID-5.1` in a segment map; `CX.4` in a data type map; a segment name for a function over the segment. */
  readonly from?: string;
  /** Every repetition gives a value; without it only the first does. */
  readonly each?: boolean;
  /** The repetitions after the first, which another rule has. */
  readonly rest?: boolean;
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
  /** An element that is in the list already is not added again. */
  readonly unique?: boolean;
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
  /** How the id is derived: a key of keys.yaml, or a function of keys.ts. */
  readonly key?: string;
  readonly mode: 'merge' | 'replace';
  /** When it holds, the message says that the resource is no more. */
  readonly delete?: Condition;
  /**
   * In a message whose map says `snapshots`, the segments of this name are the whole list of what the sender has of the
   * patient, or of the visit (HL7 v2.5.1 section 2.10.4.1).
   */
  readonly snapshot?: 'patient' | 'visit';
  readonly maps: readonly string[];
  /**
   * element -> `Patient` (the nearest), `only Specimen`, `each Observation` (those below), `each *` (all below),
   * `all Location` (all of the message), `by parentResult` (a function of links.ts).
   */
  readonly refs: Readonly<Record<string, string>>;
  readonly at: string;
}

/** A list of builds that several message maps share. */
export interface Group {
  readonly id: string;
  readonly build: readonly Build[];
  readonly at: string;
}

/** An identity command (merge, link) that a segment stands for: a function of commands.ts. */
export interface CommandSource {
  readonly command: string;
  readonly segment: string;
  readonly when?: Condition;
  readonly at: string;
}

/** One part of what identifies a resource. */
export interface KeyPart {
  /** The first of these positions that holds something; empty for a literal. */
  readonly from: readonly string[];
  readonly literal?: string;
  readonly as: 'text' | 'identifier' | 'concept' | 'name';
  readonly optional: boolean;
}

/** What identifies a resource: the first alternative whose parts the message has; without any, the message and the place. */
export interface KeySource {
  readonly id: string;
  /** A second segment with the same key is the same resource; otherwise it is another, told apart by its count. */
  readonly same: boolean;
  /** What the identifier is unique in: the patient, or the owner for resources outside any patient. */
  readonly within: 'patient' | 'owner';
  readonly from: readonly (readonly KeyPart[])[];
  readonly at: string;
}

export interface MessageMap {
  readonly id: string;
  readonly code: string;
  readonly events: readonly string[];
  /** The event of a message whose MSH-9 has only a code; undefined: such a message is refused. */
  readonly defaultEvent?: string;
  /** Whether a message must name a patient (PID), may, or has none (master files). */
  readonly patient: 'required' | 'optional' | 'none';
  /** Its lists are whole: what the sender had in a list before and does not repeat is no more. */
  readonly snapshots: boolean;
  /** Segment -> the segments it may nest in, where this message differs from nesting.ts. */
  readonly nesting: Readonly<Record<string, readonly string[]>>;
  readonly build: readonly Build[];
  readonly commands: readonly CommandSource[];
  readonly at: string;
}

/** A message map as it is written: groups are named, not yet spliced in. */
export interface MessageTable extends Omit<MessageMap, 'build'> {
  readonly build: readonly (Build | { readonly use: string; readonly at: string })[];
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
  readonly keys: ReadonlyMap<string, KeySource>;
  /** Positions (set ids, OBX-2) that say how the message is made: kept beside like all that no rule takes, not counted. */
  readonly structural: readonly string[];
}

/** One change that a partner makes to the base map; `map` is what it names: a map, a vocabulary, a key, a segment. */
export type Change = { readonly at: string } & (
  | { readonly kind: 'add'; readonly map: string; readonly rule: Rule }
  | { readonly kind: 'replace'; readonly map: string; readonly id: string; readonly rule: Rule }
  | { readonly kind: 'remove'; readonly map: string; readonly id: string }
  | { readonly kind: 'move'; readonly map: string; readonly id: string; readonly from?: string; readonly to?: string }
  | {
      readonly kind: 'vocab';
      readonly map: string;
      readonly codes: Readonly<Record<string, VocabularyEntry>>;
      readonly fallback?: string;
      /** A vocabulary that the base map does not have. */
      readonly define?: { readonly table: string; readonly system: string };
    }
  | {
      readonly kind: 'key';
      readonly map: string;
      readonly from: KeySource['from'];
      /** A key that the base map does not have. */
      readonly define?: Pick<KeySource, 'same' | 'within'>;
    }
  /** A map of its own, for a segment that the base map does not read: named by a build. */
  | { readonly kind: 'map'; readonly map: string; readonly table: RuleMap }
  /** A resource more in a message map (`adt`), or in all (`*`). */
  | { readonly kind: 'build'; readonly map: string; readonly build: Build }
  /** Events that a message map serves as well. */
  | { readonly kind: 'event'; readonly map: string; readonly events: readonly string[] }
  /** Where a segment belongs, in all messages. */
  | { readonly kind: 'nest'; readonly map: string; readonly parents: readonly string[] }
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
  const file = (name: string): Table => tableOf(join(base, name), directory);
  const groups = byId(load(join(base, 'groups')).map(readGroup));
  return {
    base: {
      messages: load(join(base, 'messages')).map((table) => withGroups(readMessageMap(table), groups)),
      segments: byId(load(join(base, 'segments')).map((table) => readRuleMap(table, 'segment', 'resource'))),
      datatypes: byId(load(join(base, 'datatypes')).map((table) => readRuleMap(table, 'datatype', 'element'))),
      vocabularies: byId(load(join(base, 'vocabulary')).map(readVocabulary)),
      keys: byId(readKeys(file('keys.yaml'))),
      structural: readStructural(file('structural.yaml')),
    },
    // A hub without overlays has no such folder.
    partners: byId(
      (existsSync(join(directory, 'partners')) ? load(join(directory, 'partners')) : []).map((table) =>
        readOverlay(table),
      ),
    ),
  };
}

function withGroups(table: MessageTable, groups: ReadonlyMap<string, Group>): MessageMap {
  const build = table.build.flatMap((item) => {
    if (!('use' in item)) return [item];
    const group = groups.get(item.use);
    if (group === undefined) throw invalid(item.at, `there is no group ${item.use}`);
    return group.build;
  });
  return { ...table, build };
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
  const names = readdirSync(folder).filter((name) => /\.(yaml|json)$/.test(name));
  return names.sort().map((name) => tableOf(join(folder, name), root));
}

function tableOf(file: string, root: string): Table {
  return new Table(readFileSync(file, 'utf8'), relative(join(root, '..'), file));
}
