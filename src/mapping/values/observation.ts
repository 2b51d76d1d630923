/**
 * OBX-5 as Observation.value[x], by the data type that OBX-2 names. What does not fit its type is kept as text: a result
 * is never dropped because a sender mislabelled it.
 *
 * @see HL7 v2-to-FHIR, OBX[Observation] OBX-5 and OBX[Observation-Component]
 */
import { cleanCode, codingSystem, toConcept } from './concepts.ts';
import { dataAbsentReasonUrl, Extended, original } from './extensions.ts';
import { decodeEncapsulated, encapsulatedAs, mediaType } from './encapsulated.ts';
import type { RuleInfo } from '../functions.ts';
import type { Node } from '../message/nesting.ts';
import { numeric } from './number.ts';
import { isBlank, type Part, type SegmentReader } from '../message/part.ts';
import type { Element, Run } from '../message/state.ts';
import { parseTm } from './time.ts';

const ucum = 'http://unitsofmeasure.org';
const attachmentUrl = 'http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.value';

interface Unit {
  readonly unit?: string;
  readonly system?: string;
  readonly code?: string;
}

/** The elements of one value: `{ valueQuantity }`; undefined when the part does not fit the type. */
type Value = (part: Part, run: Run, unit: UnitReader, info: RuleInfo) => Element | undefined;

/** Reads OBX-6 only when a value has a place for it, so that it is kept beside when none has. */
type UnitReader = () => Unit;

const none: Unit = {};

export function observationValue(node: Node, run: Run, info: RuleInfo): Element | undefined {
  const { reader } = node;
  const type = reader.peek(2);
  const unit: UnitReader = () => unitIn(reader, run);
  return (type === 'NM' ? plainQuantity(reader, unit) : undefined) ?? valueOf(node, type, unit, run, info);
}

/** Most results are a number alone: read without Parts. */
function plainQuantity(reader: SegmentReader, unit: UnitReader): Element | undefined {
  const text = reader.plain(5);
  const value = text === undefined ? undefined : numeric(text);
  if (value === undefined) return undefined;
  reader.take(5);
  return { valueQuantity: quantityOf(value, unit()) };
}

/** Written out, because most resources are made of it, and a spread takes three times as long. */
export function quantityOf(value: unknown, { unit, system, code }: Unit): Element {
  if (system !== undefined) return { value, unit, system, code };
  return unit === undefined ? { value } : { value, unit };
}

function valueOf(node: Node, type: string, unit: UnitReader, run: Run, info: RuleInfo): Element | undefined {
  const { reader } = node;
  const parts = reader.parts(5).filter((part) => !part.value.isNull);
  const [first] = parts;
  if (first === undefined) return undefined;
  if (type === 'NA') return sampledData(parts, unit) ?? textValue(parts);
  // Own names alone: the type is what a sender wrote.
  const convert = Object.hasOwn(values, type) ? values[type] : undefined;
  if (convert === undefined) return textValue(parts);
  if (parts.length === 1) return convert(first, run, unit, info) ?? textValue(parts);
  return { component: parts.map((part) => component(node, part, convert, run, unit)) };
}

/** A value of several repetitions: each is a component with the code of the whole. */
function component(node: Node, part: Part, convert: Value, run: Run, unit: UnitReader): Element {
  const [code] = node.reader.parts(3);
  const concept = code && toConcept(code, run, codeInfo);
  return { code: concept ?? { text: 'OBX-3' }, ...(convert(part, run, unit, codeInfo) ?? textValue([part])) };
}
const codeInfo: RuleInfo = { position: 'OBX-5', vocabulary: undefined };

/** ST, TX, FT and whatever has no type of its own in FHIR; repetitions are lines. */
function textValue(parts: readonly Part[]): Element | undefined {
  const text = parts.map((part) => part.peekAll()).join('\n');
  if (text.trim() === '') return undefined;
  for (const part of parts) part.takeAll();
  return { valueString: text };
}

/** OBX-6. */
export function unitIn(reader: SegmentReader, run: Run): Unit {
  const text = reader.plain(6);
  if (text === undefined) {
    const [part] = reader.parts(6);
    return part === undefined || part.value.isNull ? none : unitOf(part, run);
  }
  if (text === '""' || isBlank(text) || text === '') return none;
  reader.take(6);
  return unitOfText(text, run);
}

