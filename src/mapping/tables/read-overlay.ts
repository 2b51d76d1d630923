/** An overlay as it is written: what a vendor or a hospital does otherwise, one change after the other. */
import { Problem } from '../../fhir/problem.ts';
import { type Path, type Table } from '../../fhir/yaml-table.ts';
import { buildWords, readBuild, readCodes, readKeyParts, readRule, readRules, ruleWords } from './read-table.ts';
import type { Change, Partner } from '../table.ts';

/** Kind of a change -> the words it may have beside the one that names its kind. */
export const changeWords = {
  add: ['rule'],
  replace: ['rule'],
  remove: [],
  move: ['from', 'to'],
  vocab: ['codes', 'table', 'system', 'fallback'],
  key: ['from', 'same', 'within'],
  map: ['segment', 'resource', 'rules'],
  build: buildWords,
  event: ['events'],
  nest: ['in'],
} as const satisfies Record<Change['kind'], readonly string[]>;

export const overlayWords = ['$schema', 'partner', 'profile', 'endpoints', 'changes'];

const kinds = Object.keys(changeWords) as Change['kind'][];

/**
 * @param onProblem told of each change that says nothing the hub understands; without it the first one is thrown
 * @throws Problem invalid naming file and line
 */
export function readOverlay(table: Table, onProblem?: (problem: Problem) => void): Partner {
  table.only([], overlayWords);
  const words = [...new Set([...kinds, ...Object.values(changeWords).flat()])];
  const changes = table.list(['changes'], onProblem === undefined ? words : undefined).flatMap((path) => {
    try {
      return [readChange(table, path)];
    } catch (error) {
      if (onProblem === undefined || !(error instanceof Problem)) throw error;
      onProblem(error);
      return [];
    }
  });
  return {
    id: table.string(['partner']),
    profile: table.optional(['profile']),
    endpoints: table.strings(['endpoints']),
    changes,
    at: table.at([]),
  };
}

function readChange(table: Table, path: Path): Change {
  const named = kinds.filter((kind) => table.get([...path, kind]) !== undefined);
  // A build has a key as well: the kind is the word that allows the others.
  const kind = named.find((word) =>
    named.every((other) => other === word || (changeWords[word] as readonly string[]).includes(other)),
  );
  if (kind === undefined) table.fail(path, `a change is one of ${kinds.join(', ')}`);
  table.only(path, [kind, ...changeWords[kind]]);
  return { at: table.at(path), ...readers[kind](table, path, table.string([...path, kind])) };
}

type Said<K extends Change['kind']> = Omit<Extract<Change, { kind: K }>, 'at'>;

/** One for each kind: from what it names (`pid-patient`, `pid-patient/PID-5`, `adt`) and the words beside. */
const readers: { [K in Change['kind']]: (table: Table, path: Path, name: string) => Said<K> } = {
  add: (table, path, map) => ({ kind: 'add', map, rule: readOneRule(table, path) }),
  replace: (table, path, name) => ({
    kind: 'replace',
    ...ruleNamed(table, path, name),
    rule: readOneRule(table, path),
  }),
  remove: (table, path, name) => ({ kind: 'remove', ...ruleNamed(table, path, name) }),
  move: (table, path, name) => {
    const [from, to] = [table.optional([...path, 'from']), table.optional([...path, 'to'])];
    if (from === undefined && to === undefined) table.fail(path, 'move names a new from, a new to, or both');
    return { kind: 'move', ...ruleNamed(table, path, name), from, to };
  },
  vocab: (table, path, map) => {
    const [name, system] = [table.optional([...path, 'table']), table.optional([...path, 'system'])];
    if ((name === undefined) !== (system === undefined)) table.fail(path, 'a new vocabulary has a table and a system');
    const fallback = table.optional([...path, 'fallback']);
    const isNew = name !== undefined && system !== undefined;
    return {
      kind: 'vocab',
      map,
      codes: readCodes(table, [...path, 'codes']),
      fallback,
      define: isNew ? { table: name, system } : undefined,
    };
  },
  key: (table, path, map) => {
    const [same, within] = [table.flag([...path, 'same']), table.get([...path, 'within'])];
    const isNew = same !== undefined || within !== undefined;
    const define = { same: same ?? false, within: table.oneOf([...path, 'within'], ['patient', 'owner']) };
    return { kind: 'key', map, from: readKeyParts(table, [...path, 'from']), define: isNew ? define : undefined };
  },
  map: (table, path, map) => ({
    kind: 'map',
    map,
    table: {
      id: map,
      source: table.string([...path, 'segment']),
      target: table.string([...path, 'resource']),
      rules: readRules(table, [...path, 'rules']),
      at: table.at(path),
    },
  }),
  build: (table, path, map) => ({ kind: 'build', map, build: readBuild(table, path) }),
  event: (table, path, map) => ({ kind: 'event', map, events: table.strings([...path, 'events']) }),
  nest: (table, path, map) => {
    const parents = table.strings([...path, 'in']);
    for (const name of [map, ...parents]) if (!segmentPattern.test(name)) table.fail(path, `${name} is no segment`);
    return { kind: 'nest', map, parents };
  },
};

export const segmentPattern = /^[A-Z][A-Z0-9]{1,2}$/;

function ruleNamed(table: Table, path: Path, name: string): { map: string; id: string } {
  const slash = name.indexOf('/');
  if (slash < 1 || slash === name.length - 1) table.fail(path, `${name} names no rule of a map: pid-patient/PID-8`);
  return { map: name.slice(0, slash), id: name.slice(slash + 1) };
}

function readOneRule(table: Table, path: Path): ReturnType<typeof readRule> {
  table.only([...path, 'rule'], ruleWords);
  return readRule(table, [...path, 'rule']);
}
