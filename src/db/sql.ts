/**
 * SQL as values: a tagged template whose `${}` holes are bound parameters or other fragments, never text.
 *
 *     sql`select body from resource where bucket = ${bucket} and ${visible}`
 */
import { hash } from 'node:crypto';

export class Sql {
  readonly strings: readonly string[];
  readonly values: readonly unknown[];
  /**
   * Equal for fragments of equal text: the strings array itself for a template (one for each place in the source), else a
   * text.
   */
  readonly shape: unknown;
  /** Not prepared: see {@link plannedAnew}. */
  readonly isPlannedAnew: boolean;
  constructor(strings: readonly string[], values: readonly unknown[], shape: unknown, isPlannedAnew = false) {
    this.strings = strings;
    this.values = values;
    this.shape = shape;
    this.isPlannedAnew = isPlannedAnew || values.some((value) => value instanceof Sql && value.isPlannedAnew);
  }
}

export function sql(strings: TemplateStringsArray, ...values: readonly unknown[]): Sql {
  return new Sql(strings, values, strings);
}

/** Text written by us (an identifier from an allow list, a keyword). Never anything a caller sent. */
export function raw(text: string): Sql {
  return new Sql([text], [], text);
}

export function join(parts: readonly Sql[], separator: string): Sql {
  const [only] = parts;
  if (only === undefined) return raw('');
  if (parts.length === 1) return only;
  const strings = [...parts.map(() => separator), ''];
  strings[0] = '';
  // No text of raw() contains a NUL, so none is mistaken for this.
  return new Sql(strings, parts, `${parts.length}\0${separator}`);
}

/**
 * An array as PostgreSQL reads it, for a parameter that is cast to an array: made once where the driver would do it at each use.
 * @see https://www.postgresql.org/docs/15/arrays.html#ARRAYS-IO
 */
export function textArray(values: readonly (string | number | null)[]): string {
  return `{${values.map(elementOf).join(',')}}`;
}

function elementOf(value: string | number | null): string {
  return value === null ? 'NULL' : `"${String(value).replace(/["\\]/g, String.raw`\$&`)}"`;
}

/**
 * Makes the statement it becomes part of one that is not kept prepared: its text carries what decides the plan, and hardly
 * repeats. Costs a plan each time, 0.2 ms or more.
 */
export function plannedAnew(query: Sql): Sql {
  return new Sql(query.strings, query.values, query.shape, true);
}

/** A value that a statement binds once, however often it stands there: see {@link shared}. */
export class Shared {
  readonly value: unknown;
  constructor(value: unknown) {
    this.value = value;
  }
}

/**
 * To be put in a hole like the value itself. Each parameter is escaped, sent and parsed, so what a statement says ten times
 * is better sent once. Every place must give it the same type.
 */
export function shared(value: unknown): Shared {
  return new Shared(value);
}

/** A value by which statements of one text may differ and still be asked as one: see {@link varying}. */
export class Varying extends Shared {
  declare readonly value: string | number | null;
  /** Of which PostgreSQL gets a list of such values. */
  readonly type: VaryingType;
  constructor(value: string | number | null, type: VaryingType) {
    super(value);
    this.type = type;
  }
}

export type VaryingType = 'int2' | 'int4' | 'int8' | 'float8' | 'text' | 'timestamptz';

/**
 * To be put in a hole like the value itself, and bound once as {@link shared} is. Statements that differ in such values alone
 * can be asked as one (together.ts): so nothing that says who asks may be one.
 */
export function varying(value: string | number | null, type: VaryingType): Varying {
  return new Varying(value, type);
}

export interface Statement {
  readonly text: string;
  readonly values: unknown[];
  /** Under which it is kept prepared; undefined: it is not. */
  readonly name: string | undefined;
  /** Changes nothing, so that nothing is lost when it is undone with others: a plain `select`. */
  readonly isRead: boolean;
}

/**
 * Flattens fragments and numbers the parameters `$1..$n`. The same shape always gives the same text, which is made once: a
 * statement with the access predicate is 3 kB, and joining and hashing that took 8 % of a search.
 */
export function render(query: Sql): Statement {
  const parameters = new Parameters();
  if (query.isPlannedAnew) {
    return { text: textOf(query, parameters), values: parameters.values, name: undefined, isRead: false };
  }
  const { text, name, isRead } = rendered(find(query, shapes, parameters), query);
  return { text, values: parameters.values, name, isRead };
}

/** Where the text of a statement stands among those that are known, and what is in its holes, in order. */
export function layOut(query: Sql): { readonly shape: Shape; readonly holes: readonly unknown[] } {
  const parameters = new Parameters();
  return { shape: find(query, shapes, parameters), holes: parameters.holes };
}

class Parameters {
  readonly values: unknown[] = [];
  readonly holes: unknown[] = [];
  readonly #places = new Map<Shared, number>();

  /** @returns n of its `$n` */
  bind(value: unknown): number {
    this.holes.push(value);
    if (!(value instanceof Shared)) return this.values.push(value);
    const place = this.#places.get(value) ?? this.values.push(value.value);
    this.#places.set(value, place);
    return place;
  }
}

/** A place in the tree of known shapes; the fragments of a statement, in order, lead from the root to its text. */
export interface Shape {
  readonly next: Map<unknown, Shape>;
  rendered?: { readonly text: string; readonly name: string | undefined; readonly isRead: boolean };
}

/** Some 300 statements of 100 fragments and parameters. */
const shapesMax = 200_000;
/** Statements stay prepared on each connection; searches have no end of shapes, so later ones go unnamed. */
const namesMax = 2_000;

let shapes: Shape = { next: new Map() };
let shapeCount = 0;
const names = new Map<string, string>();

/** The place of this statement in the tree; its parameters are gathered along the way. */
function find(part: Sql, from: Shape, parameters: Parameters): Shape {
  let at = step(from, part.shape);
  for (const value of part.values) {
    at = value instanceof Sql ? find(value, at, parameters) : step(at, parameters.bind(value));
    // No text of raw() begins with a NUL, so none is mistaken for this.
    if (value instanceof Varying) at = step(at, `\0${value.type}`);
  }
  return at;
}

function step({ next }: Shape, key: unknown): Shape {
  let shape = next.get(key);
  if (shape === undefined) {
    next.set(key, (shape = { next: new Map() }));
    shapeCount++;
  }
  return shape;
}

function rendered(shape: Shape, query: Sql): NonNullable<Shape['rendered']> {
  if (shape.rendered !== undefined) return shape.rendered;
  // Forgotten all at once: what is in use is made again within a second, and the order of use need not be kept.
  if (shapeCount > shapesMax) [shapes, shapeCount] = [{ next: new Map() }, 0];
  const text = textOf(query, new Parameters());
  return (shape.rendered = { text, name: nameOf(text), isRead: isRead(text) });
}

/** Functions that change something are called in transactions, or in a `with` of what they are for. */
function isRead(text: string): boolean {
  return /^\s*select\b/.test(text) && !/\bfor (no key )?(update|share)\b|\b(nextval|setval|pg_notify)\b/.test(text);
}

/** A digest: the same in every process, and the name that a text had before it was forgotten. */
function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= namesMax) return known;
  const name = hash('sha1', text, 'base64url');
  names.set(text, name);
  return name;
}

function textOf(part: Sql, parameters: Parameters): string {
  let text = part.strings[0] ?? '';
  part.values.forEach((value, index) => {
    text += value instanceof Sql ? textOf(value, parameters) : `$${parameters.bind(value)}`;
    text += part.strings[index + 1] ?? '';
  });
  return text;
}
