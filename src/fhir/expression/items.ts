/**
 * What FHIRPath says of collections, on JSON values as they stand in a resource: emptiness, equality, order, descendants. A
 * primitive that has extensions and no value is the object of its `_name`.
 *
 * @see https://hl7.org/fhirpath/N1/#operations
 */
import { readDate } from '../dates.ts';
import { isRawNumber, numberOf } from '../json.ts';
import { Problem } from '../problem.ts';
import type { AnyResource } from '../types.ts';

export type Items = readonly unknown[];

/** What an evaluation sees beside its focus. */
export interface Scope {
  /** `%resource`: the resource the value is in; for a contained one that itself. */
  readonly resource: AnyResource;
  /** `%rootResource`: the container of `%resource`, or itself. */
  readonly root: AnyResource;
  /** `%context`: where the evaluation starts. */
  readonly context: unknown;
  /** Values that may still be looked at. */
  steps: number;
}

/** Enough for any expression that walks a resource of the greatest size some times; what needs more is quadratic. */
export const stepsMax = 2_000_000;

export const none: Items = [];
export const yes: Items = [true];
export const no: Items = [false];

export function asItems(value: boolean | undefined): Items {
  return value === undefined ? none : value ? yes : no;
}

/** A collection as a condition: empty is neither true nor false, a single value that is no boolean is true. */
export function truth(items: Items): boolean | undefined {
  if (items.length === 0) return undefined;
  return items.length === 1 ? items[0] !== false : undefined;
}

/** @throws Problem too-costly when an expression looks at more values than a resource can need */
export function spend(scope: Scope, steps: number): void {
  scope.steps -= steps;
  if (scope.steps < 0)
    throw new Problem('too-costly', 'a rule of the specification cannot be checked on so many values');
}

export function isPrimitive(value: unknown): boolean {
  return typeof value !== 'object' || value === null || isRawNumber(value);
}

/** A primitive as text, numbers with their digits; undefined for anything else. */
export function textOf(item: unknown): string | undefined {
  if (typeof item === 'string') return item;
  if (isRawNumber(item)) return item.rawJSON;
  return typeof item === 'number' || typeof item === 'boolean' ? String(item) : undefined;
}

/** Equal values have equal keys. */
export function keyOf(value: unknown): string {
  if (typeof value === 'string') return `s${value}`;
  if (typeof value === 'number' || isRawNumber(value)) return `n${numberOf(value)}`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.map(keyOf).join()}]`;
  const entries = Object.entries(value).map(([name, held]) => `${JSON.stringify(name)}:${keyOf(held)}`);
  return `{${entries.sort().join()}}`;
}

export function isSame(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' && typeof right !== 'object') return false;
  return keyOf(left) === keyOf(right);
}

/** `=`: undefined when either side is empty. */
export function areEqual(left: Items, right: Items): boolean | undefined {
  if (left.length === 0 || right.length === 0) return undefined;
  return left.length === right.length && left.every((item, at) => isSame(item, right[at]));
}

/** Negative, zero or positive; undefined when the two cannot be ordered (other units, dates whose precision leaves it open). */
export function order(left: Items, right: Items): number | undefined {
  if (left.length !== 1 || right.length !== 1) return undefined;
  const [a, b] = [left[0], right[0]];
  if (typeof a === 'string' && typeof b === 'string') return orderTexts(a, b);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return isPrimitive(a) || isPrimitive(b) ? undefined : orderQuantities(a as Quantity, b as Quantity);
}

interface Quantity {
  readonly value?: unknown;
  readonly code?: unknown;
  readonly unit?: unknown;
}

function orderQuantities(a: Quantity, b: Quantity): number | undefined {
  if (a.code !== b.code || (a.code === undefined && a.unit !== b.unit)) return undefined;
  const difference = numberOf(a.value) - numberOf(b.value);
  return Number.isNaN(difference) ? undefined : difference;
}

/** @see https://hl7.org/fhirpath/N1/#comparison dates of different precision are ordered where no reading could differ */
function orderTexts(a: string, b: string): number | undefined {
  const [x, y] = [readDate(a), readDate(b)];
  if (x === undefined || y === undefined) return a < b ? -1 : a > b ? 1 : 0;
  if (x.high <= y.low) return -1;
  if (x.low >= y.high) return 1;
  return x.low === y.low && x.high === y.high ? 0 : undefined;
}

/** Each value once, in the order of first appearance. */
export function distinct(items: Items): Items {
  if (items.length < 2) return items;
  const seen = new Map<string, unknown>();
  for (const item of items) {
    const key = keyOf(item);
    if (!seen.has(key)) seen.set(key, item);
  }
  return seen.size === items.length ? items : [...seen.values()];
}

export function children(items: Items, scope: Scope): unknown[] {
  const found: unknown[] = [];
  for (const item of items) {
    if (isPrimitive(item)) continue;
    for (const [name, value] of Object.entries(item as object))
      if (name !== 'resourceType') found.push(...listOf(value));
  }
  spend(scope, found.length);
  return found;
}

/** All below, near ones first. */
export function descendants(items: Items, scope: Scope): unknown[] {
  const found: unknown[] = [];
  for (let level = children(items, scope); level.length > 0; level = children(level, scope)) {
    for (const item of level) found.push(item);
  }
  return found;
}

export function listOf(value: unknown): Items {
  if (value === undefined || value === null) return none;
  return Array.isArray(value) ? value.filter((item) => item !== null) : [value];
}
