/** Rules to closures, once for each distinct content of a map. */
import { commands, type CommandFunction } from './commands.ts';
import { compileDatatype } from './compile/compile-datatype.ts';
import {
  compileSegment,
  type CompiledSegment,
  type Context,
  type ConvertPart,
  type Tracer,
} from './compile/compile-rules.ts';
import { compileCondition, readsOfSegment, type Test } from './compile/condition.ts';
import { invalid } from '../fhir/yaml-table.ts';
import { compileKey, keys, type KeyFunction } from './keys.ts';
import { links, type LinkFunction } from './links.ts';
import type { Node } from './message/nesting.ts';
import { compareTables } from './compile/reuse.ts';
import { type Build, type CommandSource, type MapSource, type MessageMap, type VocabularySource } from './table.ts';
import { compileTarget, type Target } from './compile/target.ts';
import { versionOf } from './tables/version.ts';

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

export interface CompiledBuild {
  readonly segment: string;
  readonly resource: string;
  readonly into: boolean;
  readonly when: Test<Node> | undefined;
  readonly key: KeyFunction | undefined;
  readonly mode: 'merge' | 'replace';
  readonly isDeleted: Test<Node> | undefined;
  readonly snapshot: Build['snapshot'];
  readonly maps: readonly CompiledSegment[];
  readonly refs: readonly CompiledRef[];
}

export interface CompiledMessage {
  readonly patient: 'required' | 'optional' | 'none';
  readonly nesting: Readonly<Record<string, readonly string[]>>;
  readonly builds: readonly CompiledBuild[];
  /** Places in `builds` by the name of the segment that they are for. */
  readonly bySegment: ReadonlyMap<string, readonly number[]>;
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
  /** What the maps built upon this one may share. */
  readonly parts: Known;
}

/**
 * @param base a compiled map whose tables may be shared where this one has the same
 * @returns the compiled map; the same object for the same content while somebody holds it
 * @throws Problem invalid naming file and line of a rule that cannot be compiled
 */
export function compileMap(source: MapSource, base?: CompiledMap): CompiledMap {
  const version = versionOf(source);
  let compiled = compiledMaps.get(version)?.deref();
  if (compiled === undefined) {
    compiled = compile(source, version, { base });
    compiledMaps.set(version, new WeakRef(compiled));
    released.register(compiled, version);
  }
  return compiled;
}
/** By version. What no endpoint has any more is released with the last message that was under way. */
const compiledMaps = new Map<string, WeakRef<CompiledMap>>();
const released = new FinalizationRegistry<string>((version) => {
  if (compiledMaps.get(version)?.deref() === undefined) compiledMaps.delete(version);
});

/** The same rules, each step seen by the tracer. For explaining one message: it is compiled anew each time. */
export function compileTraced(source: MapSource, tracer: Tracer): CompiledMap {
  return compile(source, versionOf(source), { tracer });
}

function compile(source: MapSource, version: string, options: { base?: CompiledMap; tracer?: Tracer }): CompiledMap {
  const base = options.base?.parts;
  const isUnchanged = base && compareTables(source, base.source);
  const vocabularies = new Map(
    [...source.vocabularies].map(([id, item]) => {
      const known = isUnchanged?.vocabulary(id) === true ? options.base?.vocabularies.get(id) : undefined;
      return [id, known ?? compileVocabulary(item)];
    }),
  );
  const context: Context = { datatypes: new Set(source.datatypes.keys()), vocabularies, tracer: options.tracer };
  const datatypes = new Map(
    [...source.datatypes].map(([id, map]) => {
      const known = isUnchanged?.rules('datatypes', id) === true ? options.base?.datatypes.get(id) : undefined;
      return [id, known ?? compileDatatype(map, context)];
    }),
  );
  const segments = new Map(
    [...source.segments].map(([id, map]) => {
      const known = isUnchanged?.rules('segments', id) === true ? base?.segments.get(id) : undefined;
      return [id, known ?? compileSegment(map, context)];
    }),
  );
  const compiledKeys = new Map(
    [...source.keys].map(([id, key]) => [
      id,
      (base?.source.keys.get(id) === key ? base.keys.get(id) : undefined) ?? compileKey(key, keys[id]),
    ]),
  );
  const known: Known = { source, segments, keys: compiledKeys, builds: new Map() };
  const messages = new Map<string, CompiledMessage>();
  for (const message of source.messages) {
    const compiled = sameMessage(message, known, options.base) ?? compileMessage(message, known);
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
    datatypes,
    vocabularies,
    parts: known,
  };
}

