/**
 * A profile's tree as a check: cardinalities, types, fixed values and patterns, bindings, invariants, slices. What R4 itself
 * asks was checked before, so here it is only what the profile adds.
 *
 * @see https://hl7.org/fhir/R4/profiling.html
 */
import { isSame, order } from '../expression/items.ts';
import { primitiveCheck } from '../primitives.ts';
import { typeCode } from '../types.ts';
import { compileBinding } from '../validation/bindings.ts';
import { report, type Check, type Depth } from '../validation/finding.ts';
import { compileInvariants, runInvariants } from '../validation/rules.ts';
import type { Library } from './library.ts';
import { compileSlicing } from './slices.ts';
import { checkCount, inItem, tell, type Scope, type TypedCheck } from './tell.ts';
import type { Node, Tree, TypeRule } from './tree.ts';
import { elementsNamed, itemsOf, matchesPattern, resolve, type Typed } from './values.ts';

export function compileTree({ root, type, name, url }: Tree, library: Library, depth: Depth): Check {
  const check = compileNode(root, type, { library, depth, name, url });
  return (value, context) => {
    // A profile on another type says nothing of this resource; that it is named is a mistake.
    const own = (value as { resourceType?: string }).resourceType;
    if (typeCode(type) !== undefined && own !== type)
      return report(context, 'structure', `${name} is a profile on ${type}`, { hint: url });
    check({ type, value }, context);
  };
}

/** The check of one value of a known type. */
function compileNode(node: Node, type: string, scope: Scope): TypedCheck {
  const checks: TypedCheck[] = [];
  addValueChecks(checks, node, scope);
  // A held resource has a type of its own, which may be another than the one that should stand here.
  const rule =
    node.types?.find(({ code }) => code === type) ?? node.types?.find(({ code }) => typeCode(code) !== undefined);
  if (rule !== undefined) addTypeChecks(checks, rule, type, scope);
  addBinding(checks, node, type, scope);
  addInvariants(checks, node, type, scope);
  // Below a primitive there is what stands beside it.
  const isPrimitive = primitiveCheck(type) !== undefined;
  for (const [name, child] of node.children) {
    const below = compileChild(name, child, isPrimitive ? 'Element' : type, scope);
    if (below !== undefined)
      checks.push(({ value, extra }, context) => below(isPrimitive ? (extra ?? {}) : value, context));
  }
  return (item, context) => {
    for (const check of checks) check(item, context);
  };
}

function addValueChecks(checks: TypedCheck[], node: Node, scope: Scope): void {
  const { fixed, pattern, least, greatest, maxLength } = node;
  const add = (isFine: (value: unknown) => boolean, message: string): void => {
    checks.push(({ value }, context) => {
      if (value !== undefined && !isFine(value)) tell(scope, context, 'value', message);
    });
  };
  if (fixed !== undefined) add((value) => isSame(value, fixed), 'the value is fixed, and this is another');
  if (pattern !== undefined)
    add((value) => matchesPattern(value, pattern), 'the value does not have what the pattern has');
  if (least !== undefined)
    add((value) => !((order([value], [least]) ?? 0) < 0), 'the value is below the least allowed');
  if (greatest !== undefined)
    add((value) => !((order([value], [greatest]) ?? 0) > 0), 'the value is above the greatest allowed');
  if (maxLength !== undefined)
    add((value) => typeof value !== 'string' || value.length <= maxLength, `at most ${maxLength} characters`);
}

/** Profiles of a data type or of a held resource, and of what a reference points to: one of them is enough. */
function addTypeChecks(checks: TypedCheck[], { code, profiles, targets }: TypeRule, type: string, scope: Scope): void {
  if (typeCode(code) !== undefined) {
    checks.push(({ type: own }, context) => {
      if (own !== code) tell(scope, context, 'structure', `a ${code} stands here`);
    });
  }
  // An extension follows the definition that its URL names, whether a profile asks for it or not.
  if (code !== 'Extension') addProfileChecks(checks, profiles, scope);
  if (targets.length > 0 && type === 'Reference') addTargetChecks(checks, targets, scope);
}

