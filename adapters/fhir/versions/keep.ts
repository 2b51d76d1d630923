/**
 * What R4 has no place for stays with the resource, as the extension that FHIR itself defines for elements of other releases.
 *
 * @see https://hl7.org/fhir/R4/versions.html#extensions
 */
import { propertiesOf } from '../../../src/fhir/definitions.ts';
import { isRawNumber } from '../../../src/fhir/json.ts';
import { primitiveCheck } from '../../../src/fhir/primitives.ts';
import { valueName } from './read-table.ts';
import { objectOf, type Json } from './values.ts';

/** What a table calls the types of what is in a value, converted; undefined when it is no such value. */
export type ConvertAs = (value: unknown, type: string) => unknown;

/** `http://hl7.org/fhir/3.0/StructureDefinition/extension-Patient.animal` */
export function keptUrl(release: string, path: string): string {
  return `http://hl7.org/fhir/${release}/StructureDefinition/extension-${path}`;
}

/** A name that an element can have; anything else is its sender's text, and is shown to nobody. */
export function printable(name: string): string {
  return /^\w{1,64}$/.test(name) ? name : '(name)';
}

/**
 * @param extra what the source has beside a primitive: `_name`
 * @param type where a table says it
 * @returns undefined for an empty value
 */
export function keepAs(
  url: string,
  value: unknown,
  extra: unknown,
  { type, convert }: { readonly type: string | undefined; readonly convert: ConvertAs },
): Json | undefined {
  if (value === undefined) {
    // Only said of: what is said stays, in its own extensions.
    const said = objectOf(extra)?.['extension'];
    return Array.isArray(said) ? { url, extension: said.map((one) => convert(one, 'Extension') ?? one) } : undefined;
  }
  const typed = type ?? typeOf(value);
  if (typed !== undefined) {
    const name = valueName(typed);
    const converted = convert(value, typed);
    const beside = objectOf(extra);
    if (converted !== undefined) {
      return {
        url,
        [name]: converted,
        ...(beside === undefined ? {} : { [`_${name}`]: convert(beside, 'Element') ?? beside }),
      };
    }
    if (type !== undefined) return keepAs(url, value, extra, { type: undefined, convert });
  }
  const object = objectOf(value);
  return object === undefined ? undefined : keepParts(url, object, convert);
}

/** An extension for each element: what a backbone element becomes. */
function keepParts(url: string, object: Json, convert: ConvertAs): Json | undefined {
  const extension: unknown[] = [];
  for (const name of elementsOf(object)) {
    if (name === 'id' || name === 'resourceType') continue;
    const values = listOf(object[name]);
    const extras = listOf(object[`_${name}`]);
    for (let at = 0; at < Math.max(values.length, extras.length); at++) {
      const isExtension = name === 'extension' || name === 'modifierExtension';
      const part = isExtension
        ? convert(values[at], 'Extension')
        : keepAs(printable(name), values[at] ?? undefined, extras[at] ?? undefined, { type: undefined, convert });
      if (part !== undefined) extension.push(part);
    }
  }
  return extension.length === 0 ? undefined : { url, extension };
}

/** The names of what an object says, `_name` counting as name. */
export function elementsOf(object: Json): string[] {
  return [...new Set(Object.keys(object).map((name) => (name.startsWith('_') ? name.slice(1) : name)))];
}

export function listOf(value: unknown): readonly unknown[] {
  return value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
}

/** The R4 type that a value has by its looks; undefined for an object of parts. */
function typeOf(value: unknown): string | undefined {
  if (typeof value === 'string') return primitiveCheck('string')?.(value) === undefined ? 'string' : undefined;
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? 'integer' : 'decimal';
  if (isRawNumber(value)) return 'decimal';
  const object = objectOf(value) ?? {};
  const names = Object.keys(object);
  if (names.length === 0) return undefined;
  return lookalikes.find(({ type, marks, isPlain }) => {
    const properties = propertiesOf(type);
    const isOf = (name: string): boolean => properties?.has(name.startsWith('_') ? name.slice(1) : name) === true;
    return marks.some((mark) => isMark(object[mark], isPlain)) && names.every(isOf);
  })?.type;
}

function isMark(value: unknown, isPlain: boolean): boolean {
  return value !== undefined && (typeof value !== 'object' || isRawNumber(value)) === isPlain;
}

/** In this order; each by an element that the others have not, plain (a text, a number) or made of parts. */
const lookalikes: readonly { readonly type: string; readonly marks: readonly string[]; readonly isPlain: boolean }[] = [
  { type: 'Reference', marks: ['reference'], isPlain: true },
  { type: 'CodeableConcept', marks: ['coding'], isPlain: false },
  { type: 'Attachment', marks: ['contentType', 'data', 'url'], isPlain: true },
  { type: 'HumanName', marks: ['given'], isPlain: false },
  { type: 'Quantity', marks: ['value', 'unit'], isPlain: true },
  { type: 'Identifier', marks: ['value'], isPlain: true },
  { type: 'Coding', marks: ['code'], isPlain: true },
  { type: 'Period', marks: ['start', 'end'], isPlain: true },
  { type: 'Range', marks: ['low', 'high'], isPlain: false },
  { type: 'Ratio', marks: ['numerator', 'denominator'], isPlain: false },
  { type: 'Timing', marks: ['repeat'], isPlain: false },
];
