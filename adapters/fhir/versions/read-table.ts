/** `mappings/fhir/*.yaml` read: every word known, every target an element of R4, every code one that R4 takes; errors with file and line. */
import { propertiesOf, valueSet, type Property } from '../../../src/fhir/definitions.ts';
import { Table, type Path } from '../../../src/fhir/yaml-table.ts';
import {
  emptyNode,
  type Condition,
  type Node,
  type Rule,
  type Segment,
  type SystemRule,
  type TypeTable,
  type VersionTable,
} from './table.ts';
import { shapeNames } from './values.ts';

const guide = 'docs/fhir-versions.md';
const ruleWords = [
  'from',
  'to',
  'as',
  'system',
  'codes',
  'beside',
  'when',
  'keep',
  'type',
  'drop',
  'split',
  'open',
  'const',
  'absent',
];
const conditionWords = ['element', 'within', 'exists', 'in', 'not'];

/** @throws Problem invalid naming file and line */
export function readVersionTable(text: string, name: string): VersionTable {
  const table = new Table(text, name, { guide });
  table.only([], ['version', 'release', 'systems', 'codes', 'types']);
  const types = Object.keys(table.record(['types'])).map((type) => readType(table, type));
  return {
    version: table.string(['version']),
    release: table.string(['release']),
    systems: readSystems(table),
    types: new Map(types.map((type) => [type.name, type])),
  };
}

function readSystems(table: Table): SystemRule[] {
  if (table.get(['systems']) === undefined) return [];
  return table.list(['systems'], ['from', 'to', 'names']).map((path) => {
    const names = table.strings([...path, 'names']);
    return {
      from: table.string([...path, 'from']),
      to: table.string([...path, 'to']),
      names: names.length === 0 ? undefined : new Set(names),
    };
  });
}

function readType(table: Table, name: string): TypeTable {
  const path = ['types', name];
  table.only(path, ['becomes', 'rules']);
  const becomes = table.optional([...path, 'becomes']) ?? name;
  if (propertiesOf(becomes) === undefined) table.fail(path, `R4 has no type ${becomes}`);
  const isListed = table.get([...path, 'rules']) !== undefined;
  const rules = isListed ? table.list([...path, 'rules'], ruleWords).map((rule) => readRule(table, rule, becomes)) : [];
  const root = rules.length === 0 ? emptyNode : treeOf(rules);
  return { name, becomes, root, rules, defaults: rules.filter(({ from }) => from.length === 0) };
}

function readRule(table: Table, path: Path, type: string): Rule {
  const from = table.optional([...path, 'from'])?.split('.') ?? [];
  const target = table.optional([...path, 'to']);
  const to = target?.split('.').map((segment) => readSegment(table, path, segment));
  const property = to === undefined ? undefined : findTarget(table, path, type, to);
  const keep = table.get([...path, 'keep']);
  if (keep !== undefined && keep !== true && keep !== 'modifier') table.fail(path, 'keep is true or modifier');
  const kept = table.optional([...path, 'type']);
  const properties = propertiesOf('Extension');
  if (kept !== undefined && !properties?.has(valueName(kept))) table.fail(path, `an extension of R4 holds no ${kept}`);
  const rule: Rule = {
    at: table.at(path),
    from,
    to,
    property,
    as: table.get([...path, 'as']) === undefined ? undefined : table.oneOf([...path, 'as'], shapeNames),
    system: table.optional([...path, 'system']),
    codes: readCodes(table, path, property),
    beside: table.record([...path, 'beside']),
    when: readConditions(table, path),
    keep: keep === undefined ? undefined : keep === true ? 'extension' : 'modifier',
    type: kept,
    drop: table.optional([...path, 'drop']),
    split: table.optional([...path, 'split']),
    isOpened: table.flag([...path, 'open']) === true,
    constant: table.get([...path, 'const']),
    absent: table.optional([...path, 'absent']),
  };
  checkRule(table, path, rule);
  return rule;
}

/** `value` and the type's name, as JSON has it. */
export function valueName(type: string): string {
  return `value${type.charAt(0).toUpperCase()}${type.slice(1)}`;
}