function addProfileChecks(checks: TypedCheck[], profiles: readonly string[], scope: Scope): void {
  const { library } = scope;
  if (profiles.length === 1) {
    const canonical = profiles[0] as string;
    checks.push(({ value }, context) => {
      if (value !== undefined) library.check(canonical, scope.depth)?.(value, context);
    });
  } else if (profiles.length > 1) {
    checks.push(({ value, type: own }, context) => {
      if (value === undefined || profiles.some((url) => library.mayConform(value, own, url, context))) return;
      tell(scope, context, 'structure', 'the value follows none of the profiles that may stand here');
    });
  }
}

function addTargetChecks(checks: TypedCheck[], targets: readonly string[], scope: Scope): void {
  const { library } = scope;
  const types = targets.map((url) => library.typeOf(url));
  checks.push(({ value }, context) => {
    const target = resolve(value, context);
    if (target !== undefined) {
      if (targets.some((url) => library.mayConform(target, target.resourceType, url, context))) return;
      tell(scope, context, 'structure', 'what is referred to follows none of the profiles it may follow', {
        path: '.reference',
      });
    } else if (!types.includes(undefined) && !types.includes('Resource')) {
      const named = library.typeOfReference(value);
      if (named !== undefined && !types.includes(named))
        tell(scope, context, 'value', `refers to ${[...new Set(types)].join(', ')}`, { path: '.reference' });
    }
  });
}

function addBinding(checks: TypedCheck[], node: Node, type: string, scope: Scope): void {
  const codes = node.binding && scope.library.codes(node.binding.valueSet);
  if (node.binding !== undefined && (node.binding.strength === 'required' || scope.depth === 'all')) {
    const { strength, valueSet } = node.binding;
    const binding = codes && compileBinding(codes, type, strength, valueSet);
    if (binding !== undefined) checks.push(({ value }, context) => value !== undefined && binding(value, context));
    else if (strength === 'required' && codes === undefined && scope.depth === 'all')
      checks.push((_, context) =>
        tell(scope, context, 'informational', 'the codes of a required value set cannot be listed here', {
          severity: 'information',
          hint: valueSet,
        }),
      );
  }
}

function addInvariants(checks: TypedCheck[], node: Node, type: string, scope: Scope): void {
  const rules = compileInvariants(node.invariants, type, scope.depth);
  if (rules.length > 0) {
    checks.push(({ value, extra }, context) => runInvariants(rules, value ?? extra, context));
  }
  if (scope.depth !== 'all') return;
  for (const { key } of node.invariants) {
    if (rules.some(({ message }) => message.startsWith(`${key}: `))) continue;
    checks.push((_, context) =>
      tell(scope, context, 'informational', `the rule ${key} cannot be evaluated here`, { severity: 'information' }),
    );
  }
}

/** The check of all values of an element. */
function compileChild(elementName: string, node: Node, parentType: string, scope: Scope): Check | undefined {
  const elements = elementsNamed(parentType, elementName);
  if (elements.names.length === 0) return undefined;
  const shown = elementName.replace('[x]', '');
  const checkOf = byType(node, scope);
  const { isChoice } = elements;
  const allowed = isChoice && node.types !== undefined ? new Set(node.types.map(({ code }) => code)) : undefined;
  const slicing =
    node.slices.size === 0
      ? undefined
      : compileSlicing(node, { shown, isChoice, scope, byType: (slice) => byType(slice, scope) });
  return (parent, context) => {
    const items = itemsOf(parent, elements);
    checkCount(items.length, node, `.${shown}`, scope, context);
    for (const item of items) {
      inItem(item, context, () => {
        if (allowed !== undefined && !allowed.has(item.type) && !allowed.has('*'))
          tell(scope, context, 'structure', `${item.type} is not allowed here`);
        checkOf(item)(item, context);
      });
    }
    slicing?.(items, context);
  };
}

/** A value's check, compiled for its type when the first of it comes. */
function byType(node: Node, scope: Scope): (item: Typed) => TypedCheck {
  const compiled = new Map<string, TypedCheck>();
  return ({ type }) => {
    let check = compiled.get(type);
    if (check === undefined) compiled.set(type, (check = compileNode(node, type, scope)));
    return check;
  };
}
