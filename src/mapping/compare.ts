/** What another map would change: which rules say otherwise, and which results come out otherwise. */
import { Problem } from '../fhir/problem.ts';
import type { CompiledMap } from './compile.ts';
import type { MapContext } from './message/draft.ts';
import { flatten, valueText, type Flat } from './message/flatten.ts';
import type { Hl7Message } from './message.ts';
import { mapMessage } from './run.ts';
import type { MapSource, RuleMap } from './table.ts';

export interface TableDifference {
  readonly kind: 'added' | 'removed' | 'changed';
  /** `rule pid-patient/PID-5`, `vocabulary administrative-sex: 1`, `key visit`, `message adt`. */
  readonly what: string;
  /** File and line where the new map says it; of what was removed, where the old one did. */
  readonly at?: string;
}

/** Rules, codes, keys and message maps that are not the same; a rule that only stands elsewhere in its file is. */
export function compareTables(before: MapSource, after: MapSource): TableDifference[] {
  return [
    ...compareAll('rule', rulesOf(before), rulesOf(after)),
    ...compareAll('vocabulary', codesOf(before), codesOf(after)),
    ...compareAll('key', before.keys, after.keys),
    ...compareAll('message', byId(before.messages), byId(after.messages)),
  ];
}

interface Located {
  readonly at?: string;
}

function compareAll(
  word: string,
  before: ReadonlyMap<string, object>,
  after: ReadonlyMap<string, object>,
): TableDifference[] {
  const found: TableDifference[] = [];
  const add = (kind: TableDifference['kind'], name: string, { at }: Located): void => {
    found.push({ kind, what: `${word} ${name}`, ...(at === undefined ? {} : { at }) });
  };
  for (const [name, item] of after) {
    const old = before.get(name);
    if (old === undefined) add('added', name, item);
    else if (old !== item && contentOf(old) !== contentOf(item)) add('changed', name, item);
  }
  for (const [name, item] of before) if (!after.has(name)) add('removed', name, item);
  return found;
}

function contentOf(item: object): string {
  return JSON.stringify(item, (key, value: unknown) => (key === 'at' ? undefined : value));
}

function rulesOf({ segments, datatypes }: MapSource): Map<string, object> {
  const rules = (map: RuleMap): [string, object][] => map.rules.map((rule) => [`${map.id}/${rule.id}`, rule]);
  return new Map([...segments.values(), ...datatypes.values()].flatMap(rules));
}

function codesOf({ vocabularies }: MapSource): Map<string, object> {
  return new Map(
    [...vocabularies.values()].flatMap(({ id, codes }) =>
      Object.entries(codes).map(([code, entry]): [string, object] => [`${id}: ${code}`, entry]),
    ),
  );
}

function byId<T extends { readonly id: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.map((item) => [item.id, item]));
}

/** A message to try both maps on. */
export interface Sample {
  /** How the comparison names it: a file, or the id of a stored message. */
  readonly name: string;
  readonly message: Hl7Message;
  readonly context: MapContext;
}

export interface ResultDifference {
  /** `Patient.name.text`; a bare type is a resource that is there, or has its id, in one result only. */
  readonly element: string;
  readonly kind: TableDifference['kind'] | 'refused' | 'accepted';
  readonly messages: number;
  /** Some of them. Never a value: samples may be patients' messages. */
  readonly examples: readonly string[];
}

export interface ResultComparison {
  readonly messages: number;
  /** Messages that come out otherwise. */
  readonly changed: number;
  readonly differences: readonly ResultDifference[];
}

const examplesMax = 5;

/** @param samples one after the other, so that a day's traffic need not be in memory */
export async function compareResults(
  before: CompiledMap,
  after: CompiledMap,
  samples: AsyncIterable<Sample> | Iterable<Sample>,
): Promise<ResultComparison> {
  const found = new Map<string, { element: string; kind: ResultDifference['kind']; names: string[]; count: number }>();
  const total = { messages: 0, changed: 0 };
  for await (const { name, message, context } of samples) {
    total.messages++;
    const differences = new Set(differencesOf(resultOf(before, message, context), resultOf(after, message, context)));
    if (differences.size > 0) total.changed++;
    for (const difference of differences) {
      const [kind, element] = difference.split(' ') as [ResultDifference['kind'], string];
      const entry = found.get(difference) ?? { element, kind, names: [], count: 0 };
      entry.count++;
      if (entry.names.length < examplesMax) entry.names.push(name);
      found.set(difference, entry);
    }
  }
  const differences = [...found.values()]
    .toSorted((a, b) => b.count - a.count || (a.element < b.element ? -1 : 1))
    .map(({ element, kind, count, names }) => ({ element, kind, messages: count, examples: names }));
  return { ...total, differences };
}

/** Values of each resource by its reference; undefined for a message that the map refuses. */
type Result = ReadonlyMap<string, Flat> | undefined;

function resultOf(map: CompiledMap, message: Hl7Message, context: MapContext): Result {
  try {
    const { drafts } = mapMessage(map, message, context);
    return new Map(drafts.map(({ resource }) => [`${resource.resourceType}/${resource.id}`, flatten(resource)]));
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

/** As `kind element`. */
function* differencesOf(before: Result, after: Result): Generator<string> {
  if (before === undefined || after === undefined) {
    if (before !== after) yield after === undefined ? 'refused message' : 'accepted message';
    return;
  }
  for (const [reference, flat] of after) {
    const type = reference.slice(0, reference.indexOf('/'));
    const old = before.get(reference);
    if (old === undefined) yield `added ${type}`;
    else yield* elementsOf(type, old, flat);
  }
  for (const reference of before.keys())
    if (!after.has(reference)) yield `removed ${reference.slice(0, reference.indexOf('/'))}`;
}

function* elementsOf(type: string, before: Flat, after: Flat): Generator<string> {
  for (const [path, value] of after) {
    if (!before.has(path)) yield `added ${elementOf(type, path)}`;
    else if (valueText(before.get(path)) !== valueText(value)) yield `changed ${elementOf(type, path)}`;
  }
  for (const path of before.keys()) if (!after.has(path)) yield `removed ${elementOf(type, path)}`;
}

/** Without places in lists, so that a name is a name whichever it is. */
function elementOf(type: string, path: string): string {
  return `${type}.${path.replaceAll(/\[\d+\]/g, '')}`;
}
