/** What each kind of table may say, and what it means: YAML values -> the types of table.ts. */
import { invalid, type Path, type Table } from '../../fhir/yaml-table.ts';
import type {
  Build,
  CommandSource,
  Condition,
  Group,
  KeyPart,
  KeySource,
  MessageTable,
  Rule,
  RuleMap,
  VocabularyEntry,
  VocabularySource,
} from '../table.ts';

/** The words of a rule, and of a build; the schema of overlays (schema.ts) knows no others. */
export const ruleWords = [
  'id',
  'from',
  'each',
  'rest',
  'when',
  'to',
  'as',
  'map',
  'const',
  'with',
  'unique',
  'fallback',
];

export function readRuleMap(table: Table, sourceWord: string, targetWord: string): RuleMap {
  table.only([], ['id', sourceWord, targetWord, 'rules']);
  return {
    id: table.string(['id']),
    source: table.string([sourceWord]),
    target: table.string([targetWord]),
    rules: readRules(table, ['rules']),
    at: table.at([]),
  };
}

export function readRules(table: Table, at: Path): Rule[] {
  const rules = table.list(at, ruleWords).map((path) => readRule(table, path));
  const seen = new Set<string>();
  for (const rule of rules) {
    if (seen.has(rule.id)) throw invalid(rule.at, `a second rule with the id ${rule.id}`);
    seen.add(rule.id);
  }
  return rules;
}

export function readRule(table: Table, path: Path): Rule {
  const value = table.record(path);
  const [from, constant] = [table.optional([...path, 'from']), value['const']];
  if ((from === undefined) === (constant === undefined)) table.fail(path, 'a rule has either from or const');
  const to = table.string([...path, 'to']);
  if (!targetPattern.test(to)) table.fail(path, `${to} is no element path`);
  if (from !== undefined && !sourcePattern.test(from)) table.fail(path, `${from} is no HL7v2 position`);
  return {
    id: table.string([...path, 'id']),
    from,
    each: table.flag([...path, 'each']),
    rest: table.flag([...path, 'rest']),
    when: readWhen(table, path),
    to,
    as: table.optional([...path, 'as']),
    map: table.optional([...path, 'map']),
    const: constant,
    with: value['with'] === undefined ? undefined : table.record([...path, 'with']),
    unique: table.flag([...path, 'unique']),
    fallback: table.flag([...path, 'fallback']),
    at: table.at(path),
  };
}
export const targetPattern = /^[A-Z][A-Za-z]*(\.[a-zA-Z]+(\[\d?\])?)*$/;
export const sourcePattern =
  /^([A-Z][A-Z0-9]{1,2}(-\d{1,3}(\.\d{1,2}(\.\d{1,2})?)?)?|[A-Z]{2,3}\.\d{1,2}(\.\d{1,2})?)$/;

function readWhen(table: Table, path: Path, word = 'when'): Condition | undefined {
  const value = table.record(path)[word];
  return value === undefined ? undefined : checkCondition(table, [...path, word], value);
}

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
  else if (word === 'event' || word === 'under') fits &&= (operand as unknown[]).every(isText);
  else if (word === 'equals') fits &&= operand.length === 2 && isPosition(operand[0]) && isText(operand[1]);
  else if (word === 'in')
    fits &&= isPosition(operand[0]) && Array.isArray(operand[1]) && (operand[1] as unknown[]).every(isText);
  else fits = false;
  if (!fits) table.fail(path, 'a condition is one of exists, equals, in, event, under, not, and, or');
  return value as Condition;
}

export function readMessageMap(table: Table): MessageTable {
  table.only([], ['id', 'code', 'events', 'defaultEvent', 'patient', 'snapshots', 'nesting', 'build', 'commands']);
  const nesting = table.record(['nesting']);
  for (const name of Object.keys(nesting)) table.strings(['nesting', name]);
  return {
    id: table.string(['id']),
    code: table.string(['code']),
    events: table.strings(['events']),
    defaultEvent: table.optional(['defaultEvent']),
    patient: table.oneOf(['patient'], ['required', 'optional', 'none']),
    snapshots: table.flag(['snapshots']) ?? false,
    nesting: nesting as Record<string, string[]>,
    build: table.list(['build'], [...buildWords, 'use']).map((path) => readBuildItem(table, path)),
    commands:
      table.get(['commands']) === undefined
        ? []
        : table.list(['commands'], ['command', 'segment', 'when']).map((path) => readCommand(table, path)),
    at: table.at([]),
  };
}