/** A unit without coding system: what UCUM calls it, where the text leaves no doubt. */
function unitOfText(text: string, run: Run): Unit {
  const entry = run.map.vocabularies.get('ucum')?.entries.get(text);
  return entry === undefined ? { unit: text } : { unit: text, system: ucum, code: entry.code };
}

/** OBX-6: UCUM where the sender says so or the text leaves no doubt (vocabulary `ucum`); the unit stays as sent. */
export function unitOf(part: Part, run: Run): Unit {
  const code = part.get(1);
  const text = part.peek(2);
  const name = part.peek(3);
  if (code === '' && text === '') return none;
  const unit = text || code;
  if (name !== '' || code === '') part.take(2);
  const isUcum = name !== '' && codingSystem(name, run) === ucum;
  if (isUcum && code !== '') {
    part.take(3);
    return { unit, system: ucum, code: cleanCode(code) };
  }
  if (name === '') return unitOfText(code || text, run);
  if (code === '') return { unit: text };
  part.take(3);
  return { unit, system: codingSystem(name, run), code: cleanCode(code) };
}

function quantity(part: Part, _run: Run, unit: UnitReader): Element | undefined {
  const value = numeric(part.peek(1));
  if (value !== undefined) {
    part.take(1);
    return { valueQuantity: { value, ...unit() } };
  }
  // A number with its comparator in one text (`>1000`) is an SN that was labelled NM.
  const match = comparison.exec(part.peek(1));
  const compared = match?.[2] === undefined ? undefined : numeric(match[2]);
  if (compared === undefined) return undefined;
  part.take(1);
  return { valueQuantity: { value: compared, comparator: match?.[1], ...unit() } };
}
const comparison = /^\s*(<=|>=|<|>)\s*([\d.]+)\s*$/;

/** @see HL7 v2-to-FHIR, SN[Quantity], SN[Range], SN[Ratio] */
function structuredNumeric(part: Part, _run: Run, unit: UnitReader): Element | undefined {
  const comparator = part.peek(1).trim();
  const first = numeric(part.peek(2));
  const separator = part.peek(3).trim();
  const second = numeric(part.peek(4));
  const isCompared = comparator === '<' || comparator === '<=' || comparator === '>' || comparator === '>=';
  if (comparator !== '' && comparator !== '=' && !isCompared) return undefined;
  if (separator === '' && part.peek(4) === '' && first !== undefined) {
    part.takeAll();
    return { valueQuantity: { value: first, ...(isCompared ? { comparator } : undefined), ...unit() } };
  }
  if (first === undefined || second === undefined) return undefined;
  if (separator === '-' && !isCompared) {
    part.takeAll();
    const measured = unit();
    return { valueRange: { low: { value: first, ...measured }, high: { value: second, ...measured } } };
  }
  if (separator !== ':' && separator !== '/') return undefined;
  part.takeAll();
  const measured = unit();
  const numerator = { value: first, ...(isCompared ? { comparator } : undefined), ...measured };
  return { valueRatio: { numerator, denominator: { value: second, ...measured } } };
}

function concept(part: Part, run: Run, _unit: UnitReader, info: RuleInfo): Element | undefined {
  const value = toConcept(part, run, info);
  return value && { valueCodeableConcept: value };
}

function dateTime(part: Part, run: Run): Element | undefined {
  const value = run.dateTime(part.peek(1));
  if (value === undefined) return undefined;
  part.take(1);
  if (!(value instanceof Extended)) return { valueDateTime: value };
  return { valueDateTime: value.value, _valueDateTime: { extension: value.extension } };
}

function time(part: Part): Element | undefined {
  const value = parseTm(part.peek(1));
  if (value === undefined) return undefined;
  part.take(1);
  return { valueTime: value };
}

function period(part: Part, run: Run, _unit: UnitReader, info: RuleInfo): Element | undefined {
  const value = run.map.datatypes.get('DR')?.(part, run, info.position);
  return value && { valuePeriod: value };
}

