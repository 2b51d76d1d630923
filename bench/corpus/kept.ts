/**
 * Which values of an HL7v2 message are found again in its Bundle. A leaf is the text of one subcomponent (unescaped, white
 * space folded), of any field of any segment but MSH-1 and MSH-2, and `""`. It counts as kept in one of these forms:
 *
 *   same    a value of the Bundle is this text, or a line of a text that it holds as bytes
 *   part    a value of the Bundle holds it as whole words (a name within a name's text)
 *   number  a number of the Bundle has this value, with its comparator beside where the text has one
 *   time    a date or time of the Bundle has all its digits, and its offset where it has one
 *   code    a vocabulary that the rules apply to this field (or to parts of data types) translates it to a code of the Bundle,
 *           or it names that vocabulary's table and the Bundle has the vocabulary's system
 *   uri     a URI of the Bundle is made of it: urn:oid:, urn:uuid:, HL7's own for HL7nnnn, or a name at the end of one of the
 *           hub's; ISO, GUID and UUID, which say what kind of URI an authority has, by there being one of that kind
 *   element the signs of an SN in OBX-5: `=` by a number without comparator, `:` and `/` by a Ratio, `-` by a Range
 */
import { isRawNumber } from '../../src/fhir/json.ts';
import type { Hl7Message, Hl7Segment, Hl7Value } from '../../src/mapping/message.ts';
import type { MapSource } from '../../src/mapping/table.ts';

export const forms = ['same', 'part', 'number', 'time', 'code', 'uri', 'element'] as const;
export type Form = (typeof forms)[number];

export interface Leaf {
  readonly segment: string;
  /** `PID-5.1`, `PID-5.1.2` for a second subcomponent. */
  readonly position: string;
  readonly text: string;
}

export function* leavesOf(message: Hl7Message): Generator<Leaf> {
  for (const segment of message.segments) {
    for (let field = segment.name === 'MSH' ? 3 : 1; field <= segment.fieldCount; field++) {
      yield* leavesOfField(segment, field);
    }
  }
}

export function* leavesOfField(segment: Hl7Segment, field: number): Generator<Leaf> {
  for (const value of segment.field(field)) yield* leavesOfValue(value, segment.name, field);
}

export function* leavesOfValue(value: Hl7Value, segment: string, number: number): Generator<Leaf> {
  const field = `${segment}-${number}`;
  if (value.isNull) return;
  for (let component = 1; component <= value.componentCount; component++) {
    for (let sub = 1; sub <= value.subcomponentCount(component); sub++) {
      const text = foldSpace(value.get(component, sub));
      const position = sub === 1 ? `${field}.${component}` : `${field}.${component}.${sub}`;
      if (text !== '' && text !== '""') yield { segment, position, text };
    }
  }
}

export function foldSpace(text: string): string {
  // oxlint-disable-next-line no-control-regex -- R4 strings have none of those characters
  return text.replace(/[\s\u0000-\u001f]+/g, ' ').trim();
}

/** Everything a Bundle says, looked at in several ways. */
export class BundleText {
  readonly values = new Set<string>();
  readonly numbers = new Set<number>();
  readonly times: string[] = [];
  /** Names of elements. */
  readonly names = new Set<string>();
  readonly #all: string;

  constructor(bundle: unknown) {
    this.#collect(bundle);
    this.#all = `\u0000${[...this.values].join('\u0000')}\u0000`;
  }

