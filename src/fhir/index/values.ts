/**
 * How a value becomes index entries: one table per search parameter type, keyed by the element's type.
 *
 * @see https://hl7.org/fhir/R4/search.html#ptypes
 */
import { periodInterval, readDate, timingInterval } from '../dates.ts';
import { valueSet as codesOf } from '../definitions.ts';
import { foldString } from '../fold.ts';
import type { Collection } from './collection.ts';
import { latitudeOf, longitudeOf } from './entry.ts';
import { numberOf } from '../json.ts';
import { han, spellName } from '../hanzi.ts';
import type { Visit, VisitContext } from './path.ts';
import { readCanonical, readReference } from '../reference.ts';
import type { SearchParamType } from '../search-request.ts';
import type { AnyResource } from '../types.ts';

export interface IndexContext extends VisitContext {
  readonly entries: Collection;
}

type Value = Record<string, unknown>;
/** Pushes the entries of one value under a name. */
type Writer = (param: string, value: unknown, entries: Collection, system: string | undefined) => void;

/** The visitor that indexes values of a type for a parameter; undefined when R4 gives such values no meaning for it. */
export function indexLeaf(
  param: string,
  kind: SearchParamType,
  type: string,
  valueSet: string | undefined,
): Visit<IndexContext> | undefined {
  const writer = kind === 'composite' ? undefined : writers[kind][type];
  if (writer === undefined) return undefined;
  const system = type === 'code' ? implicitSystem(valueSet) : undefined;
  return (value, context) => writer(param, value, context.entries, system);
}

