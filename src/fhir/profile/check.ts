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
import { report, within, type Check, type Context, type Depth, type Detail } from '../validation/finding.ts';
import { compileInvariants, runInvariants } from '../validation/structure.ts';
import type { Library } from './library.ts';
import { compileSlice, type Membership } from './slicing.ts';
import type { Node, Slicing, Tree, TypeRule } from './tree.ts';
import { itemsOf, elementsNamed, matchesPattern, resolve, stepOf, type Item, type Typed } from './values.ts';

/** What is the same for the whole of a profile. */
interface Scope {
  readonly library: Library;
  readonly depth: Depth;
  readonly name: string;
  readonly url: string;
}

type TypedCheck = (item: Typed, context: Context) => void;

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

function tell(
  scope: Scope,
  context: Context,
  code: 'required' | 'structure' | 'value' | 'informational',
  message: string,
  detail: Detail = {},
): void {
  report(context, code, `${scope.name}: ${message}`, { hint: scope.url, ...detail });
}

/** The check of one value of a known type. */
function compileNode(node: Node, type: string, scope: Scope): TypedCheck {
  const checks: TypedCheck[] = [];
  addValueChecks(checks, node, scope);
  // A held resource has a type of its own, which may be another than the one that should stand here.
  const rule =
    node.types?.find(({ code }) => code === type) ?? node.types?.find(({ code }) => typeCode(code) !== undefined);
  if (rule !== undefined) addTypeChecks(checks, rule, type, scope);
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

interface Slice {
  readonly name: string;
  readonly node: Node;
  readonly membership: Membership | undefined;
  readonly check: (item: Item) => TypedCheck;
}

/** The check of all values of an element. */
function compileChild(elementName: string, node: Node, parentType: string, scope: Scope): Check | undefined {
  const elements = elementsNamed(parentType, elementName);
  if (elements.names.length === 0) return undefined;
  const shown = elementName.replace('[x]', '');
  const checkOf = byType(node, scope);
  const { isChoice } = elements;
  const allowed = isChoice && node.types !== undefined ? new Set(node.types.map(({ code }) => code)) : undefined;
  const slicing = node.slices.size === 0 ? undefined : compileSlicing(shown, node, isChoice, scope);
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

function inItem(item: Item, context: Context, work: () => void): void {
  const before = context.findings.length;
  work();
  if (context.findings.length > before) within(stepOf(item), context, before);
}

function checkCount(
  count: number,
  { min = 0, max = Infinity }: Node,
  path: string,
  scope: Scope,
  context: Context,
  what = '',
): void {
  if (count < min) tell(scope, context, 'required', `${what}at least ${min} asked for, ${count} found`, { path });
  if (count > max)
    tell(
      scope,
      context,
      'structure',
      max === 0 ? `${what}may not stand here` : `${what}at most ${max} allowed, ${count} found`,
      { path },
    );
}

type SlicesCheck = (items: readonly Item[], context: Context) => void;

function compileSlicing(shown: string, node: Node, isChoice: boolean, scope: Scope): SlicesCheck {
  const slicing = node.slicing ?? impliedSlicing(shown, isChoice);
  const slices = [...node.slices].map(([name, slice]): Slice => {
    const told = isChoice && slice.types === undefined ? withTypeOfName(slice, name, shown) : slice;
    return { name, node: told, membership: compileSlice(told, slicing, scope.library), check: byType(told, scope) };
  });
  const inner = new Map(
    slices
      .filter((slice) => slice.node.slices.size > 0)
      .map((slice) => [slice, compileSlicing(shown, slice.node, isChoice, scope)] as const),
  );
  const known = slices.filter(({ membership }) => membership !== undefined);
  return (items, context) => {
    const taken = new Map<Slice, Item[]>();
    let latest = -1;
    let isPastEnd = false;
    for (const item of items) {
      const at = known.findIndex(({ membership }) => membership?.belongs(item, context));
      const slice = known[at];
      if (slice === undefined) {
        isPastEnd = true;
        // A slice that cannot be told apart could have taken it.
        if (slicing.rules === 'closed' && known.length === slices.length)
          inItem(item, context, () =>
            tell(scope, context, 'structure', 'no slice takes this value, and no others may stand here'),
          );
        continue;
      }
      taken.set(slice, [...(taken.get(slice) ?? []), item]);
      inItem(item, context, () => {
        if (slicing.isOrdered && at < latest)
          tell(scope, context, 'structure', `the slice ${slice.name} comes too late`);
        if (slicing.rules === 'openAtEnd' && isPastEnd)
          tell(scope, context, 'structure', 'values of no slice come last');
        slice.check(item)(item, context);
      });
      latest = Math.max(latest, at);
    }
    for (const slice of known) {
      const own = taken.get(slice) ?? [];
      checkCount(own.length, slice.node, `.${shown}`, scope, context, `slice ${slice.name}: `);
      if (own.length < (slice.node.min ?? 0)) explainMissing(slice, items, scope, context);
      inner.get(slice)?.(own, context);
    }
  };
}

/** Faults told for a slice that is missing; the first ones show the way. */
const explainedMax = 3;

/** A value that was meant for the slice, by its type, is not of it because its profile finds fault with it. */
function explainMissing({ name, membership }: Slice, items: readonly Item[], scope: Scope, context: Context): void {
  if (membership?.explain === undefined) return;
  for (const item of items) {
    for (const { message, path } of membership.explain(item, context).slice(0, explainedMax)) {
      inItem(item, context, () => tell(scope, context, 'structure', `not of slice ${name}: ${message}`, { path }));
    }
  }
}

/** FHIR R4 profiling.html#slicing: extensions are sliced by url and choices by type, said or not. */
function impliedSlicing(shown: string, isChoice: boolean): Slicing {
  const discriminators = isChoice
    ? [{ type: 'type', path: '$this' }]
    : /^(modifierE|e)xtension$/.test(shown)
      ? [{ type: 'value', path: 'url' }]
      : [];
  return { discriminators, isOrdered: false, rules: 'open' };
}

/** `value[x]:valueQuantity` says its type by its name. */
function withTypeOfName(slice: Node, name: string, shown: string): Node {
  const code = name.startsWith(shown) ? name.slice(shown.length) : name;
  const lower = code.charAt(0).toLowerCase() + code.slice(1);
  return { ...slice, types: [{ code: primitiveCheck(lower) === undefined ? code : lower, profiles: [], targets: [] }] };
}
