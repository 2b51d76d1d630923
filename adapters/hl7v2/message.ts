/**
 * The HL7v2 parser: lazy and lossless. Splitting a message finds its segments and nothing more; fields, repetitions,
 * components and subcomponents are split when they are read, and kept. What was sent can always be read back as `raw`.
 *
 * It is our own because the parsers at hand rewrite what they read (digits, precision of times, signs in Z segments).
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html HL7 v2.5.1 chapter 2
 */
import { Problem } from '../../src/fhir/problem.ts';
import type { Hl7Message, Hl7Segment, Hl7Value } from '../../src/ingest/contract.ts';
import { readDelimiters, type Delimiters } from './delimiters.ts';
import { unescape, type DecodeHex } from './escape.ts';

/** Far more than any real message has; a text of only line ends is refused before it fills the memory. */
export const segmentsMax = 20_000;

/**
 * Fields, repetitions, components and subcomponents of a message. Far more than any real message has; a text of
 * only separators would become a hundred times its size in memory.
 */
export const partsMax = 500_000;

/**
 * Segments of a decoded message. Takes CR, LF and CRLF, a byte order mark, blank lines, blanks before a segment name, a
 * last segment without terminator, and line ends within a text that their sender did not escape.
 * @throws Problem structure when it does not begin with a usable MSH, too-long beyond {@link segmentsMax} or {@link partsMax}
 */
export function parseMessage(text: string, decodeHex: DecodeHex = latin1): Hl7Message {
  const lines = splitLines(text);
  const header = lines[0];
  if (header === undefined || !header.startsWith('MSH')) {
    throw new Problem('structure', 'the text does not begin with MSH', {
      expression: 'MSH',
      hint: 'Send one HL7v2 message, beginning with its MSH segment.',
    });
  }
  const delimiters = readDelimiters(header);
  const context: Context = { delimiters, decodeHex, plain: { delimiters: plainOf(delimiters), decodeHex } };
  const segments = joinBroken(lines, delimiters.field);
  if (text.length > partsMax) checkParts(segments, delimiters);
  return new Message(segments.map((line, index) => new Segment(line, index + 1, context)));
}

interface Context {
  readonly delimiters: Delimiters;
  readonly decodeHex: DecodeHex;
  /** For a segment in which nothing repeats, is escaped or has subcomponents, as in most: only components divide it. */
  readonly plain?: Context;
}

function plainOf(delimiters: Delimiters): Delimiters {
  let plain = plains.get(delimiters);
  if (plain === undefined) {
    plain = { ...delimiters, repetition: undefined, escape: undefined, subcomponent: undefined };
    plains.set(delimiters, plain);
  }
  return plain;
}
const plains = new WeakMap<Delimiters, Delimiters>();

const latin1: DecodeHex = (bytes) => Buffer.from(bytes).toString('latin1');

function splitLines(text: string): string[] {
  const lines: string[] = [];
  let start = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  // The next end of either kind is looked up once and kept: a text with only one kind is not searched again and again.
  let nextReturn = endOf(text, '\r', start);
  let nextFeed = endOf(text, '\n', start);
  while (start < text.length) {
    const first = text.charCodeAt(start);
    if (first === 13 || first === 10) {
      start++;
      continue;
    }
    if (nextReturn < start) nextReturn = endOf(text, '\r', start);
    if (nextFeed < start) nextFeed = endOf(text, '\n', start);
    const end = Math.min(nextReturn, nextFeed);
    // Blanks before a segment name are no part of it; a line of blanks is no segment.
    const line = first > blank ? text.slice(start, end) : text.slice(start, end).trimStart();
    if (line !== '') lines.push(line);
    if (lines.length > segmentsMax) {
      throw new Problem('too-long', `more than ${segmentsMax} segments`, { expression: 'MSH' });
    }
    start = end + 1;
  }
  return lines;
}
const blank = 32;

/** A line that is no segment goes on with the text of the one before: a sender did not escape the line end in it. */
function joinBroken(lines: readonly string[], separator: string): readonly string[] {
  if (!lines.some((line) => isContinuation(line, separator))) return lines;
  const joined: string[] = [];
  for (const line of lines) {
    if (joined.length > 0 && isContinuation(line, separator)) joined.push(`${joined.pop()}\n${line}`);
    else joined.push(line);
  }
  return joined;
}

/** Names of segments have three characters; four are seen. Text has more, or white space, before a separator comes. */
function isContinuation(line: string, separator: string): boolean {
  if (line.length === nameChars || line.startsWith(separator, nameChars)) return false;
  const end = line.indexOf(separator);
  const name = end < 0 ? line.trimEnd() : line.slice(0, Math.min(end, nameChars + 2));
  return name === '' || name.length > nameChars + 1 || /\s/.test(name);
}
const nameChars = 3;

