/**
 * The functions of FHIRPath that invariants use, each a closure over its left side.
 *
 * @see https://hl7.org/fhirpath/N1/#functions
 */
import { LiteralAtom, type Atom } from '@medplum/core';
import { readReference } from '../reference.ts';
import type { AnyResource } from '../types.ts';
import { compileAtom } from './compile.ts';
import { self, Unsupported, type Compiled, type Run, type Typing } from './compiled.ts';
import {
  asItems,
  children,
  descendants,
  distinct,
  isPrimitive,
  keyOf,
  none,
  spend,
  textOf,
  truth,
  type Items,
  type Scope,
} from './items.ts';

import { compileChild } from './navigate.ts';

type Build = (left: Compiled, args: readonly Atom[], typing: Typing) => Compiled;

/** A function of the items on its left alone. */
const plain =
  (apply: (items: Items, scope: Scope) => Items, types?: (left: Compiled) => Compiled['types']): Build =>
  (left) => ({
    run: (focus, scope) => apply(left.run(focus, scope), scope),
    types: types === undefined ? ['boolean'] : types(left),
  });

const same = (left: Compiled): Compiled['types'] => left.types;
const unknown = (): undefined => undefined;

/** A function whose argument is evaluated on each item: `where(use = 'home')`. */
const each =
  (apply: (items: Items, holds: (item: unknown) => Items) => Items, gives: 'items' | 'inner' | 'boolean'): Build =>
  (left, [argument], typing) => {
    if (argument === undefined) throw new Unsupported('a criterion is missing');
    const inner = compileAtom(argument, { ...typing, focus: left.types });
    const run: Run = (focus, scope) => {
      const items = left.run(focus, scope);
      spend(scope, items.length);
      return apply(items, (item) => inner.run([item], scope));
    };
    return { run, types: gives === 'items' ? left.types : gives === 'inner' ? inner.types : ['boolean'] };
  };

/** `exists()` and `empty()`. */
const presence =
  (isWanted: boolean): Build =>
  (left) => {
    const { run, isAny = (focus, scope) => run(focus, scope).length > 0 } = left;
    return { run: (focus, scope) => asItems(isAny(focus, scope) === isWanted), types: ['boolean'] };
  };

const isTrue = (items: Items): boolean => truth(items) === true;

/** A function of a single string; its arguments are evaluated where the expression stands, not on the string. */
const ofText =
  (apply: (text: string, argument: string, second: string) => unknown, type = 'boolean'): Build =>
  (left, args, typing) => {
    const [first, second] = args.map((argument) => compileAtom(argument, typing).run);
    const run: Run = (focus, scope) => {
      const items = left.run(focus, scope);
      const text = items.length === 1 ? textOf(items[0]) : undefined;
      if (text === undefined) return none;
      const read = (argument: Run | undefined): string => textOf(argument?.(focus, scope)[0]) ?? '';
      return [apply(text, read(first), read(second))];
    };
    return { run, types: [type] };
  };

function literalOf(atom: Atom | undefined): string {
  if (!(atom instanceof LiteralAtom)) throw new Unsupported('an argument that is computed');
  return String(compileAtom(atom, { focus: [], context: [] }).run(none, undefined as never)[0]);
}

/** A pattern is the specification's or a profile's; the text is anybody's, and no name or code is longer. */
const matchedTextMax = 10_000;

const matches: Build = (left, args, typing) => {
  const pattern = new RegExp(literalOf(args[0]), 's');
  return ofText((text) => text.length <= matchedTextMax && pattern.test(text))(left, [], typing);
};

/** Contained resources; what is elsewhere is not fetched. */
const resolve: Build = (left) => ({
  run: (focus, scope) =>
    left.run(focus, scope).flatMap((item) => {
      const text = typeof item === 'string' ? item : (item as { reference?: unknown } | null)?.reference;
      const fragment = typeof text === 'string' ? readReference(text)?.fragment : undefined;
      if (fragment === undefined) return [];
      const { contained } = scope.root;
      if (!Array.isArray(contained)) return [];
      spend(scope, contained.length);
      return (contained as (AnyResource | null)[]).filter((resource) => resource?.id === fragment).slice(0, 1);
    }),
  types: undefined,
});

const iif: Build = (left, args, typing) => {
  const inside = { ...typing, focus: left.types };
  const [condition, then, otherwise] = args.map((argument) => compileAtom(argument, inside));
  if (condition === undefined || then === undefined) throw new Unsupported('iif without its arguments');
  const run: Run = (focus, scope) => {
    const items = left.run(focus, scope);
    return isTrue(condition.run(items, scope)) ? then.run(items, scope) : (otherwise?.run(items, scope) ?? none);
  };
  return { run, types: undefined };
};

