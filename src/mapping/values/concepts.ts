/** Coded values: HL7v2 coded data types and tables to CodeableConcept, Coding and code. */
import { alternateCodesUrl, Extended, localUri, type Extension } from './extensions.ts';
import type { CompiledMap, Vocabulary } from '../compile.ts';
import type { RuleInfo } from '../functions.ts';
import type { Part } from '../message/part.ts';
import type { Run } from '../message/state.ts';

export interface Coding {
  system?: string;
  version?: string;
  code?: string;
  display?: string;
}

export interface CodeableConcept {
  coding?: Coding[];
  text?: string;
}

/** Where CWE has code, text, system and version of its three codings. @see HL7 v2.5.1 section 2.A.13, v2.7 2.A.13 */
const codingPlaces = [
  [1, 2, 3, 7],
  [4, 5, 6, 8],
  [10, 11, 12, 13],
] as const;

/**
 * CE, CWE, CNE, CF, IS, ID or a plain code as CodeableConcept. The sender's own coding stays; a translation by the
 * rule's vocabulary stands before it.
 * @see HL7 v2-to-FHIR, CWE[CodeableConcept]
 */
export function toConcept(part: Part, run: Run, info: RuleInfo): CodeableConcept | undefined {
  const codings: Coding[] = [];
  const count = part.count;
  for (const [code, display, system, version] of codingPlaces) {
    if (code > count) break;
    addCoding(codings, part, [code, display, system, version], run, info);
  }
  const text = count >= 9 ? sent(part, 9) : '';
  const [first] = codings;
  if (first === undefined) return text === '' ? undefined : { text };
  // A text without code is what the sender said in words.
  const words = text === '' && first.code === undefined ? first.display : text;
  const isOnlyWords = codings.length === 1 && first.code === undefined && first.system === undefined;
  if (isOnlyWords && words === first.display) return { text: words };
  return words === '' || words === undefined ? { coding: codings } : { coding: codings, text: words };
}

function addCoding(
  codings: Coding[],
  part: Part,
  [codeAt, displayAt, systemAt, versionAt]: readonly [number, number, number, number],
  run: Run,
  info: RuleInfo,
): void {
  const code = sent(part, codeAt);
  const display = sent(part, displayAt);
  if (code === '' && display === '') return;
  const name = tableName(sent(part, systemAt));
  const version = sent(part, versionAt);
  const coding = translate(codings, cleanCode(code), display, name, run, info);
  if (coding === undefined) return;
  if (version !== '') coding.version = version;
  codings.push(coding);
}

/** A table whose name a sender's separator has cut in two: HL&0078 is HL70078. */
function tableName(name: string): string {
  return name.startsWith('HL&') && /^HL&\d{4}$/.test(name) ? `HL7${name.slice(3)}` : name;
}

function sent(part: Part, index: number): string {
  const text = part.get(index);
  return text === '""' ? '' : text;
}

/** The sender's coding; a translation of it, when there is one, is added to `codings` before it. */
function translate(
  codings: Coding[],
  code: string,
  display: string,
  name: string,
  run: Run,
  { vocabulary, position }: RuleInfo,
): Coding | undefined {
  const isOfTable = vocabulary !== undefined && code !== '' && (name === '' || name === vocabulary.table);
  const entry = isOfTable ? vocabulary.entries.get(code) : undefined;
  if (isOfTable && entry === undefined) run.countCode(position, vocabulary, code);
  if (entry === undefined) return codingOf(name === '' ? undefined : codingSystem(name, run), code, display);
  if (entry.code === code) return codingOf(entry.system, code, display || entry.display || '');
  codings.push(codingOf(entry.system, entry.code, entry.display ?? ''));
  return codingOf(vocabulary?.tableSystem, code, display);
}

function codingOf(system: string | undefined, code: string, display: string): Coding {
  const coding: Coding = {};
  if (system !== undefined) coding.system = system;
  if (code !== '') coding.code = code;
  if (display !== '') coding.display = display;
  return coding;
}

