/**
 * The operators of FHIRPath between two expressions.
 *
 * @see https://hl7.org/fhirpath/N1/#operations
 */
import {
  AndAtom,
  ArithmeticOperatorAtom,
  ConcatAtom,
  ContainsAtom,
  EqualsAtom,
  ImpliesAtom,
  InAtom,
  NotEqualsAtom,
  OrAtom,
  UnionAtom,
  XorAtom,
  type Atom,
} from '@medplum/core';
import { constant, Unsupported, type Compiled, type Run, type Types } from './compiled.ts';
import { areEqual, asItems, distinct, isSame, none, order, textOf, truth, type Items } from './items.ts';

type Operator = (left: Items, right: Items) => Items;

/** FHIRPath N1 #boolean-logic: an empty side is unknown. */
const logic: [
  new (left: Atom, right: Atom) => Atom,
  (left: boolean | undefined, right: () => boolean | undefined) => boolean | undefined,
][] = [
  [AndAtom, (left, right) => (left === false ? false : both(left, right()))],
  [OrAtom, (left, right) => (left === true ? true : either(left, right()))],
  [XorAtom, (left, right) => (left === undefined ? undefined : differ(left, right()))],
  [ImpliesAtom, (left, right) => (left === false ? true : either(left === undefined ? undefined : !left, right()))],
];

function both(left: boolean | undefined, right: boolean | undefined): boolean | undefined {
  if (right === false) return false;
  return left === undefined || right === undefined ? undefined : true;
}

function either(left: boolean | undefined, right: boolean | undefined): boolean | undefined {
  if (right === true) return true;
  return left === undefined || right === undefined ? undefined : left;
}

function differ(left: boolean, right: boolean | undefined): boolean | undefined {
  return right === undefined ? undefined : left !== right;
}

const invert = (value: boolean | undefined): boolean | undefined => (value === undefined ? undefined : !value);

const operators: [new (left: Atom, right: Atom) => Atom, Operator][] = [
  [EqualsAtom, (left, right) => asItems(areEqual(left, right))],
  [NotEqualsAtom, (left, right) => asItems(invert(areEqual(left, right)))],
  [UnionAtom, (left, right) => distinct([...left, ...right])],
  [InAtom, (left, right) => isMember(left, right)],
  [ContainsAtom, (left, right) => isMember(right, left)],
  // FHIRPath N1 #string-concatenation: an empty side counts as an empty string.
  [ConcatAtom, (left, right) => [`${textOf(left[0]) ?? ''}${textOf(right[0]) ?? ''}`]],
];

function isMember(item: Items, list: Items): Items {
  return item.length === 1 ? asItems(list.some((other) => isSame(item[0], other))) : none;
}

const comparisons: Record<string, (order: number) => boolean> = {
  '<': (o) => o < 0,
  '<=': (o) => o <= 0,
  '>': (o) => o > 0,
  '>=': (o) => o >= 0,
};

/** @throws Unsupported for an operator that no rule uses */
export function combine(atom: Atom, left: Compiled, right: Compiled): Compiled {
  const decide = logic.find(([kind]) => atom instanceof kind)?.[1];
  if (decide !== undefined) {
    const run: Run = (focus, scope) =>
      asItems(decide(truth(left.run(focus, scope)), () => truth(right.run(focus, scope))));
    return { run, types: ['boolean'] };
  }
  const types = atom instanceof UnionAtom ? unionOf(left.types, right.types) : ['boolean'];
  const operator = operators.find(([kind]) => atom instanceof kind)?.[1] ?? arithmetic(atom);
  if (left.constant !== undefined && right.constant !== undefined)
    return constant(operator(left.constant, right.constant), types);
  return { run: (focus, scope) => operator(left.run(focus, scope), right.run(focus, scope)), types };
}

function arithmetic(atom: Atom): Operator {
  if (!(atom instanceof ArithmeticOperatorAtom)) throw new Unsupported(atom.toString());
  const compare = comparisons[atom.operator];
  if (compare !== undefined) {
    return (left, right) => {
      const found = order(left, right);
      return asItems(found === undefined ? undefined : compare(found));
    };
  }
  if (atom.operator !== '+') throw new Unsupported(atom.operator);
  return (left, right) => {
    const [a, b] = [left[0], right[0]];
    if (typeof a === 'string' && typeof b === 'string') return [a + b];
    return typeof a === 'number' && typeof b === 'number' ? [a + b] : none;
  };
}

function unionOf(left: Types, right: Types): Types {
  return left === undefined || right === undefined ? undefined : [...new Set([...left, ...right])];
}
