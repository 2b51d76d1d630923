/**
 * The JSON Schema of overlays, for editors: which changes there are, and the names they may use. Made from the words the
 * loader knows and the tables that are loaded, so that neither can say what the other does not.
 *
 * @see https://json-schema.org/draft/2020-12
 */
import { functions } from '../functions.ts';
import { keys } from '../keys.ts';
import { changeWords, overlayWords, segmentPattern } from './read-overlay.ts';
import { ruleWords, sourcePattern, targetPattern } from './read-table.ts';
import type { Change, MapLibrary, MapSource, RuleMap } from '../table.ts';

type Schema = Readonly<Record<string, unknown>>;

const text: Schema = { type: 'string', minLength: 1 };
const texts: Schema = { type: 'array', items: { type: 'string' } };
const yes: Schema = { type: 'boolean' };
const segmentName: Schema = { type: 'string', pattern: segmentPattern.source };
const position: Schema = { type: 'string', pattern: sourcePattern.source };
const condition: Schema = { $ref: '#/$defs/condition' };

/** What each word of a rule or build may hold. */
function wordSchemas({ base }: MapLibrary): Readonly<Record<string, Schema>> {
  return {
    id: text,
    from: position,
    each: yes,
    rest: yes,
    when: condition,
    to: { type: 'string', pattern: targetPattern.source },
    as: oneOf([...Object.keys(functions), ...base.datatypes.keys()]),
    map: suggest([...base.vocabularies.keys()]),
    const: {},
    with: { type: 'object' },
    unique: yes,
    fallback: yes,
    segment: segmentName,
    resource: { type: 'string', pattern: '^[A-Z][A-Za-z]+$' },
    into: { type: 'string', pattern: '^[A-Z][A-Za-z]+$' },
    key: text,
    mode: oneOf(['replace', 'merge']),
    delete: condition,
    snapshot: yes,
    maps: texts,
    refs: { type: 'object', additionalProperties: text },
    rules: { type: 'array', items: { $ref: '#/$defs/rule' } },
    rule: { $ref: '#/$defs/rule' },
    codes: { type: 'object', additionalProperties: { $ref: '#/$defs/code' } },
    table: text,
    system: text,
    same: yes,
    within: oneOf(['patient', 'owner']),
    events: texts,
    in: { type: 'array', items: segmentName },
  };
}

function mapsOf({ segments, datatypes }: MapSource): RuleMap[] {
  return [...segments.values(), ...datatypes.values()];
}

/** What the word that names a change may name. */
function namesOf({ base }: MapLibrary): Readonly<Record<Change['kind'], Schema>> {
  const maps = mapsOf(base);
  const rules = { $ref: '#/$defs/ruleName' };
  const messages = suggest(['*', ...base.messages.map(({ id }) => id)]);
  return {
    add: suggest(maps.map(({ id }) => id)),
    replace: rules,
    remove: rules,
    move: rules,
    vocab: suggest([...base.vocabularies.keys()]),
    key: suggest([...base.keys.keys(), ...Object.keys(keys)]),
    map: text,
    build: messages,
    event: messages,
    nest: segmentName,
  };
}

/** Words without which a change says nothing; `or`: one of them is enough. */
const required: Readonly<Record<Change['kind'], readonly string[]>> = {
  add: ['rule'],
  replace: ['rule'],
  remove: [],
  move: [],
  vocab: [],
  key: ['from'],
  map: ['segment', 'resource', 'rules'],
  build: ['segment'],
  event: [],
  nest: [],
};

export function overlaySchema(library: MapLibrary): Schema {
  const words = wordSchemas(library);
  const names = namesOf(library);
  const kinds = Object.keys(changeWords) as Change['kind'][];
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Overlay of a mapping: what a vendor or a hospital does otherwise',
    type: 'object',
    properties: {
      $schema: text,
      partner: { ...text, description: 'The name of this overlay.' },
      profile: { ...suggest([...library.partners.keys()]), description: 'A profile that is applied before.' },
      endpoints: { ...texts, description: 'Endpoints that have this overlay.' },
      changes: { type: 'array', items: { anyOf: kinds.map((kind) => changeSchema(kind, names[kind], words)) } },
    },
    required: ['partner', 'changes'],
    additionalProperties: false,
    propertyNames: oneOf(overlayWords),
    $defs: {
      rule: table(ruleWords, ['id', 'to'], words),
      code: { anyOf: [text, table(['code', 'display', 'system'], ['code'], { code: text, display: {}, system: {} })] },
      condition: conditionSchema,
      ruleName: suggest(mapsOf(library.base).flatMap(({ id, rules }) => rules.map((rule) => `${id}/${rule.id}`))),
    },
  };
}

function changeSchema(kind: Change['kind'], name: Schema, words: Readonly<Record<string, Schema>>): Schema {
  const beside = changeWords[kind] as readonly string[];
  // A key's `from` is a list of alternatives, each a list of parts.
  const from = kind === 'key' ? { type: 'array', items: texts } : words['from'];
  return table([kind, ...beside], [kind, ...required[kind]], { ...words, from: from as Schema, [kind]: name });
}

function table(names: readonly string[], needed: readonly string[], words: Readonly<Record<string, Schema>>): Schema {
  const properties = Object.fromEntries(names.map((name) => [name, words[name] ?? {}]));
  return { type: 'object', properties, required: needed, additionalProperties: false };
}

const conditionSchema: Schema = {
  type: 'object',
  properties: {
    exists: position,
    equals: { type: 'array', prefixItems: [position, { type: 'string' }], minItems: 2, maxItems: 2 },
    in: { type: 'array', prefixItems: [position, texts], minItems: 2 },
    event: texts,
    under: texts,
    not: condition,
    and: { type: 'array', items: condition },
    or: { type: 'array', items: condition },
  },
  additionalProperties: false,
  minProperties: 1,
  maxProperties: 1,
};

function oneOf(names: readonly string[]): Schema {
  return { enum: [...new Set(names)].toSorted() };
}

/** Names that an editor offers; others may be of a profile, or of this very overlay. */
function suggest(names: readonly string[]): Schema {
  return { anyOf: [oneOf(names), text] };
}
