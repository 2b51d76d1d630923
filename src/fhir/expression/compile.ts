/**
 * FHIRPath expressions as closures, for the invariants of R4 and of profiles: parsed by @medplum/core, typed by the
 * definitions while compiling, and run on JSON as it is (numbers with their digits, no wrapped values). What it cannot
 * compile gives undefined, and the caller says so; the library's own engine is the oracle in the tests.
 *
 * Measured (bench/index.ts, and the corpus in test/fhir/expression.test.ts): 0.1 to 3 us an invariant here, 24 to 120 in the
 *
 * @see https://hl7.org/fhirpath/N1/
 */
import {
  AsAtom,
  DotAtom,
  EmptySetAtom,
  FhirPathAtom,
  FunctionAtom,
  IndexerAtom,
  InfixOperatorAtom,
  IsAtom,
  LiteralAtom,
  parseFhirPath,
  SymbolAtom,
  type Atom,
} from '@medplum/core';
import { Problem } from '../problem.ts';
import { typeCode, type AnyResource } from '../types.ts';
import { constant, self, Unsupported, type Compiled, type Run, type Typing } from './compiled.ts';
import { compileFunction } from './functions.ts';
import { asItems, none, stepsMax, type Items } from './items.ts';
import { compileChild, systemName } from './navigate.ts';
import { combine } from './operators.ts';

export type Evaluate = (value: unknown, resource: AnyResource, root: AnyResource) => Items;

/**
 * @param type of the value it is evaluated on: a type's name, or the path of an inner type (`Observation.component`)
 * @returns undefined for what is outside the subset or no FHIRPath at all
 */
export function compileExpression(expression: string, type: string): Evaluate | undefined {
  try {
    const { run } = compileAtom(parseFhirPath(expression), { focus: [type], context: [type] });
    return (value, resource, root) => run([value], { resource, root, context: value, steps: stepsMax });
  } catch (error) {
    if (error instanceof Problem) throw error;
    return undefined;
  }
}

/** @throws Unsupported */
export function compileAtom(atom: Atom, typing: Typing): Compiled {
  if (atom instanceof FhirPathAtom) return compileAtom(atom.child, typing);
  if (atom instanceof EmptySetAtom) return { run: () => none, types: [] };
  if (atom instanceof LiteralAtom) return compileLiteral(atom);
  if (atom instanceof SymbolAtom) return compileSymbol(atom.name, self(typing.focus), typing);
  if (atom instanceof FunctionAtom) return compileCall(new SymbolAtom('$this'), atom, typing);
  if (atom instanceof DotAtom) return compileDot(atom, typing);
  if (atom instanceof IndexerAtom) return compileIndexer(atom, typing);
  if (atom instanceof AsAtom) return compileOfType(atom.left, typeNameOf(atom.right), typing);
  if (atom instanceof IsAtom) return compileIs(atom.left, typeNameOf(atom.right), typing);
  if (!(atom instanceof InfixOperatorAtom)) throw new Unsupported(atom.toString());
  return combine(atom, compileAtom(atom.left, typing), compileAtom(atom.right, typing));
}

function compileLiteral({ value }: LiteralAtom): Compiled {
  return constant([value.value], [value.type]);
}

const variables: Record<string, string> = {
  '%ucum': 'http://unitsofmeasure.org',
  '%sct': 'http://snomed.info/sct',
  '%loinc': 'http://loinc.org',
};

function compileSymbol(name: string, left: Compiled, typing: Typing, only?: string): Compiled {
  if (name === '$this') return left;
  if (name === '%resource') return { run: (_, { resource }) => [resource], types: undefined };
  if (name === '%rootResource') return { run: (_, { root }) => [root], types: undefined };
  if (name === '%context') return { run: (_, { context }) => [context], types: typing.context };
  const variable = variables[name];
  if (variable !== undefined) return { run: () => [variable], types: ['string'] };
  if (/^[%$]/.test(name)) throw new Unsupported(name);
  // `Appointment.status`: the type itself before the path.
  if (left.types?.includes(name)) return left;
  if (typeCode(name) !== undefined || name === 'Resource' || name === 'DomainResource')
    return filterResources(left, name);
  return compileChild(name, left, only);
}

function filterResources(left: Compiled, name: string): Compiled {
  if (name === 'Resource' || name === 'DomainResource') return left;
  const isOfType = (item: unknown): boolean => (item as AnyResource | null)?.resourceType === name;
  return { run: (focus, scope) => left.run(focus, scope).filter(isOfType), types: [name] };
}

function compileDot({ left, right }: DotAtom, typing: Typing, only?: string): Compiled {
  if (right instanceof SymbolAtom) return compileSymbol(right.name, compileAtom(left, typing), typing, only);
  if (!(right instanceof FunctionAtom)) throw new Unsupported(right.toString());
  return compileCall(left, right, typing);
}

/** Types are known where a path ends, so the three functions of types look at their left side themselves. */
function compileCall(left: Atom, { name, args }: FunctionAtom, typing: Typing): Compiled {
  const [type] = args;
  if (type !== undefined && (name === 'as' || name === 'ofType')) return compileOfType(left, typeNameOf(type), typing);
  if (type !== undefined && name === 'is') return compileIs(left, typeNameOf(type), typing);
  return compileFunction(name, args, compileAtom(left, typing), typing);
}

function typeNameOf(atom: Atom): string {
  const name =
    atom instanceof SymbolAtom
      ? atom.name
      : atom instanceof DotAtom && atom.right instanceof SymbolAtom
        ? atom.right.name
        : undefined;
  if (name === undefined) throw new Unsupported('a type that is no name');
  return systemName(name);
}

/** `value as Quantity`, `value.ofType(Quantity)`: the property of that type alone. */
function compileOfType(left: Atom, type: string, typing: Typing): Compiled {
  if (left instanceof SymbolAtom && left.name !== '$this')
    return ofType(compileSymbol(left.name, self(typing.focus), typing, type), type);
  if (left instanceof DotAtom && left.right instanceof SymbolAtom) return ofType(compileDot(left, typing, type), type);
  return ofType(compileAtom(left, typing), type);
}

function ofType(left: Compiled, type: string): Compiled {
  if (typeCode(type) !== undefined) return filterResources(left, type);
  if (left.types === undefined) throw new Unsupported(`the type of a value that could be anything: ${type}`);
  if (!left.types.includes(type)) return { run: () => none, types: [] };
  if (left.types.length > 1) throw new Unsupported(`${type}, which is one of several here`);
  return left;
}

function compileIs(left: Atom, type: string, typing: Typing): Compiled {
  const all = compileAtom(left, typing);
  const some = compileOfType(left, type, typing);
  const run: Run = (focus, scope) => {
    const items = all.run(focus, scope);
    return items.length === 1 ? asItems(some.run(focus, scope).length === 1) : none;
  };
  return { run, types: ['boolean'] };
}

function compileIndexer({ left, expr }: IndexerAtom, typing: Typing): Compiled {
  if (!(expr instanceof LiteralAtom)) throw new Unsupported('an index that is computed');
  const at = Number(expr.value.value);
  const base = compileAtom(left, typing);
  return { run: (focus, scope) => base.run(focus, scope).slice(at, at + 1), types: base.types };
}