/** `extension('url')`: those of that url. */
const extension: Build = (left, args) => {
  const url = literalOf(args[0]);
  const all = compileChild('extension', self(left.types));
  const run: Run = (focus, scope) =>
    all.run(left.run(focus, scope), scope).filter((item) => (item as { url?: unknown }).url === url);
  return { run, types: ['Extension'] };
};

/** The two collections of `combine`, `union`, `intersect`, `exclude`: the argument starts from the same `$this`. */
const withOther =
  (apply: (items: Items, other: Items) => Items): Build =>
  (left, [argument], typing) => {
    if (argument === undefined) throw new Unsupported('a collection is missing');
    const other = compileAtom(argument, typing);
    return {
      run: (focus, scope) => apply(left.run(focus, scope), other.run(focus, scope)),
      types: left.types === undefined || other.types === undefined ? undefined : [...left.types, ...other.types],
    };
  };

function keysOf(items: Items): Set<string> {
  return new Set(items.map(keyOf));
}

const existsWhere = each((items, holds) => asItems(items.some((item) => isTrue(holds(item)))), 'boolean');

const functions: Record<string, Build> = {
  empty: presence(false),
  not: plain((items) => asItems(items.length === 0 ? undefined : !isTrue(items))),
  hasValue: plain((items) => asItems(items.length === 1 && isPrimitive(items[0]))),
  count: plain(
    (items) => [items.length],
    () => ['integer'],
  ),
  first: plain((items) => items.slice(0, 1), same),
  last: plain((items) => items.slice(-1), same),
  tail: plain((items) => items.slice(1), same),
  single: plain((items) => (items.length === 1 ? items : none), same),
  distinct: plain(distinct, same),
  isDistinct: plain((items) => asItems(distinct(items).length === items.length)),
  trace: plain((items) => items, same),
  children: plain(children, unknown),
  descendants: plain(descendants, unknown),
  allTrue: plain((items) => asItems(items.every((item) => item === true))),
  anyTrue: plain((items) => asItems(items.some((item) => item === true))),
  allFalse: plain((items) => asItems(items.every((item) => item === false))),
  anyFalse: plain((items) => asItems(items.some((item) => item === false))),
  exists: (left, args, typing) => (args.length === 0 ? presence(true) : existsWhere)(left, args, typing),
  where: each((items, holds) => items.filter((item) => isTrue(holds(item))), 'items'),
  all: each((items, holds) => asItems(items.every((item) => isTrue(holds(item)))), 'boolean'),
  select: each((items, holds) => items.flatMap((item) => holds(item)), 'inner'),
  startsWith: ofText((text, prefix) => text.startsWith(prefix)),
  endsWith: ofText((text, suffix) => text.endsWith(suffix)),
  contains: ofText((text, part) => text.includes(part)),
  length: ofText((text) => text.length, 'integer'),
  toString: ofText((text) => text, 'string'),
  lower: ofText((text) => text.toLowerCase(), 'string'),
  upper: ofText((text) => text.toUpperCase(), 'string'),
  substring: ofText(
    (text, start, length) => text.slice(Number(start), length === '' ? undefined : Number(start) + Number(length)),
    'string',
  ),
  replaceMatches: ofText(
    (text, pattern, by) => (text.length > matchedTextMax ? text : text.replace(new RegExp(pattern, 'gs'), by)),
    'string',
  ),
  toInteger: plain(
    (items) => {
      const text = items.length === 1 ? textOf(items[0]) : undefined;
      return text !== undefined && /^[+-]?\d{1,10}$/.test(text) ? [Number(text)] : none;
    },
    () => ['integer'],
  ),
  combine: withOther((items, other) => [...items, ...other]),
  union: withOther((items, other) => distinct([...items, ...other])),
  intersect: withOther((items, other) => {
    const keys = keysOf(other);
    return distinct(items).filter((item) => keys.has(keyOf(item)));
  }),
  exclude: withOther((items, other) => {
    const keys = keysOf(other);
    return items.filter((item) => !keys.has(keyOf(item)));
  }),
  matches,
  resolve,
  iif,
  extension,
};

/** @throws Unsupported */
export function compileFunction(name: string, args: readonly Atom[], left: Compiled, typing: Typing): Compiled {
  const build = Object.hasOwn(functions, name) ? functions[name] : undefined;
  if (build === undefined) throw new Unsupported(`the function ${name}`);
  return build(left, args, typing);
}
