/**
 * JSON Patch and JSON Pointer, pure. Own code because the well-known packages either reach prototypes by `__proto__` or
 * `constructor` (CVE-2021-4279 among others), or lose the digits of decimals, and none bounds what `copy` can blow up.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6902
 * @see https://www.rfc-editor.org/rfc/rfc6901
 */
import { copyJson, isRawNumber, jsonDepthMax } from '../json.ts';
import { atIndex, Problem } from '../problem.ts';

/** Reference tokens, unescaped. */
type Pointer = readonly string[];

export type JsonPatchOperation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: Pointer; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: Pointer }
  | { readonly op: 'move' | 'copy'; readonly path: Pointer; readonly from: Pointer };

/** More than an edit by hand or a difference of two versions has. */
const operationsMax = 1_000;
/**
 * Characters and values that the operations of a patch may put into their places in all: doubling what is there would fill the
 * memory in forty steps, and moving something large a thousand times takes as many walks through it.
 */
const placedMax = 3_000_000;

type Json = Record<string, unknown>;

/** @throws Problem structure (RFC 6902 section 4) for what is no patch */
export function readJsonPatch(value: unknown): JsonPatchOperation[] {
  if (!Array.isArray(value)) {
    throw new Problem('structure', 'a JSON Patch is an array of operations', { hint: 'See RFC 6902 section 3.' });
  }
  if (value.length > operationsMax) {
    throw new Problem('too-costly', `a patch has at most ${operationsMax} operations`);
  }
  return value.map((one: unknown, index) => {
    try {
      return readOperation(one);
    } catch (error) {
      throw named(index, error);
    }
  });
}

function readOperation(one: unknown): JsonPatchOperation {
  if (typeof one !== 'object' || one === null) throw new Problem('structure', 'an operation is an object');
  const { op, path, from, value } = one as Json;
  const target = readPointer(path, 'path');
  switch (op) {
    case 'add':
    case 'replace':
    case 'test':
      if (!Object.hasOwn(one, 'value')) throw new Problem('structure', `${op} needs a value`);
      return { op, path: target, value };
    case 'remove':
      return { op, path: target };
    case 'move':
    case 'copy':
      return { op, path: target, from: readPointer(from, 'from') };
    default:
      throw new Problem('structure', 'op is one of add, remove, replace, move, copy, test');
  }
}

/** RFC 6901 section 3: `~1` is `/`, `~0` is `~`. */
function readPointer(text: unknown, name: string): Pointer {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/')) || /~(?![01])/.test(text)) {
    throw new Problem('structure', `${name} is no JSON Pointer`, { hint: 'See RFC 6901: /name/0/family.' });
  }
  const tokens = text
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
  if (tokens.length > jsonDepthMax) throw new Problem('too-costly', `${name} is deeper than ${jsonDepthMax} levels`);
  // LEAKS 44: no element has such a name, and nothing is to be reached by it.
  if (tokens.some((token) => unreachable.has(token))) throw new Problem('structure', `${name} names no FHIR element`);
  return tokens;
}
const unreachable = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * The document after all operations, in order.
 * @param document changed in place, where it is not replaced as a whole
 * @throws Problem value for a path that is not there, business-rule for a `test` that fails; RFC 6902 section 5: nothing holds then
 */
export function applyJsonPatch(document: unknown, operations: readonly JsonPatchOperation[]): unknown {
  const budget = { left: placedMax };
  let root = document;
  for (const [index, operation] of operations.entries()) {
    try {
      root = apply(root, operation, budget);
    } catch (error) {
      throw named(index, error);
    }
  }
  return root;
}

function named(index: number, error: unknown): unknown {
  if (!(error instanceof Problem)) return error;
  const { code, message, hint } = error;
  return atIndex(
    index,
    new Problem(code, message, { expression: `[${index}]`, ...(hint === undefined ? {} : { hint }) }),
  );
}

interface Budget {
  left: number;
}

function apply(root: unknown, operation: JsonPatchOperation, budget: Budget): unknown {
  const { path } = operation;
  switch (operation.op) {
    // Copies: later operations may change what they put there, and a patch may be applied again.
    case 'add':
      return add(root, path, copyJson(operation.value), budget);
    case 'remove':
      remove(root, path);
      return root;
    case 'replace':
      return replace(root, path, copyJson(operation.value), budget);
    case 'move': {
      const { from } = operation;
      // RFC 6902 section 4.4: not into one of its own children.
      if (from.length < path.length && from.every((token, at) => token === path[at])) {
        throw new Problem('value', 'what moves cannot move into itself');
      }
      const value = valueAt(root, from);
      if (samePointer(from, path)) return root;
      remove(root, from);
      return add(root, path, value, budget);
    }
    case 'copy':
      return add(root, path, copy(valueAt(root, operation.from), budget), budget);
    default:
      if (!equals(valueAt(root, path), operation.value)) {
        throw new Problem('business-rule', 'the test failed', {
          hint: 'Read the resource again and make the patch anew.',
        });
      }
      return root;
  }
}