  #collect(value: unknown): void {
    if (typeof value === 'string') {
      const text = foldSpace(value);
      this.values.add(text);
      if (/^\d{4}(-\d\d){0,2}(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text) || /^\d\d:\d\d:\d\d/.test(text))
        this.times.push(text);
    } else if (typeof value === 'number' || isRawNumber(value)) {
      const text = JSON.stringify(value);
      this.values.add(text);
      this.numbers.add(Number(text));
    } else if (typeof value === 'boolean') {
      this.values.add(String(value));
    } else if (typeof value === 'object' && value !== null) {
      if (!Array.isArray(value)) for (const name of Object.keys(value)) this.names.add(name);
      for (const line of linesOfText(value)) this.values.add(foldSpace(line));
      for (const held of Object.values(value)) this.#collect(held);
    }
  }

  /**
   * Whether some value holds the text as whole words. A text without letters also wants no `.`, `:`, `/` or `-` beside it: 01 is
   * not a part of 1980-02-01, nor 1.2 of 1.2.3.
   */
  holds(text: string): boolean {
    const runsOn = /\p{L}/u.test(text) ? wordChar : numberChar;
    for (let at = this.#all.indexOf(text); at >= 0; at = this.#all.indexOf(text, at + 1)) {
      if (!runsOn.test(this.#all.charAt(at - 1)) && !runsOn.test(this.#all.charAt(at + text.length))) return true;
    }
    return false;
  }
}

/** A text that is held as bytes: an Attachment or Binary of type text. */
function linesOfText(value: object): string[] {
  const { contentType, data } = value as { contentType?: unknown; data?: unknown };
  if (typeof contentType !== 'string' || !contentType.startsWith('text/') || typeof data !== 'string') return [];
  return Buffer.from(data, 'base64').toString('utf8').split('\n');
}

const wordChar = /[\p{L}\p{N}]/u;
const numberChar = /[\p{L}\p{N}.:/-]/u;

export interface Translations {
  /** What a code of this field becomes; empty when no vocabulary of the rules translates it. */
  of(position: string, text: string): readonly string[];
}

/** From the rules themselves: which vocabularies apply where, and which fields are booleans. */
export function translationsOf(source: MapSource): Translations {
  const byField = new Map<string, Set<string>>();
  const booleans = new Set<string>();
  for (const { rules } of source.segments.values()) {
    for (const { from, map, as } of rules) {
      const field = from?.split('.')[0] ?? '';
      if (as === 'boolean') booleans.add(field);
      if (map !== undefined) byField.set(field, (byField.get(field) ?? new Set()).add(map));
    }
  }
  const ofFields = new Set([...byField.values()].flatMap((names) => [...names]));
  const ofDataTypes = [...source.vocabularies.keys()].filter((name) => !ofFields.has(name));
  return {
    of: (position, text) => {
      const field = position.split('.')[0] as string;
      const names = [...(byField.get(field) ?? []), ...ofDataTypes];
      const found = names.flatMap((name) => {
        const { codes = {}, table, system } = source.vocabularies.get(name) ?? {};
        // HL70078, also where a sender's separator has cut it in two: HL and 0078.
        const isTable = text === table || `HL7${text}` === table || text === 'HL';
        if (isTable && system !== undefined) return [system];
        const entry = [text, text.toUpperCase()]
          .map((code) => (Object.hasOwn(codes, code) ? codes[code] : undefined))
          .find(Boolean);
        return entry === undefined ? [] : [entry.code];
      });
      if (booleans.has(field) && /^[YN]$/i.test(text)) found.push(String(text.toUpperCase() === 'Y'));
      return found;
    },
  };
}

/** The form in which a leaf is kept, undefined when it is lost. */
export function keptAs(
  { position, text }: Pick<Leaf, 'position' | 'text'>,
  bundle: BundleText,
  translations: Translations,
): Form | undefined {
  if (bundle.values.has(text)) return 'same';
  if (bundle.holds(text)) return 'part';
  if (/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text) && bundle.numbers.has(Number(text))) return 'number';
  if (isComparisonKept(text, bundle)) return 'number';
  if (isTimeKept(text, bundle.times)) return 'time';
  if (translations.of(position, text).some((code) => bundle.values.has(code))) return 'code';
  if (isUriKept(text, bundle)) return 'uri';
  return signs[`${position} ${text}`]?.some((name) => bundle.names.has(name)) === true ? 'element' : undefined;
}

/** HL7 v2.5.1 section 2.A.70: comparator, number, separator, number. */
const signs: Readonly<Record<string, readonly string[]>> = {
  'OBX-5.1 =': ['valueQuantity', 'valueRatio', 'valueRange'],
  'OBX-5.3 :': ['valueRatio'],
  'OBX-5.3 /': ['valueRatio'],
  'OBX-5.3 -': ['valueRange'],
};

/** `<2.22` is a Quantity with a comparator, however its sender labelled it. */
function isComparisonKept(text: string, bundle: BundleText): boolean {
  const [, comparator = '', number = ''] = /^([<>]=?) ?(\d+\.?\d*)$/.exec(text) ?? [];
  return number !== '' && bundle.values.has(comparator) && bundle.numbers.has(Number(number));
}

const dtm = /^(\d{4,14}(?:\.\d+)?)([+-]\d{4})?$/;

function isTimeKept(text: string, times: readonly string[]): boolean {
  const match = dtm.exec(text);
  if (match === null) return false;
  const [, digits = '', offset] = match;
  return times.some((time) => {
    const [, instant = '', zone = ''] = /^(.*?)(Z|[+-]\d\d:\d\d)?$/.exec(time) ?? [];
    // 2024-03-05: the sign of an offset stands only after a time.
    const isDay = !time.includes('T') && !time.includes(':');
    const held = (isDay ? time : instant).replace(/[-T:]/g, '');
    const isSameOffset = offset === undefined || offsetMinutes(zone) === offsetMinutes(offset);
    return held.startsWith(digits) && (isDay || isSameOffset);
  });
}

function offsetMinutes(zone: string): number {
  const digits = zone.replace(/\D/g, '');
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2));
  return zone.startsWith('-') ? -minutes : minutes;
}

const authorityKinds: Readonly<Record<string, string>> = { ISO: 'urn:oid:', GUID: 'urn:uuid:', UUID: 'urn:uuid:' };

function isUriKept(text: string, bundle: BundleText): boolean {
  // HL7's own tables go by HL70078 or, after HL, by their number alone.
  const table = /^(?:HL7)?(\d{4})$/.exec(text)?.[1];
  const uris = [
    `urn:oid:${text}`,
    `urn:uuid:${text.toLowerCase()}`,
    `http://terminology.hl7.org/CodeSystem/v2-${table}`,
  ];
  if (uris.some((uri) => bundle.values.has(uri))) return true;
  const kind = Object.hasOwn(authorityKinds, text) ? authorityKinds[text] : undefined;
  const ending = `/${encodeURIComponent(text)}`;
  return bundle.values
    .values()
    .some((value) => (kind !== undefined && value.startsWith(kind)) || (value.endsWith(ending) && value.includes(':')));
}