function checkRule(table: Table, path: Path, rule: Rule): void {
  const deeds = [rule.to, rule.keep, rule.drop, rule.split, rule.isOpened || undefined].filter(
    (deed) => deed !== undefined,
  );
  if (deeds.length !== 1) table.fail(path, 'a rule says one of to, keep, drop, split, open');
  const isDefault = rule.constant !== undefined || rule.absent !== undefined;
  if (isDefault !== (rule.from.length === 0)) table.fail(path, 'a rule has either from, or const or absent');
  if (rule.as === 'coding' && rule.system === undefined) table.fail(path, 'a code alone has no system: say which');
  for (const name of Object.keys(rule.beside)) {
    const owner = rule.to === undefined ? undefined : ownerOf(table, path, rule.to);
    if (owner === undefined || !owner.has(name)) table.fail(path, `R4 has no ${name} beside it`);
  }
}

/** The properties of the object that a target stands in. */
function ownerOf(table: Table, path: Path, to: readonly Segment[]): ReadonlyMap<string, Property> | undefined {
  const type = table.optional([...path.slice(0, 2), 'becomes']) ?? String(path[1]);
  let properties = propertiesOf(type);
  for (const { name } of to.slice(0, -1)) properties = propertiesOf(properties?.get(name)?.type ?? '');
  return properties;
}

function readSegment(table: Table, path: Path, text: string): Segment {
  const [, name, label] = /^(\w+)(?:\[(\w+)\])?$/.exec(text) ?? [];
  return name === undefined ? table.fail(path, `${text} is no element`) : { name, label };
}

function findTarget(table: Table, path: Path, type: string, to: readonly Segment[]): Property {
  let owner: string | undefined = type;
  let property: Property | undefined;
  for (const { name, label } of to) {
    property = owner === undefined ? undefined : propertiesOf(owner)?.get(name);
    if (property === undefined) return table.fail(path, `R4 has no ${owner ?? type}.${name}`);
    if (label !== undefined && property.element.max === undefined) table.fail(path, `${name} is no list`);
    owner = property.type;
  }
  return property ?? table.fail(path, 'to is empty');
}

/** By name from the table of the file, or in place. */
function readCodes(table: Table, path: Path, property: Property | undefined): Rule['codes'] {
  const named = table.get([...path, 'codes']);
  if (named === undefined) return undefined;
  const at: Path = typeof named === 'string' ? ['codes', named] : [...path, 'codes'];
  if (table.get(at) === undefined) table.fail(path, `no codes ${typeof named === 'string' ? named : ''}`);
  const codes = table.record(at) as Record<string, string | null>;
  const url = property?.type === 'code' ? property.element.valueSet : undefined;
  const set = url === undefined ? undefined : valueSet(url);
  const known = set === undefined ? undefined : new Set(Object.values(set).flat());
  for (const code of Object.values(codes)) {
    if (code === null) continue;
    if (typeof code !== 'string') table.fail(path, 'a code is a text, or null');
    if (known !== undefined && !known.has(code)) table.fail(path, `${code} is no code of ${url}`);
  }
  return codes;
}

function readConditions(table: Table, path: Path): Condition[] {
  const at = [...path, 'when'];
  if (table.get(at) === undefined) return [];
  const paths = Array.isArray(table.get(at)) ? table.list(at) : [at];
  return paths.map((condition) => {
    table.only(condition, conditionWords);
    const words = (name: string): string[] | undefined => {
      const value = table.get([...condition, name]);
      if (value === undefined) return undefined;
      return Array.isArray(value) ? value.map(String) : table.fail(condition, `${name} is a list`);
    };
    const within = table.optional([...condition, 'within']);
    return {
      path: (within ?? table.string([...condition, 'element'])).split('.'),
      isWithin: within !== undefined,
      exists: table.flag([...condition, 'exists']),
      in: words('in'),
      not: words('not'),
    };
  });
}

function treeOf(rules: readonly Rule[]): Node {
  const root: Node = { rules: [], children: new Map() };
  for (const rule of rules) {
    if (rule.from.length === 0) continue;
    let node = root;
    for (const name of rule.from) {
      const next = node.children.get(name) ?? { rules: [], children: new Map() };
      node.children.set(name, next);
      node = next;
    }
    node.rules.push(rule);
  }
  return root;
}
