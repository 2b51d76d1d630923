/**
 * Resources with every element that a release has, made from the published element lists of that release (@types/fhir, generated from
 * the specification), so that no table is held only against what its author remembered.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { propertiesOf } from '../../../../src/fhir/definitions.ts';

export type Release = 'r2' | 'r3' | 'r5';
type Json = Record<string, unknown>;
type Elements = Map<string, string>;

const folder = join(import.meta.dirname, '..', '..', '..', '..', 'node_modules', '@types', 'fhir');
const releases = new Map<Release, Map<string, Elements>>();

/** Interface name -> element -> TypeScript type, without what is inherited. */
function elementsOf(release: Release): Map<string, Elements> {
  let found = releases.get(release);
  if (found !== undefined) return found;
  found = new Map();
  const text = readFileSync(join(folder, `${release}.d.ts`), 'utf8');
  for (const [, name = '', body = ''] of text.matchAll(/export interface (\w+)(?: extends \w+)? \{([\s\S]*?)\n\}/g)) {
    const bare = body.replaceAll(/\/\*\*[\s\S]*?\*\//g, '');
    const elements = [...bare.matchAll(/^\s+(?:readonly )?(\w+)\??: (.*);\s*$/gm)].map(
      ([, element = '', type = '']) =>
        [element, type.replaceAll(/\s*\|\s*undefined/g, '').replaceAll(' ', '')] as const,
    );
    found.set(name, new Map(elements.filter(([element]) => !element.startsWith('_') && element !== 'resourceType')));
  }
  releases.set(release, found);
  return found;
}

export interface Maximal {
  readonly resource: Json;
  /** Texts and numbers in it, each once. */
  readonly leaves: readonly string[];
}

/** References, identifiers and their assigners would go on for ever. */
const depthMax = 5;
/** Not about versions: what everything may have. */
const left = new Set([
  'id',
  'extension',
  'modifierExtension',
  'contained',
  'implicitRules',
  'versionId',
  'lastUpdated',
]);

/** @param variant which of each choice of types, and which code of each list; what has fewer starts again */
export function maximal(release: Release, type: string, variant: number): Maximal {
  const types = elementsOf(release);
  const leaves: string[] = [];
  let count = 0;
  const leaf = (text: string): string => {
    leaves.push(text);
    return text;
  };

  const primitive = (name: string, r4: string | undefined): string => {
    const number = ++count;
    const two = (value: number): string => String(value % 60).padStart(2, '0');
    if (r4 === 'base64Binary' || name === 'data' || name === 'hash')
      return leaf(Buffer.from(`data${1000 + number}`).toString('base64'));
    if (r4 === 'date' || name === 'birthDate') return leaf(`${1900 + (number % 100)}-02-03`);
    if (r4 === 'time' || /^(available|opening|closing)\w*Time$|timeOfDay/.test(name))
      return leaf(`04:${two(number)}:07`);
    if (r4 === 'dateTime' || r4 === 'instant' || (r4 !== 'code' && isMoment.test(name))) {
      return leaf(
        `${name === 'start' ? 1999 : 2001}-02-03T${String(number % 24).padStart(2, '0')}:${two(Math.trunc(number / 24))}:09.${100 + (number % 900)}Z`,
      );
    }
    if (name === 'size') return leaf(String(70_000 + number));
    if (name === 'reference') return leaf(`urn:uuid:00000000-0000-4000-8000-${String(number).padStart(12, '0')}`);
    if (r4 === 'oid') return leaf(`urn:oid:1.2.${number}`);
    if (['uri', 'url', 'canonical'].includes(r4 ?? '') || /^system$|url$|uri$|Uri$|Canonical$/i.test(name))
      return leaf(`http://example.org/u${1000 + number}`);
    return leaf(`word${1000 + number}`);
  };

  const make = (name: string, declared: string, r4: string | undefined, depth: number): unknown => {
    const list = /^(?:Array<(.*)>|(.*)\[\])$/.exec(declared);
    const item = list === null ? declared : (list[1] ?? list[2] ?? '');
    const value = makeOne(name, item, r4, depth);
    return list === null || value === undefined ? value : [value];
  };

  const makeOne = (name: string, item: string, r4: string | undefined, depth: number): unknown => {
    if (item.includes("'")) {
      const codes = [...item.matchAll(/'([^']*)'/g)].map(([, code]) => code);
      return codes[variant % codes.length];
    }
    if (item === 'string') return openCodes[name] ?? primitive(name, r4);
    if (item === 'number') return Number(leaf(String(30_000 + ++count)));
    if (item === 'boolean') return variant % 2 === 0;
    return types.has(item) && item !== 'Narrative' && depth < depthMax
      ? makeObject(item, r4 ?? item, depth + 1)
      : undefined;
  };

  const makeObject = (item: string, r4: string, depth: number): Json | undefined => {
    const object: Json = {};
    const elements = [...(types.get(item) as Elements)].filter(
      ([name]) => !left.has(name) && (depth > 0 || name !== 'language'),
    );
    for (const [name, declared] of chosen(elements, variant)) {
      const value = make(name, declared, propertiesOf(r4)?.get(name)?.type, depth);
      if (value !== undefined) object[name] = value;
    }
    return Object.keys(object).length === 0 ? undefined : object;
  };

  return { resource: { resourceType: type, id: 'one', ...makeObject(type, type, 0) }, leaves };
}

/** Elements of type code whose list of codes the element lists do not print. */
const openCodes: Readonly<Record<string, string>> = { when: 'HS', priority: 'urgent' };

/** Names of moments that other releases have and R4 has not. */
const isMoment =
  /date|Date|^(start|end|issued|indexed|created|modified|recorded|orderedOn|authoredOn|sent|received|expiry|onset|time|lastOccurence|when|statusChanged)$|Time$/;

/** Of a choice of types one. `valueString` and `valueQuantity` are a choice, `valueSet` alone is none. */
function chosen(elements: readonly (readonly [string, string])[], variant: number): (readonly [string, string])[] {
  const groups = new Map<string, (readonly [string, string])[]>();
  for (const element of elements) {
    const [, base] = choice.exec(element[0]) ?? [];
    const key = base === undefined || base === '' ? element[0] : `${base}[x]`;
    groups.set(key, [...(groups.get(key) ?? []), element]);
  }
  return [...groups.values()].flatMap((group) => [group[variant % group.length] as readonly [string, string]]);
}
const choice =
  /^(abatement|additive|allowed|asNeeded|author|bounds|collected|deceased|defaultValue|dose|effective|effectiveTime|fastingStatus|instantiates|instruction|item|medication|minimumVolume|multipleBirth|notDoneReason|occurence|occurrence|onBehalfOf|onset|performed|product|quantity|rate|reason|reasonForUse|reported|scheduled|serviced|site|statusReason|strength|time|timing|value|who)(?=(?:String|Boolean|Integer|Integer64|Decimal|DateTime|Date|Time|Instant|Uri|Canonical|Code|CodeableConcept|Coding|Quantity|Range|Ratio|Period|Timing|Age|Duration|Reference|Attachment|Identifier|SampledData|Money|Markdown)$)/;