/** The base's, when nothing that this message's builds name has changed. */
function sameMessage(message: MessageMap, known: Known, base: CompiledMap | undefined): CompiledMessage | undefined {
  const { parts } = base ?? {};
  if (parts === undefined || !parts.source.messages.includes(message)) return undefined;
  const isSame = message.build.every(
    ({ maps, key = '' }) =>
      known.keys.get(key) === parts.keys.get(key) &&
      maps.every((id) => known.segments.get(id) === parts.segments.get(id)),
  );
  return isSame ? base?.messages.get(`${message.code}^${message.events[0]}`) : undefined;
}

function compileMessage(message: MessageMap, known: Known): CompiledMessage {
  const builds = message.build.map((build) => sharedBuild(build, message, known));
  return {
    patient: message.patient,
    nesting: message.nesting,
    builds,
    bySegment: Map.groupBy(builds.keys(), (place) => (builds[place] as CompiledBuild).segment),
    commands: message.commands.map(compileCommand),
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

/** What the builds of a map may name. */
interface Known {
  readonly source: MapSource;
  readonly segments: ReadonlyMap<string, CompiledSegment>;
  readonly keys: ReadonlyMap<string, KeyFunction>;
  /** Those of groups are in many messages: with and without snapshots. */
  readonly builds: Map<Build, Map<boolean, CompiledBuild>>;
}

function sharedBuild(build: Build, message: MessageMap, known: Known): CompiledBuild {
  const bySnapshots = known.builds.get(build) ?? new Map<boolean, CompiledBuild>();
  known.builds.set(build, bySnapshots);
  const compiled = bySnapshots.get(message.snapshots) ?? compileBuild(build, message, known);
  bySnapshots.set(message.snapshots, compiled);
  return compiled;
}

function compileBuild(build: Build, message: MessageMap, known: Known): CompiledBuild {
  const maps = build.maps.map((id) => {
    const map = known.segments.get(id);
    if (map === undefined) throw invalid(build.at, `there is no segment map ${id}`);
    if (known.source.segments.get(id)?.target !== build.resource)
      throw invalid(build.at, `${id} is not for ${build.resource}`);
    return map;
  });
  // A key of an overlay goes before the function of its name.
  const key = build.key === undefined ? undefined : (known.keys.get(build.key) ?? keys[build.key]);
  if (build.key !== undefined && key === undefined) throw invalid(build.at, `there is no key ${build.key}`);
  return { ...ownParts(build), key, snapshot: message.snapshots ? build.snapshot : undefined, maps };
}

type OwnParts = Pick<CompiledBuild, 'segment' | 'resource' | 'into' | 'when' | 'mode' | 'isDeleted' | 'refs'>;

/** What a build says by itself, whatever the map it is in; compiled once for all of them. */
function ownParts(build: Build): OwnParts {
  let parts = partsOfBuild.get(build);
  if (parts === undefined) {
    parts = {
      segment: build.segment,
      resource: build.resource,
      into: build.into,
      when: build.when && compileCondition(build.when, readsOfSegment),
      mode: build.mode,
      isDeleted: build.delete && compileCondition(build.delete, readsOfSegment),
      refs: Object.entries(build.refs).map(([path, text]) => compileRef(build, path, text)),
    };
    partsOfBuild.set(build, parts);
  }
  return parts;
}
const partsOfBuild = new WeakMap<Build, OwnParts>();

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