function range(part: Part, _run: Run, unit: UnitReader): Element | undefined {
  const [low, high] = [numeric(part.peek(1)), numeric(part.peek(2))];
  if (low === undefined && high === undefined) return undefined;
  part.takeAll();
  const measured = unit();
  return {
    valueRange: {
      ...(low === undefined ? undefined : { low: { value: low, ...measured } }),
      ...(high === undefined ? undefined : { high: { value: high, ...measured } }),
    },
  };
}

function compositeQuantity(part: Part, run: Run, unit: UnitReader): Element | undefined {
  const value = numeric(part.peek(1));
  if (value === undefined) return undefined;
  part.take(1);
  const own = part.has(2) ? unitOf(part.child(2), run) : unit();
  return { valueQuantity: { value, ...own } };
}

/** MO: an amount in a currency of ISO 4217; Observation has no Money. */
function money(part: Part, _run: Run, unit: UnitReader): Element | undefined {
  const value = numeric(part.peek(1));
  if (value === undefined) return undefined;
  part.take(1);
  const currency = part.get(2);
  const own = currency === '' ? unit() : { unit: currency, system: 'urn:iso:std:iso:4217', code: currency };
  return { valueQuantity: { value, ...own } };
}

function integer(part: Part): Element | undefined {
  if (!/^\d{1,9}$/.test(part.peek(1))) return undefined;
  return { valueInteger: Number(part.get(1)) };
}

/** NA: rows of numbers. The period between them is not in the message, so it is said to be unknown. */
function sampledData(parts: readonly Part[], unit: UnitReader): Element | undefined {
  const [first] = parts as [Part];
  const rows = parts.map((part) => Array.from({ length: part.count }, (_, index) => part.peek(index + 1)));
  const isEven = rows.every((row) => row.length === first.count && row.every((text) => numeric(text) !== undefined));
  if (!isEven) return undefined;
  for (const part of parts) part.takeAll();
  const data = rows.flat().join(' ');
  const unknown = { extension: [{ url: dataAbsentReasonUrl, valueCode: 'unknown' }] };
  return { valueSampledData: { origin: { value: 0, ...unit() }, _period: unknown, dimensions: first.count, data } };
}

function attachmentValue(attachment: Element): Element {
  return { extension: [{ url: attachmentUrl, valueAttachment: attachment }] };
}

/** ED: the bytes that were encoded. @see HL7 v2-to-FHIR, ED[Attachment] */
function encapsulated(part: Part): Element | undefined {
  const attachment = encapsulatedAttachment(part);
  return attachment && attachmentValue(attachment);
}

function encapsulatedAttachment(part: Part): Element | undefined {
  const bytes = decodeEncapsulated(part.peek(5), part.peek(4).toLowerCase());
  if (bytes === undefined) return undefined;
  part.take(5);
  // att-1: data has a content type; what the sender does not name is bytes.
  const contentType = mediaType(part, 2) ?? 'application/octet-stream';
  return { contentType, data: bytes.toString('base64'), ...encapsulatedAs(part) };
}

/** RP: a pointer, never followed by the hub. @see HL7 v2-to-FHIR, RP[Attachment] */
function pointer(part: Part): Element | undefined {
  const attachment = pointerAttachment(part);
  return attachment && attachmentValue(attachment);
}

export function pointerAttachment(part: Part): Element | undefined {
  const url = part.peek(1);
  if (!/^\S+$/.test(url)) return undefined;
  part.take(1);
  const sent = `${part.peek(3)}/${part.peek(4)}`;
  const contentType = mediaType(part, 3);
  if (contentType === undefined) return { url };
  // A media type is written in lower case; how the sender wrote it stays beside.
  const beside = contentType === sent ? undefined : { extension: [original(sent)] };
  return { ...beside, contentType, url };
}

const values: Readonly<Record<string, Value | undefined>> = {
  NM: quantity,
  SN: structuredNumeric,
  CE: concept,
  CWE: concept,
  CNE: concept,
  CF: concept,
  IS: concept,
  ID: concept,
  DT: dateTime,
  DTM: dateTime,
  TS: dateTime,
  TM: time,
  DR: period,
  NR: range,
  CQ: compositeQuantity,
  MO: money,
  SI: integer,
  ED: encapsulated,
  RP: pointer,
};
