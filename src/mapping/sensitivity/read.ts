/**
 * `mappings/sensitivity` read: a file of systems and one for each category, every error with file and line. An operator's
 * folder beside it adds to them: more names of a system, more codes, more exceptions.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { actCodeSystem, labelBit, otherLabel } from '../../fhir/labels.ts';
import { Problem } from '../../fhir/problem.ts';
import type { CategoryCodes, SensitivitySets, SystemNames } from '../../fhir/sensitivity/sets.ts';
import { Table, type Path } from '../../fhir/yaml-table.ts';

const guide = 'docs/sensitive-data.md';
const systemWords = ['id', 'spelling', 'unnamed', 'uris', 'names'];
const codeWords = ['system', 'ranges', 'prefixes', 'list', 'except', 'why'];

/**
 * @param folders the shipped one, then the operator's
 * @throws Problem invalid naming file and line: the first that is wrong
 */
export function readSensitivity(folders: readonly string[]): SensitivitySets {
  const tables = folders.flatMap(tablesOf);
  const systems = tables.flatMap((table) => (table.get(['systems']) === undefined ? [] : systemsOf(table)));
  const merged = mergeSystems(systems);
  const known = new Set(merged.map(({ id }) => id));
  return { systems: merged, codes: tables.flatMap((table) => codesOf(table, known)) };
}

function tablesOf(folder: string): Table[] {
  return namesIn(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => new Table(readFileSync(join(folder, name), 'utf8'), join(basename(folder), name), { guide }));
}

/** @throws Problem invalid for a folder that is not there */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    throw new Problem('invalid', `${folder} cannot be read`, { hint: 'See HUB_SENSITIVITY_DIR.', cause });
  }
}

function systemsOf(table: Table): SystemNames[] {
  return table.list(['systems'], systemWords).map((path) => ({
    id: table.string([...path, 'id']),
    // An operator's file repeats the id alone; the spelling is the shipped one's.
    spelling: table.oneOf([...path, 'spelling'], ['code', 'icd']),
    isUnnamed: table.flag([...path, 'unnamed']) === true,
    uris: table.strings([...path, 'uris']),
    names: table.strings([...path, 'names']).map((name) => name.toLowerCase()),
  }));
}

/** The first that says an id says how it is spelled; later ones add names. */
function mergeSystems(systems: readonly SystemNames[]): SystemNames[] {
  const merged = new Map<string, SystemNames>();
  for (const system of systems) {
    const first = merged.get(system.id);
    merged.set(
      system.id,
      first === undefined
        ? system
        : { ...first, uris: union(first.uris, system.uris), names: union(first.names, system.names) },
    );
  }
  return [...merged.values()];
}

function union(one: readonly string[], other: readonly string[]): string[] {
  return [...new Set([...one, ...other])];
}

function codesOf(table: Table, systems: ReadonlySet<string>): CategoryCodes[] {
  table.only([], ['systems', 'category', 'codes']);
  if (table.get(['codes']) === undefined) return [];
  const category = table.string(['category']);
  const bit = labelBit({ system: actCodeSystem, code: category });
  if (bit === 0 || bit === otherLabel) table.fail(['category'], `${category} is no sensitivity that rows can carry`);
  return table.list(['codes'], codeWords).map((path) => {
    const system = table.string([...path, 'system']);
    if (!systems.has(system)) table.fail([...path, 'system'], `${system} is not among the systems`);
    table.string([...path, 'why']);
    const lists = ['prefixes', 'list', 'except'].map((word) => textsOf(table, [...path, word]));
    const [prefixes = [], list = [], except = []] = lists;
    const ranges = textsOf(table, [...path, 'ranges']).flatMap((range, at) => {
      return expandRange(range) ?? table.fail([...path, 'ranges', at], `${range} is no range such as B20-B24`);
    });
    if (ranges.length + prefixes.length + list.length === 0) table.fail(path, 'no codes: ranges, prefixes or list');
    return { category, system, prefixes: [...ranges, ...prefixes], list, except };
  });
}

/** YAML reads a code of digits alone as a number, and loses what stands before them (`042`). */
function textsOf(table: Table, path: Path): string[] {
  const texts = table.strings(path);
  for (const [at, text] of texts.entries()) {
    if (text.trim() === '') table.fail([...path, at], 'an empty code would be the beginning of every other');
  }
  return texts;
}

/** More categories than a chapter has. */
const rangeMax = 1_000;

/** `B20-B24` -> B20, B21, ...; undefined when it is none. */
function expandRange(range: string): string[] | undefined {
  const [, letters = '', first = '', again, last = ''] = /^([A-Z]?)(\d+)-([A-Z]?)(\d+)$/.exec(range) ?? [];
  const [low, high] = [Number(first), Number(last)];
  if (first === '' || letters !== again || first.length !== last.length || high < low || high - low >= rangeMax)
    return undefined;
  return Array.from({ length: high - low + 1 }, (_, at) => letters + String(low + at).padStart(first.length, '0'));
}