/** @throws Problem too-long naming the segment with the most of them */
function checkParts(lines: readonly string[], { field, component, repetition, subcomponent }: Delimiters): void {
  const separators = new Set([field, component, repetition, subcomponent].map((sign) => sign?.charCodeAt(0)));
  let [all, most, longest] = [0, 0, ''];
  for (const line of lines) {
    let parts = 1;
    for (let at = 0; at < line.length; at++) if (separators.has(line.charCodeAt(at))) parts++;
    all += parts;
    if (parts > most) [most, longest] = [parts, line];
  }
  if (all <= partsMax) return;
  const name = longest.slice(0, nameChars);
  throw new Problem('too-long', `more than ${partsMax} fields, repetitions, components and subcomponents`, {
    expression: /^[A-Z][A-Z0-9]{2}$/.test(name) ? name : 'MSH',
    hint: 'Send long series as a document, or in several messages.',
  });
}

function endOf(text: string, terminator: string, from: number): number {
  const end = text.indexOf(terminator, from);
  return end < 0 ? text.length : end;
}

class Message implements Hl7Message {
  readonly segments: readonly Segment[];
  constructor(segments: readonly Segment[]) {
    this.segments = segments;
  }

  first(name: string): Segment | undefined {
    for (const segment of this.segments) if (segment.name === name) return segment;
    return undefined;
  }
}

const noValues: readonly Value[] = [];

class Segment implements Hl7Segment {
  readonly raw: string;
  readonly name: string;
  readonly position: number;
  readonly #isHeader: boolean;
  #context: Context;
  #fields: string[] | undefined;
  #present = 0;
  #presentBeyond = 0;
  /** Fields that something divides or that are escaped, as `present` has them: found once, because each rule asks. */
  #divided = 0;
  #values: (readonly Value[] | undefined)[] | undefined;

  constructor(raw: string, position: number, context: Context) {
    this.raw = raw;
    this.position = position;
    this.#context = context;
    this.name = nameOf(raw, context.delimiters.field);
    this.#isHeader = isHeader(this.name);
  }

  get fieldCount(): number {
    return this.#split().length - 1;
  }

  get present(): number {
    this.#split();
    return this.#present;
  }

  get presentBeyond(): number {
    this.#split();
    return this.#presentBeyond;
  }