function samePointer(one: Pointer, other: Pointer): boolean {
  return one.length === other.length && one.every((token, at) => token === other[at]);
}

function absent(): Problem {
  return new Problem('value', 'there is nothing at this path');
}

function isContainer(value: unknown): value is Json | unknown[] {
  return typeof value === 'object' && value !== null && !isRawNumber(value);
}

/** @throws Problem value when nothing is there */
function valueAt(root: unknown, path: Pointer): unknown {
  let value = root;
  for (const token of path) {
    if (Array.isArray(value)) value = value[indexOf(token, value.length - 1)];
    else if (isContainer(value) && Object.hasOwn(value, token)) value = (value as Json)[token];
    else throw absent();
  }
  return value;
}

/** RFC 6901 section 4: no sign, no leading zero. */
function indexOf(token: string, max: number): number {
  const index = /^(0|[1-9]\d{0,8})$/.test(token) ? Number(token) : Number.NaN;
  if (index <= max) return index;
  throw absent();
}

function holderOf(root: unknown, path: Pointer): { holder: Json | unknown[]; last: string } {
  const holder = valueAt(root, path.slice(0, -1));
  if (!isContainer(holder)) throw absent();
  return { holder, last: path.at(-1) as string };
}

function add(root: unknown, path: Pointer, value: unknown, budget: Budget): unknown {
  requireShallow(value, jsonDepthMax - path.length, budget);
  if (path.length === 0) return value;
  const { holder, last } = holderOf(root, path);
  if (Array.isArray(holder)) holder.splice(last === '-' ? holder.length : indexOf(last, holder.length), 0, value);
  else holder[last] = value;
  return root;
}

function remove(root: unknown, path: Pointer): void {
  if (path.length === 0) throw new Problem('value', 'the whole resource is removed by DELETE');
  const { holder, last } = holderOf(root, path);
  if (Array.isArray(holder)) holder.splice(indexOf(last, holder.length - 1), 1);
  else if (Object.hasOwn(holder, last)) delete holder[last];
  else throw absent();
}

function replace(root: unknown, path: Pointer, value: unknown, budget: Budget): unknown {
  requireShallow(value, jsonDepthMax - path.length, budget);
  if (path.length === 0) return value;
  const { holder, last } = holderOf(root, path);
  if (Array.isArray(holder)) holder[indexOf(last, holder.length - 1)] = value;
  else if (Object.hasOwn(holder, last)) holder[last] = value;
  else throw absent();
  return root;
}

/** Nothing recursive may ever see a document that a patch made deep. */
function requireShallow(value: unknown, levels: number, budget: Budget): void {
  spend(budget, 1);
  if (!isContainer(value)) return;
  if (levels <= 0) throw new Problem('structure', `the result is nested deeper than ${jsonDepthMax} levels`);
  for (const child of Object.values(value)) requireShallow(child, levels - 1, budget);
}

function spend(budget: Budget, count: number): void {
  budget.left -= count;
  if (budget.left < 0) throw new Problem('too-costly', `a patch places at most ${placedMax} characters and values`);
}

function copy(value: unknown, budget: Budget): unknown {
  spend(budget, typeof value === 'string' ? value.length + 1 : 1);
  if (!isContainer(value)) return value;
  if (Array.isArray(value)) return value.map((item) => copy(item, budget));
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, copy(held, budget)]));
}

/** RFC 6902 section 4.6: numbers by value, whatever their digits; members in any order. */
function equals(one: unknown, other: unknown): boolean {
  if (isNumber(one) && isNumber(other)) return digitsOf(one) === digitsOf(other);
  if (!isContainer(one) || !isContainer(other)) return one === other;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const [left, right] = [Object.keys(one), Object.keys(other)];
  return (
    left.length === right.length &&
    left.every((key) => Object.hasOwn(other, key) && equals((one as Json)[key], (other as Json)[key]))
  );
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' || isRawNumber(value);
}

/** `1.50`, `1.5` and `15e-1` are one text: digits without zeros at either end, and the power of ten of the last. */
function digitsOf(value: unknown): string {
  const text = isRawNumber(value) ? value.rawJSON : String(value);
  const [, sign, whole = '', fraction = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  if (significant === '') return '0';
  return `${sign}${significant}e${Number(power) - fraction.length + digits.length - significant.length}`;
}
