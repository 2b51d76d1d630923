/**
 * Segments -> the text of a message, for one version of HL7v2. The dictionary says what that version has: a segment,
 * field, repetition or component without a place there is left out and named; a required field that is empty is an error.
 *
 * The package `hl7v2` could write too; docs/decisions/0009 says why it does not.
 */
import { Problem } from '../../fhir/problem.ts';
import { isEmpty, type Component, type Segment, type Value } from './segment.ts';
import type { FieldDefinition, Version } from './version.ts';

export interface Written {
  /** With CR at the end of each segment. */
  readonly text: string;
  /** Positions that the version has no place for, as `PID-40`: content that the receiver does not get. */
  readonly omitted: readonly string[];
}

/**
 * @param structure MSH-9.3, as `SIU_S12`
 * @throws Problem not-supported for a version without this message, required for an empty field that it requires
 */
export function writeMessage(segments: readonly Segment[], version: Version, structure: string): Written {
  const known = version.messages[structure];
  if (known === undefined) {
    throw new Problem('not-supported', `HL7 v${version.version} has no ${structure}`, {
      expression: 'MSH-12',
      hint: 'Give the destination another version.',
    });
  }
  const omitted: string[] = [];
  let text = '';
  for (const segment of segments) {
    const isKnown = known.includes(segment.name) && version.segments[segment.name] !== undefined;
    if (isKnown) text += `${writeSegment(segment, version, omitted)}\r`;
    else omitted.push(segment.name);
  }
  return { text, omitted };
}

/** MSH-1 and MSH-2: the separators that receivers expect. */
const fieldSeparator = '|';
const encodingCharacters = '^~\\&';

function writeSegment(segment: Segment, version: Version, omitted: string[]): string {
  const { name } = segment;
  const definitions = version.segments[name] ?? {};
  const isHeader = name === 'MSH';
  const texts: string[] = isHeader ? [name, encodingCharacters] : [name];
  const offset = isHeader ? 1 : 0;
  for (const [position, values] of segment.fields.entries()) {
    if (values === undefined) continue;
    const definition = definitions[position];
    if (definition === undefined) {
      omitted.push(`${name}-${position}`);
      continue;
    }
    const fitting = definition.isRepeating === true ? values : values.slice(0, 1);
    if (fitting.length < values.length) omitted.push(`${name}-${position}~${fitting.length + 1}`);
    const type = definition.type === 'VARIES' ? (plainField(segment, 2) ?? 'ST') : definition.type;
    const written = fitting.map((value) => writeValue(value, type, `${name}-${position}`, version, omitted));
    while (texts.length < position - offset) texts.push('');
    texts[position - offset] = written.join('~');
  }
  requireFields(name, definitions, texts, offset);
  return texts.join(fieldSeparator).replace(/\|+$/, '');
}

function plainField(segment: Segment, position: number): string | undefined {
  const component = segment.fields[position]?.[0]?.[0];
  return typeof component === 'string' ? component : undefined;
}

function requireFields(
  name: string,
  definitions: Readonly<Record<number, FieldDefinition | undefined>>,
  texts: readonly string[],
  offset: number,
): void {
  for (const [position, definition] of Object.entries(definitions)) {
    if (definition?.isRequired !== true || (texts[Number(position) - offset] ?? '') !== '') continue;
    throw new Problem('required', `HL7v2 requires ${name}-${position}, and nothing gives it`, {
      expression: `${name}-${position}`,
    });
  }
}

function writeValue(value: Value, type: string, position: string, version: Version, omitted: string[]): string {
  const count = version.components[type] ?? 1;
  const fitting = moveOriginalText(value, count);
  if (!isEmpty(fitting.slice(count))) omitted.push(`${position}.${count + 1}`);
  const isFormatted = type === 'FT';
  const texts = fitting.slice(0, count).map((component) => writeComponent(component, isFormatted));
  while (texts.at(-1) === '') texts.pop();
  // `""` means "delete what you have" (HL7 v2.5.1 section 2.5.3): as a text it must not look like that.
  const text = texts.join('^');
  return text === '""' ? '\\X22\\\\X22\\' : text;
}

/** CWE.9: the text. A CE has six components; there the text stands where a second coding's text would, or the first's. */
const originalTextAt = 9;
const conceptComponents = 6;

function moveOriginalText(value: Value, count: number): Value {
  const text = value[originalTextAt - 1];
  if (count !== conceptComponents || typeof text !== 'string' || text === '') return value;
  const free = value[1] === '' ? 1 : isEmpty(value.slice(3, 6)) ? 4 : undefined;
  if (free === undefined) return value;
  return value.map((component, index) => (index === free ? text : index === originalTextAt - 1 ? '' : component));
}

function writeComponent(component: Component, isFormatted: boolean): string {
  if (typeof component === 'string') return escape(component, isFormatted);
  return component
    .map((text) => escape(text, isFormatted))
    .join('&')
    .replace(/&+$/, '');
}

const escapes: Readonly<Record<string, string>> = {
  '|': '\\F\\',
  '^': '\\S\\',
  '&': '\\T\\',
  '~': '\\R\\',
  '\\': '\\E\\',
};

/**
 * Separators by name, control characters by number; hanzi and all other text as it is, in the charset of MSH-18. In
 * formatted text a line feed is a line break, as its readers expect; anywhere else it is the character.
 *
 * @see https://www.hl7.eu/HL7v2x/v251/std251/ch02.html#Heading37 HL7 v2.5.1 section 2.7
 */
export function escape(text: string, isFormatted = false): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  return text.replace(/[|^&~\\]|[\0-\x1f\x7f]/g, (char) => {
    if (isFormatted && char === '\n') return '\\.br\\';
    return escapes[char] ?? `\\X${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}\\`;
  });
}