/** R4 code: no white space at the ends, single spaces inside, no control characters. */
export function cleanCode(text: string): string {
  return untidy.test(text) ? text.replace(control, '').trim().replace(/\s+/g, ' ') : text;
}
// oxlint-disable-next-line no-control-regex -- those characters are the rule
const untidy = /^\s|\s$|\s\s|[\u0000-\u001f]/;
// oxlint-disable-next-line no-control-regex -- those characters are the rule
const control = /[\u0000-\u0008\u000e-\u001f]/g;

/** The first coding alone, where FHIR has a Coding. */
export function toCoding(part: Part, run: Run, info: RuleInfo): Coding | undefined {
  const codings: Coding[] = [];
  addCoding(codings, part, codingPlaces[0], run, info);
  const [first, second] = codings;
  if (second !== undefined && first !== undefined) {
    // Only one has a place: the translation; its source is told by the table, or stays beside.
    return { ...first, extension: [alternateCodes({ coding: [second] })] } as Coding;
  }
  return first;
}

/** A `code`: by the vocabulary, or as it is when the rule has none. */
export function toCode(text: string, run: Run, { vocabulary, position }: RuleInfo): string | Extended | undefined {
  if (vocabulary === undefined) return cleanCode(text);
  const entry = vocabulary.entries.get(text) ?? vocabulary.entries.get(text.trim());
  if (entry !== undefined) {
    if (!entry.isAmbiguous) return entry.code;
    return new Extended(entry.code, [
      alternateCodes({ coding: [codingOf(vocabulary.tableSystem, cleanCode(text), '')] }),
    ]);
  }
  run.countCode(position, vocabulary, text);
  if (vocabulary.fallback === undefined) return undefined;
  return new Extended(vocabulary.fallback, [alternateCodes({ coding: [codingOf(undefined, cleanCode(text), '')] })]);
}

/** A single code without text (ID, IS) as CodeableConcept. */
export function codeToConcept(text: string, run: Run, info: RuleInfo): CodeableConcept {
  const codings: Coding[] = [];
  const coding = translate(codings, cleanCode(text), '', '', run, info);
  return { coding: coding === undefined ? codings : [...codings, coding] };
}

export function alternateCodes(concept: CodeableConcept): Extension {
  return { url: alternateCodesUrl, valueCodeableConcept: concept };
}

/**
 * The URI of a coding system by the name HL7v2 gives it (HL70396): from the vocabulary `coding-system`, a v2 table, an
 * OID, a URI; any other name is the sender's own.
 */
export function codingSystem(name: string, run: Run): string {
  const systems = systemsOf(run);
  const known = systems.get(name);
  if (known !== undefined) return known;
  if (systems.size >= systemsMax) systems.clear();
  const system = findSystem(name, run);
  // A copy: a slice would keep its whole message alive.
  systems.set(Buffer.from(name).toString(), system);
  return system;
}

/** What names mean, by map and owner: found once, asked for with every code. */
function systemsOf(run: Run): Map<string, string> {
  let owners = systemsByMap.get(run.map);
  if (owners === undefined) systemsByMap.set(run.map, (owners = new Map()));
  let systems = owners.get(run.context.owner);
  if (systems === undefined) owners.set(run.context.owner, (systems = new Map()));
  return systems;
}
const systemsByMap = new WeakMap<CompiledMap, Map<string, Map<string, string>>>();
// Bounded: names come from senders, and a message may be full of inventions. A hospital has some dozens in use.
const systemsMax = 1_000;

function findSystem(sent: string, run: Run): string {
  const name = sent.trim();
  const entry = run.map.vocabularies.get('coding-system')?.entries.get(name);
  if (entry !== undefined) return entry.code;
  if (/^HL7\d{4}$/.test(name)) return `http://terminology.hl7.org/CodeSystem/v2-${name.slice(3)}`;
  if (/^[0-2](\.(0|[1-9]\d*))+$/.test(name)) return `urn:oid:${name}`;
  if (/^(https?|urn):\S+$/.test(name)) return name;
  return localUri(run.context.owner, 'coding-system', name);
}

/** The vocabulary entry of a code, counted when there is none: for functions that need more than a translation. */
export function lookUp(code: string, vocabulary: Vocabulary, position: string, run: Run): string | undefined {
  const entry = vocabulary.entries.get(code);
  if (entry === undefined) run.countCode(position, vocabulary, code);
  return entry?.code;
}