  field(field: number): readonly Value[] {
    const known = this.#values?.[field];
    if (known !== undefined) return known;
    const values = this.#readField(field);
    // Of the length it will have: growing one index after the other allocates it anew each time.
    // oxlint-disable-next-line no-new-array
    if (values !== noValues) (this.#values ??= new Array(this.#split().length))[field] = values;
    return values;
  }

  text(field: number): string {
    const raw = this.#split()[field];
    if (raw === undefined || raw === '' || field < 1) return '';
    // Most fields hold one plain value: no need to split what has nothing to split at.
    return this.#isPlain(field, raw) ? raw : (this.field(field)[0]?.get(1) ?? '');
  }

  single(field: number): string | undefined {
    const raw = this.#split()[field] ?? '';
    const isOne = raw === '' || !includes(raw, this.#context.delimiters.repetition);
    return isOne || this.#isDeclaration(field) ? raw : undefined;
  }

  plain(field: number): string | undefined {
    const raw = this.#split()[field] ?? '';
    return raw === '' || this.#isPlain(field, raw) ? raw : undefined;
  }

  #isPlain(field: number, raw: string): boolean {
    return field > maskBits ? isPlain(raw, this.#context.delimiters) : (this.#divided & (1 << field)) === 0;
  }

  component(field: number, component: number): string {
    const raw = this.#split()[field] ?? '';
    const { repetition, component: separator, escape, subcomponent } = this.#context.delimiters;
    const isSimple = repetition === undefined && escape === undefined && subcomponent === undefined;
    if (raw === '' || !isSimple || separator === undefined || this.#isDeclaration(field))
      return this.field(field)[0]?.whole(component) ?? '';
    let start = 0;
    for (let index = 1; index < component; index++) {
      start = raw.indexOf(separator, start) + 1;
      if (start === 0) return '';
    }
    const end = raw.indexOf(separator, start);
    return end < 0 ? raw.slice(start) : raw.slice(start, end);
  }

  #readField(field: number): readonly Value[] {
    const raw = this.#split()[field];
    if (raw === undefined || raw === '' || field < 1) return noValues;
    if (this.#isDeclaration(field)) return [new Value(raw, undefined)];
    const separator = this.#context.delimiters.repetition;
    if (separator === undefined || !raw.includes(separator)) return [new Value(raw, this.#context)];
    const parts = raw.split(separator);
    while (parts.at(-1) === '') parts.pop();
    return parts.map((part) => new Value(part, this.#context));
  }

  /** MSH-1 and MSH-2 (and those of FHS and BHS) are the separators themselves: nothing in them separates. */
  #isDeclaration(field: number): boolean {
    return field < 3 && this.#isHeader;
  }

  /** Index = field number as printed: the separator after `MSH` is MSH-1. */
  #split(): string[] {
    if (this.#fields !== undefined) return this.#fields;
    const separator = this.#context.delimiters.field;
    const fields = this.raw.split(separator);
    if (this.#isHeader) fields.splice(1, 0, separator);
    // What MSH-2 declares divides nothing there.
    const from = this.#isHeader ? this.raw.indexOf(separator, 4) : 0;
    if (!isRich(this.raw, from, this.#context.delimiters)) this.#context = this.#context.plain ?? this.#context;
    this.#mark(fields);
    return (this.#fields = fields);
  }

  #mark(fields: readonly string[]): void {
    const { delimiters } = this.#context;
    for (let field = fields.length - 1; field > maskBits; field--) {
      if (fields[field] !== '') this.#presentBeyond |= field > 2 * maskBits ? 1 : 1 << (field - maskBits);
    }
    for (let field = Math.min(fields.length - 1, maskBits); field > 0; field--) {
      const raw = fields[field] as string;
      if (raw === '') continue;
      this.#present |= 1 << field;
      if (!this.#isDeclaration(field) && !isPlain(raw, delimiters)) this.#divided |= 1 << field;
    }
  }
}

/** Fields of a 32-bit mask. */
const maskBits = 30;

function isRich(raw: string, from: number, { repetition, escape, subcomponent }: Delimiters): boolean {
  return includes(raw, repetition, from) || includes(raw, escape, from) || includes(raw, subcomponent, from);
}

/** Names have three characters; a longer or shorter one is kept as sent. */
function nameOf(raw: string, separator: string): string {
  const end = raw.indexOf(separator);
  if (end !== 3) return end < 0 ? raw.trimEnd() : raw.slice(0, end);
  const code = (raw.charCodeAt(0) * 65_536 + raw.charCodeAt(1)) * 65_536 + raw.charCodeAt(2);
  const known = names.get(code);
  if (known !== undefined) return known;
  const name = raw.slice(0, 3);
  if (names.size < namesMax) names.set(code, name);
  return name;
}
/** The same text for the same name: it is compared and looked up for every rule, which is faster with one that is known. */
const names = new Map<number, string>();
// HL7 v2.9 has about 180 segments; Z segments are a sender's own.
const namesMax = 1_000;

function isHeader(name: string): boolean {
  return name === 'MSH' || name === 'BHS' || name === 'FHS';
}

class Value implements Hl7Value {
  readonly raw: string;
  /** Undefined for text in which nothing separates. */
  readonly #context: Context | undefined;
  #components: string[] | undefined;
  #divided: { readonly component: number; readonly parts: readonly string[] } | undefined;

  constructor(raw: string, context: Context | undefined) {
    this.raw = raw;
    this.#context = context === undefined || isPlain(raw, context.delimiters) ? undefined : context;
  }

  get isNull(): boolean {
    return this.raw === '""';
  }

  get componentCount(): number {
    return this.#split().length;
  }

  get(component: number, subcomponent = 1): string {
    const context = this.#context;
    if (context === undefined) return component === 1 && subcomponent === 1 ? this.raw : '';
    const raw = this.#split()[component - 1];
    if (raw === undefined || raw === '') return '';
    const separator = context.delimiters.subcomponent;
    if (separator === undefined || !raw.includes(separator)) return subcomponent === 1 ? this.#plain(raw) : '';
    return this.#plain(this.#subcomponents(component, raw, separator)[subcomponent - 1] ?? '');
  }

  whole(component: number): string {
    const raw = this.#split()[component - 1] ?? '';
    const separator = this.#context?.delimiters.subcomponent;
    // The usual separator whatever the sender's, so that the same content is the same text.
    return separator === undefined || separator === '&' || !raw.includes(separator)
      ? this.#plain(raw)
      : raw
          .split(separator)
          .map((part) => this.#plain(part))
          .join('&');
  }

  subcomponentCount(component: number): number {
    const raw = this.#split()[component - 1];
    const separator = this.#context?.delimiters.subcomponent;
    if (raw === undefined) return 0;
    return separator === undefined || !raw.includes(separator)
      ? 1
      : this.#subcomponents(component, raw, separator).length;
  }

  /** Those of one component are read one after the other: the last that was divided is kept. */
  #subcomponents(component: number, raw: string, separator: string): readonly string[] {
    if (this.#divided?.component !== component) this.#divided = { component, parts: raw.split(separator) };
    return this.#divided.parts;
  }

  #plain(raw: string): string {
    const context = this.#context;
    return context === undefined ? raw : unescape(raw, context.delimiters, context.decodeHex);
  }

  #split(): string[] {
    if (this.#components !== undefined) return this.#components;
    const separator = this.#context?.delimiters.component;
    return (this.#components = separator === undefined ? [this.raw] : this.raw.split(separator));
  }
}

/** Without separators and escapes: text that is its own meaning. */
function isPlain(raw: string, delimiters: Delimiters): boolean {
  return !(
    includes(raw, delimiters.component) ||
    includes(raw, delimiters.repetition) ||
    includes(raw, delimiters.escape) ||
    includes(raw, delimiters.subcomponent)
  );
}

function includes(raw: string, separator: string | undefined, from = 0): boolean {
  return separator !== undefined && raw.includes(separator, from);
}
