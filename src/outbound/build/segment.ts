/**
 * build/ is the reverse of mapping/: FHIR R4 resources to the segments of an HL7v2 message. Pure: resources in, segments
 * out; what a version of HL7v2 has room for and how it is written is write.ts. Sockets, charsets and the queue are
 * elsewhere.
 */

/** A component: its text, or its subcomponents. Never escaped: write.ts does that, once. */
export type Component = string | readonly string[];
/** One repetition of a field, as its components. */
export type Value = readonly Component[];

export interface Segment {
  readonly name: string;
  /** Index = field number as printed; what is missing or empty is not sent. */
  readonly fields: readonly (readonly Value[] | undefined)[];
}

/** A field as builders write it: a plain text, one value, or its repetitions. */
export type Field = string | { readonly value: Value } | readonly Value[] | undefined;

export function segment(name: string, fields: Readonly<Record<number, Field>>): Segment {
  const list: (readonly Value[] | undefined)[] = [];
  for (const [position, field] of Object.entries(fields)) list[Number(position)] = valuesOf(field);
  return { name, fields: list };
}

function valuesOf(field: Field): readonly Value[] | undefined {
  if (field === undefined || field === '') return undefined;
  if (typeof field === 'string') return [[field]];
  const values = ('value' in field ? [field.value] : field).filter((value) => !isEmpty(value));
  return values.length === 0 ? undefined : values;
}

export function isEmpty(value: Value): boolean {
  return value.every(
    (component) => component === '' || (typeof component !== 'string' && component.every((s) => s === '')),
  );
}

/** One value, where there is one. */
export function one(value: Value | undefined): Field {
  return value === undefined ? undefined : { value };
}