export function readGroup(table: Table): Group {
  table.only([], ['group', 'build']);
  return {
    id: table.string(['group']),
    build: table.list(['build'], buildWords).map((path) => readBuild(table, path)),
    at: table.at([]),
  };
}

function readBuildItem(table: Table, path: Path): MessageTable['build'][number] {
  const use = table.optional([...path, 'use']);
  if (use === undefined) return readBuild(table, path);
  table.only(path, ['use']);
  return { use, at: table.at(path) };
}

export const buildWords = ['segment', 'resource', 'into', 'when', 'key', 'mode', 'delete', 'snapshot', 'maps', 'refs'];

export function readBuild(table: Table, path: Path): Build {
  const into = table.optional([...path, 'into']);
  const refs = table.record([...path, 'refs']);
  for (const text of Object.values(refs)) if (typeof text !== 'string') table.fail(path, 'refs name resource types');
  return {
    segment: table.string([...path, 'segment']),
    resource: into ?? table.string([...path, 'resource']),
    into: into !== undefined,
    when: readWhen(table, path),
    key: into === undefined ? table.string([...path, 'key']) : undefined,
    mode: table.oneOf([...path, 'mode'], ['replace', 'merge']),
    delete: readWhen(table, path, 'delete'),
    snapshot:
      table.get([...path, 'snapshot']) === undefined
        ? undefined
        : table.oneOf<'patient' | 'visit'>([...path, 'snapshot'], ['patient', 'visit']),
    maps: table.strings([...path, 'maps']),
    refs: refs as Record<string, string>,
    at: table.at(path),
  };
}

function readCommand(table: Table, path: Path): CommandSource {
  return {
    command: table.string([...path, 'command']),
    segment: table.string([...path, 'segment']),
    when: readWhen(table, path),
    at: table.at(path),
  };
}

export function readStructural(table: Table): string[] {
  table.only([], ['structural']);
  return table.strings(['structural']);
}

export function readKeys(table: Table): KeySource[] {
  table.only([], ['keys']);
  return Object.keys(table.record(['keys'])).map((id) => {
    const path = ['keys', id];
    table.only(path, ['same', 'within', 'from']);
    return {
      id,
      same: table.flag([...path, 'same']) ?? false,
      within: table.oneOf([...path, 'within'], ['patient', 'owner']),
      from: readKeyParts(table, [...path, 'from']),
      at: table.at(path),
    };
  });
}

export function readKeyParts(table: Table, path: Path): KeySource['from'] {
  const alternatives = table.get(path);
  if (!Array.isArray(alternatives)) table.fail(path, 'from is a list of alternatives, each a list of parts');
  return (alternatives as unknown[]).map((_, index) =>
    table.strings([...path, index]).map((text) => readKeyPart(table, [...path, index], text)),
  );
}

/** `=filler`, `OBR-3 | ORC-3`, `PV1-19 as identifier`, `OBR-4 as concept ?`. */
function readKeyPart(table: Table, path: Path, text: string): KeyPart {
  if (text.startsWith('=')) return { from: [], literal: text.slice(1), as: 'text', optional: false };
  const [, positions = '', as = 'text', mark] = keyPartPattern.exec(text) ?? [];
  const from = positions.split('|').map((position) => position.trim());
  if (!from.every((position) => sourcePattern.test(position) && position.includes('-')))
    table.fail(path, `${text} is no part of a key`);
  return { from, as: as as KeyPart['as'], optional: mark !== undefined };
}
const keyPartPattern = /^(.*?)(?: as (text|identifier|concept|name))?( \?)?$/;

export function readVocabulary(table: Table): VocabularySource {
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

export function readCodes(table: Table, path: Path): Record<string, VocabularyEntry> {
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