/** FHIR R4 search.html#token: for an element of type code "the system is implicit", that of its required value set. */
function implicitSystem(valueSet: string | undefined): string | undefined {
  const systems = Object.keys((valueSet === undefined ? undefined : codesOf(valueSet)) ?? {});
  return systems.length === 1 ? systems[0] : undefined;
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

// token ------------------------------------------------------------------------------------------------------------

function writeToken(param: string, system: unknown, code: unknown, entries: Collection): void {
  const [known, value] = [text(system), text(code)];
  // One literal a shape: the hottest objects of all.
  if (value === undefined) {
    if (known !== undefined) entries.push({ kind: 'token', param, system: known });
  } else if (known === undefined) entries.push({ kind: 'token', param, code: value });
  else entries.push({ kind: 'token', param, system: known, code: value });
}

/** More than the store keeps of a text (its beginning), whatever folding leaves out. */
const foldedCharsMax = 2_000;
const fold = (exact: string): string => foldString(exact.slice(0, foldedCharsMax));

function writeText(param: string, value: unknown, entries: Collection): void {
  const exact = text(value);
  if (exact !== undefined) entries.push({ kind: 'string', param: `${param}:text`, value: fold(exact), exact });
}

const writeCoding: Writer = (param, value, entries) => {
  const coding = value as Value;
  writeToken(param, coding['system'], coding['code'], entries);
  writeText(param, coding['display'], entries);
};

const writeConcept: Writer = (param, value, entries) => {
  const concept = value as Value;
  for (const coding of list(concept['coding'])) writeCoding(param, coding, entries, undefined);
  writeText(param, concept['text'], entries);
};

/** FHIR R4 search.html#token `:of-type`: `[system]|[code]|[value]` over Identifier.type and value. */
const writeIdentifier: Writer = (param, value, entries) => {
  const identifier = value as Value;
  writeToken(param, identifier['system'], identifier['value'], entries);
  const kind = identifier['type'] as Value | undefined;
  if (kind === undefined) return;
  const held = text(identifier['value']);
  for (const coding of list(kind['coding']) as Value[]) {
    const code = text(coding['code']);
    if (code !== undefined && held !== undefined) {
      writeToken(`${param}:of-type`, coding['system'], `${code}|${held}`, entries);
    }
  }
  writeText(param, kind['text'], entries);
};

const writeCode: Writer = (param, value, entries, system) => writeToken(param, system, value, entries);
const writeBoolean: Writer = (param, value, entries) => writeToken(param, undefined, String(value), entries);
const writeContactPoint: Writer = (param, value, entries) =>
  writeToken(param, (value as Value)['system'], (value as Value)['value'], entries);

const tokenWriters: Record<string, Writer> = {
  Coding: writeCoding,
  CodeableConcept: writeConcept,
  Identifier: writeIdentifier,
  ContactPoint: writeContactPoint,
  code: writeCode,
  id: writeCode,
  string: writeCode,
  uri: writeCode,
  url: writeCode,
  canonical: writeCode,
  boolean: writeBoolean,
  // Some R4 token parameters stand on numbers and dates (Sequence window, DataElement): their text is the code.
  integer: writeBoolean,
  positiveInt: writeBoolean,
  unsignedInt: writeBoolean,
};

// reference --------------------------------------------------------------------------------------------------------

const writeReference: Writer = (param, value, entries) => {
  const { reference, identifier } = value as Value;
  const parsed = typeof reference === 'string' ? readReference(reference) : undefined;
  // A contained resource has no address of its own; what it says is part of its container.
  if (parsed !== undefined && parsed.fragment === undefined) entries.push({ kind: 'reference', param, ...parsed });
  // There is a value all the same (`:missing`).
  else entries.push({ kind: 'reference', param });
  if (identifier !== undefined) writeIdentifier(`${param}:identifier`, identifier, entries, undefined);
};

const writeCanonical: Writer = (param, value, entries) => {
  if (text(value) !== undefined) entries.push({ kind: 'reference', param, ...readCanonical(value as string) });
};

/** Bundle.composition and Bundle.message point at a resource that the Bundle holds. */
const writeHeld: Writer = (param, value, entries) => {
  const { resourceType: type, id } = value as AnyResource;
  if (id !== undefined) entries.push({ kind: 'reference', param, type, id });
};

// string -----------------------------------------------------------------------------------------------------------

const writeString: Writer = (param, value, entries) => {
  const exact = text(value);
  if (exact === undefined) return;
  entries.push({ kind: 'string', param, value: fold(exact), exact });
  if (spelledParams.has(param) && han.test(exact)) writeSpellings(param, exact, param !== 'given', entries);
};

/** Names in characters are also found by their pinyin. */
const spelledParams = new Set(['name', 'family', 'given']);

function writeSpellings(param: string, name: string, isSurnameFirst: boolean, entries: Collection): void {
  for (const value of spellName(name, isSurnameFirst)) entries.push({ kind: 'string', param, value });
}

/** A name in characters whose parts stand apart is written in one word: 王 and 小明 are 王小明. */
const writeHumanName: Writer = (param, value, entries) => {
  writeNameParts(param, value, entries, undefined);
  const { text: whole, family, given } = value as Value;
  if (whole !== undefined || typeof family !== 'string' || !han.test(family) || param !== 'name') return;
  const joined = family + list(given).join('');
  entries.push({ kind: 'string', param, value: fold(joined) });
  writeSpellings(param, joined, true, entries);
};

/** FHIR R4 search.html#string: for HumanName and Address any of the parts may match. */
const writeParts =
  (parts: readonly string[]): Writer =>
  (param, value, entries) => {
    for (const part of parts) {
      const held = (value as Value)[part];
      if (Array.isArray(held)) for (const item of held) writeString(param, item, entries, undefined);
      else writeString(param, held, entries, undefined);
    }
  };

const writeNameParts = writeParts(['text', 'family', 'given', 'prefix', 'suffix']);

// date -------------------------------------------------------------------------------------------------------------

const writeInterval = (
  param: string,
  interval: { low: number; high: number } | undefined,
  entries: Collection,
): void => {
  if (interval !== undefined) entries.push({ kind: 'date', param, low: interval.low, high: interval.high });
};
const writeDate: Writer = (param, value, entries) => writeInterval(param, readDate(String(value)), entries);

// number and quantity ------------------------------------------------------------------------------------------------

const writeNumber: Writer = (param, value, entries) => {
  const number = numberOf(value);
  if (!Number.isNaN(number)) entries.push({ kind: 'number', param, low: number, high: number });
};

const writeQuantity: Writer = (param, value, entries) => {
  const quantity = value as Value;
  const number = numberOf(quantity['value']);
  if (Number.isNaN(number)) return;
  const comparator = text(quantity['comparator']);
  entries.push({
    kind: 'quantity',
    param,
    // FHIR R4 datatypes.html#Quantity: `<` says the real value lies somewhere below.
    low: comparator?.startsWith('<') ? -Infinity : number,
    high: comparator?.startsWith('>') ? Infinity : number,
    ...unitOf(quantity),
  });
};

function unitOf(quantity: Value | undefined): { system?: string; code?: string; unit?: string } {
  const [system, code, unit] = [text(quantity?.['system']), text(quantity?.['code']), text(quantity?.['unit'])];
  return {
    ...(system === undefined ? {} : { system }),
    ...(code === undefined ? {} : { code }),
    ...(unit === undefined ? {} : { unit }),
  };
}

const writeRange: Writer = (param, value, entries) => {
  const [low, high] = [(value as Value)['low'] as Value | undefined, (value as Value)['high'] as Value | undefined];
  const [from, to] = [numberOf(low?.['value']), numberOf(high?.['value'])];
  if (Number.isNaN(from) && Number.isNaN(to)) return;
  entries.push({
    kind: 'quantity',
    param,
    low: Number.isNaN(from) ? -Infinity : from,
    high: Number.isNaN(to) ? Infinity : to,
    ...unitOf(low ?? high),
  });
};

const writeMoney: Writer = (param, value, entries) => {
  const number = numberOf((value as Value)['value']);
  const code = text((value as Value)['currency']);
  if (Number.isNaN(number)) return;
  const currency = code === undefined ? {} : { system: 'urn:iso:std:iso:4217', code };
  entries.push({ kind: 'quantity', param, low: number, high: number, ...currency });
};

/** FHIR R4 datatypes.html#SampledData: data holds numbers, and E, U, L for what was not measured; value = origin + number x factor. */
const writeSampledData: Writer = (param, value, entries) => {
  const sampled = value as Value;
  const origin = sampled['origin'] as Value | undefined;
  const factor = sampled['factor'] === undefined ? 1 : numberOf(sampled['factor']);
  let [low, high] = [Infinity, -Infinity];
  for (const item of (text(sampled['data']) ?? '').split(' ')) {
    const number = item === '' ? Number.NaN : numberOf(origin?.['value']) + Number(item) * factor;
    if (Number.isNaN(number)) continue;
    low = Math.min(low, number);
    high = Math.max(high, number);
  }
  if (low <= high) entries.push({ kind: 'quantity', param, low, high, ...unitOf(origin) });
};

/** `near` of Location. */
const writePlace: Writer = (param, value, entries) => {
  const { latitude, longitude } = value as Value;
  if (Number.isNaN(numberOf(latitude)) || Number.isNaN(numberOf(longitude))) return;
  writeNumber(latitudeOf(param), latitude, entries, undefined);
  writeNumber(longitudeOf(param), longitude, entries, undefined);
};

const writeUri: Writer = (param, value, entries) => {
  if (text(value) !== undefined) entries.push({ kind: 'uri', param, value: value as string });
};

const writers: Record<Exclude<SearchParamType, 'composite'>, Record<string, Writer>> = {
  token: tokenWriters,
  reference: {
    Reference: writeReference,
    canonical: writeCanonical,
    uri: writeCanonical,
    url: writeCanonical,
    Resource: writeHeld,
  },
  string: {
    string: writeString,
    markdown: writeString,
    code: writeString,
    HumanName: writeHumanName,
    Address: writeParts(['text', 'line', 'city', 'district', 'state', 'postalCode', 'country']),
  },
  date: {
    date: writeDate,
    dateTime: writeDate,
    instant: writeDate,
    Period: (param, value, entries) => writeInterval(param, periodInterval(value as Value), entries),
    Timing: (param, value, entries) => writeInterval(param, timingInterval(value as Value), entries),
  },
  number: { integer: writeNumber, decimal: writeNumber, positiveInt: writeNumber, unsignedInt: writeNumber },
  quantity: {
    Quantity: writeQuantity,
    Age: writeQuantity,
    Duration: writeQuantity,
    Count: writeQuantity,
    Distance: writeQuantity,
    Range: writeRange,
    Money: writeMoney,
    SampledData: writeSampledData,
  },
  uri: { uri: writeUri, url: writeUri, canonical: writeUri, oid: writeUri, uuid: writeUri },
  special: { 'Location.position': writePlace },
};
