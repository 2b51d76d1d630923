/**
 * The ways a value is shaped anew (`as` in a table): a code becomes a concept, a concept a code. Pure: a value in, a value out, or undefined
 * when it cannot be done. What a new shape has no room for is said by `isWhole`.
 */
import { isRawNumber } from '../../../src/fhir/json.ts';

export type Json = Record<string, unknown>;

export interface Shaped {
  readonly value: unknown;
  /** False: the value in its former shape says more, and is kept beside. */
  readonly isWhole: boolean;
}

export interface ShapeContext {
  readonly system: string | undefined;
  /** A code of the source -> R4's; undefined when no table knows it. */
  readonly translate: (code: string) => string | undefined;
  /** True for a code that R4's element may have. */
  readonly isKnown: (code: string) => boolean;
}

type Shaper = (value: unknown, context: ShapeContext) => Shaped | undefined;

/** By name; the type of what comes in, for what is in it to be converted first. */
const shapes = {
  /** code -> CodeableConcept */
  concept: {
    from: 'code',
    shape: (value, context) => wrap(codingOf(value, context), (coding) => ({ coding: [coding] })),
  },
  /** code -> Coding */
  coding: { from: 'code', shape: (value, context) => wrap(codingOf(value, context), (coding) => coding) },
  /** string -> CodeableConcept */
  text: { from: 'string', shape: (value) => wrap(textOf(value), (text) => ({ text })) },
  /** string -> Annotation */
  annotation: { from: 'string', shape: (value) => wrap(textOf(value), (text) => ({ text })) },
  /** Coding -> CodeableConcept */
  'concept-of-coding': { from: 'Coding', shape: (value) => wrap(objectOf(value), (coding) => ({ coding: [coding] })) },
  /** CodeableConcept -> Coding: its first one */
  'coding-of-concept': { from: 'CodeableConcept', shape: firstCoding },
  /** CodeableConcept -> code: the first that R4 knows */
  code: { from: 'CodeableConcept', shape: codeOf },
  /** CodeableConcept -> Reference, by its words */
  'reference-of-concept': {
    from: 'CodeableConcept',
    shape: (value) => wrap(wordsOf(value), (display) => ({ display }), false),
  },
  /** Reference -> CodeableConcept, by its words */
  'concept-of-reference': {
    from: 'Reference',
    shape: (value) => wrap(textOf(objectOf(value)?.['display']) ?? 'see extension', (text) => ({ text }), false),
  },
  /** Identifier -> string */
  'identifier-value': { from: 'Identifier', shape: valueOfIdentifier },
  /** The texts of a list -> string; the list is joined before. */
  joined: { from: 'string', shape: (value) => wrap(textOf(value), (text) => text) },
  /** number -> string */
  'number-text': { from: 'decimal', shape: (value) => wrap(numberText(value), (text) => text) },
  /** string of digits -> integer */
  'text-number': {
    from: 'string',
    shape: (value) => wrap(/^-?\d{1,10}$/.test(String(value)) ? Number(value) : undefined, (number) => number),
  },
} as const satisfies Record<string, { readonly from: string; readonly shape: Shaper }>;

export type Shape = keyof typeof shapes;

export const shapeNames = Object.keys(shapes) as [Shape, ...Shape[]];

/** Type of what this shape is made of. */
export function sourceTypeOf(shape: Shape): string {
  return shapes[shape].from;
}

/** The same, for what is no primitive. */
export function complexOf(shape: Shape): string | undefined {
  const { from } = shapes[shape];
  return from.charAt(0) === from.charAt(0).toUpperCase() ? from : undefined;
}

/** @returns undefined when the value has not the form that is asked for */
export function reshape(shape: Shape, value: unknown, context: ShapeContext): Shaped | undefined {
  return shapes[shape].shape(value, context);
}

function wrap<T>(value: T | undefined, make: (value: T) => unknown, isWhole = true): Shaped | undefined {
  return value === undefined ? undefined : { value: make(value), isWhole };
}

function codingOf(value: unknown, { system, translate }: ShapeContext): Json | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  const code = translate(text);
  // A code that no table knows stays what somebody said.
  return code === undefined ? { display: text } : { ...(system === undefined ? {} : { system }), code };
}

function firstCoding(value: unknown): Shaped | undefined {
  const concept = objectOf(value);
  const codings = codingsOf(concept);
  const [first] = codings;
  const text = textOf(concept?.['text']);
  if (first !== undefined) {
    return { value: first, isWhole: codings.length === 1 && (text === undefined || text === first['display']) };
  }
  return text === undefined ? undefined : { value: { display: text }, isWhole: true };
}

function codeOf(value: unknown, { translate, isKnown }: ShapeContext): Shaped | undefined {
  for (const { code } of codingsOf(objectOf(value))) {
    const found = typeof code === 'string' ? translate(code) : undefined;
    if (found !== undefined && isKnown(found)) return { value: found, isWhole: false };
  }
  return undefined;
}

function wordsOf(value: unknown): string | undefined {
  const concept = objectOf(value);
  const [first] = codingsOf(concept);
  return textOf(concept?.['text']) ?? textOf(first?.['display']) ?? textOf(first?.['code']);
}

function valueOfIdentifier(value: unknown): Shaped | undefined {
  const identifier = objectOf(value);
  const text = textOf(identifier?.['value']);
  return text === undefined ? undefined : { value: text, isWhole: Object.keys(identifier ?? {}).length === 1 };
}

function numberText(value: unknown): string | undefined {
  if (isRawNumber(value)) return value.rawJSON;
  return typeof value === 'number' ? String(value) : undefined;
}

function codingsOf(concept: Json | undefined): Json[] {
  const codings = concept?.['coding'];
  return Array.isArray(codings) ? codings.filter((coding): coding is Json => objectOf(coding) !== undefined) : [];
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function objectOf(value: unknown): Json | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value) && !isRawNumber(value);
  return isObject ? (value as Json) : undefined;
}
