/**
 * Is this a valid R4 resource: structure, cardinality, primitives, references, required bindings, invariants, narrative without
 * active markup, nothing unknown. One compiled check a type; the path of an issue is put together only when there is one.
 *
 * Why not `validateResource` of @medplum/core: docs/decisions/0006-own-validator.md. It stays the oracle in the tests.
 *
 * @see https://hl7.org/fhir/R4/validation.html
 */
import { propertiesOf, typeDefinition, valueSet, type ElementDefinition, type Property } from './definitions.ts';
import { invariantCheck, type InvariantCheck } from './invariants.ts';
import { primitiveCheck } from './primitives.ts';
import { Problem, type ProblemCode } from './problem.ts';
import { readReference } from './reference.ts';
import { typeCode, type AnyResource } from './types.ts';

/** As many as a person mends in one go; the walk stops there. */
const issuesMax = 50;

interface Issue {
  readonly code: ProblemCode;
  readonly message: string;
  path: string;
}

interface Context {
  /** The resource that contained references and `%resource` look into. */
  resource: AnyResource;
  readonly issues: Issue[];
}

type Check = (value: unknown, context: Context) => void;
type Json = Record<string, unknown>;

/** All that is wrong with a resource, each with its FHIRPath expression; empty for a valid one. */
export function validate(resource: unknown): Problem[] {
  const type = (resource as AnyResource | null | undefined)?.resourceType;
  if (typeof type !== 'string' || typeCode(type) === undefined) {
    return [new Problem('structure', 'resourceType names no R4 resource', { expression: 'resourceType' })];
  }
  const context: Context = { resource: resource as AnyResource, issues: [] };
  checkResource(resource, context);
  return context.issues
    .slice(0, issuesMax)
    .map(({ code, message, path }) => new Problem(code, message, { expression: `${type}${path}` }));
}

/** @throws Problem the first of what is wrong, naming the others' number */
export function assertValid(resource: unknown): asserts resource is AnyResource {
  const [first, ...others] = validate(resource);
  if (first === undefined) return;
  if (others.length === 0) throw first;
  throw new Problem(first.code, `${first.message} (and ${others.length} more)`, {
    expression: [first, ...others].flatMap((problem) => problem.expression),
  });
}

const checks = new Map<string, Check>();

/** The check of a type's values, compiled at first use. */
function checkOf(type: string): Check {
  let check = checks.get(type);
  if (check !== undefined) return check;
  const primitive = primitiveCheck(type);
  check =
    primitive === undefined
      ? compileType(type)
      : (value, context) => {
          const reason = primitive(value);
          if (reason !== undefined) report(context, type === 'xhtml' ? 'invariant' : 'value', reason);
        };
  checks.set(type, check);
  return check;
}

function report(context: Context, code: ProblemCode, message: string, path = ''): void {
  if (context.issues.length < issuesMax) context.issues.push({ code, message, path });
}

/** Runs a check and puts the step that led there before the paths of what it found. */
function within(step: string, context: Context, before: number): void {
  for (let at = before; at < context.issues.length; at++) {
    const issue = context.issues[at] as Issue;
    issue.path = `${step}${issue.path}`;
  }
}

function compileType(type: string): Check {
  if (type === 'Resource') return checkHeldResource;
  const properties = new Map<string, PropertyCheck>();
  for (const property of propertiesOf(type)?.values() ?? []) {
    const compiled = compileProperty(property, type);
    properties.set(property.name, compiled);
    if (primitiveCheck(property.type) !== undefined)
      properties.set(`_${property.name}`, { ...compiled, isExtra: true });
  }
  const definition = typeDefinition(type);
  const elements = Object.entries(definition?.elements ?? {});
  const required = elements
    .filter(([, element]) => element.min !== undefined)
    .map(([name]) => namesOf(name, properties));
  const choices = elements.filter(([name]) => name.endsWith('[x]')).map(([name]) => namesOf(name, properties));
  const invariants = compileInvariants(definition?.invariants ?? [], type);
  const isReference = type === 'Reference';
  const isResource = typeCode(type) !== undefined;

  return (value, context) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return report(context, 'structure', 'expected an object');
    const object = value as Json;
    const before = context.issues.length;
    let isEmpty = true;
    for (const key of Object.keys(object)) {
      if (isResource && key === 'resourceType') continue;
      isEmpty = false;
      const property = properties.get(key);
      if (property === undefined) report(context, 'structure', 'no such element in R4', `.${printable(key)}`);
      else checkProperty(key, property, object, context);
    }
    // ele-1: "All FHIR elements must have a @value or children".
    if (isEmpty && !isResource) report(context, 'structure', 'an empty object');
    for (const names of required) {
      if (!names.some((name) => object[name] !== undefined))
        report(context, 'required', 'a required element is missing', `.${names[0]}`);
    }
    for (const names of choices) {
      if (countValues(names, object) > 1)
        report(context, 'structure', 'one type of a choice at a time', `.${names[0]}`);
    }
    if (isReference) checkReferenceFormat(object, context);
    // Invariants presume the structure that was just checked.
    if (context.issues.length === before) runInvariants(invariants, object, context);
  };
}

/** Property names of an element, with those of primitive extensions; the first is the one to show. */
function namesOf(elementName: string, properties: ReadonlyMap<string, PropertyCheck>): string[] {
  const base = elementName.replace('[x]', '');
  const names = [...properties].filter(([, check]) => check.elementName === elementName).map(([name]) => name);
  return base === elementName ? names : [base, ...names];
}

function countValues(names: readonly string[], object: Json): number {
  let count = 0;
  for (const name of names) if (!name.startsWith('_') && object[name] !== undefined) count++;
  return count;
}

/** An unknown key is the sender's text; it is shown only when it looks like a name. */
function printable(key: string): string {
  return /^\w{1,64}$/.test(key) ? key : '(name)';
}

interface PropertyCheck {
  readonly elementName: string;
  readonly isArray: boolean;
  readonly max: number;
  readonly isPrimitive: boolean;
  /** `_name`: id and extensions of a primitive. */
  readonly isExtra: boolean;
  /** Compiled late: types refer to each other in circles. */
  check: Check | undefined;
  readonly type: string;
  readonly extra: Check | undefined;
}

function compileProperty(property: Property, owner: string): PropertyCheck {
  const { element, name, elementName } = property;
  const max = element.max ?? 1;
  // R4 types Resource.id as a string and describes an id.
  const type = name === 'id' && typeCode(owner) !== undefined ? 'id' : property.type;
  return {
    elementName,
    isArray: max !== 1,
    max: max < 0 ? Infinity : max,
    isPrimitive: primitiveCheck(type) !== undefined,
    isExtra: false,
    check: undefined,
    type,
    extra: compileElementRules(element, type, name),
  };
}

/** What an element adds to its type: bindings, reference targets, invariants of its own. */
function compileElementRules(element: ElementDefinition, type: string, name: string): Check | undefined {
  const rules: Check[] = [];
  const { targets } = element;
  if (targets !== undefined && type === 'Reference')
    rules.push((value, context) => checkTarget(value, targets, context));
  const codes = element.valueSet === undefined ? undefined : valueSet(element.valueSet);
  const binding = codes === undefined ? undefined : compileBinding(codes, type);
  if (binding !== undefined) rules.push(binding);
  // ext-1 stands on the type Extension too.
  const own = compileInvariants(
    (element.invariants ?? []).filter(({ key }) => key !== 'ext-1' || name !== 'extension'),
    element.types[0] ?? type,
  );
  if (own.length > 0) rules.push((value, context) => runInvariants(own, value, context));
  if (rules.length <= 1) return rules[0];
  return (value, context) => {
    for (const rule of rules) rule(value, context);
  };
}

function checkProperty(key: string, property: PropertyCheck, object: Json, context: Context): void {
  const value = object[key];
  const before = context.issues.length;
  if (!property.isArray) {
    if (Array.isArray(value)) report(context, 'structure', 'expected one value, not a list');
    else checkItem(value, property, context);
    if (context.issues.length > before) within(`.${key}`, context, before);
    return;
  }
  if (!Array.isArray(value) || value.length === 0) {
    return report(context, 'structure', Array.isArray(value) ? 'an empty list' : 'expected a list', `.${key}`);
  }
  if (value.length > property.max) report(context, 'structure', `at most ${property.max} values`, `.${key}`);
  const partner = object[property.isExtra ? key.slice(1) : `_${key}`];
  for (let at = 0; at < value.length; at++) {
    const start = context.issues.length;
    // FHIR R4 json.html#primitive: null stands where the other of the two lists has the value.
    const isPaired =
      property.isPrimitive && Array.isArray(partner) && partner[at] !== null && partner[at] !== undefined;
    if (value[at] !== null || !isPaired) checkItem(value[at], property, context);
    if (context.issues.length > start) within(`.${key}[${at}]`, context, start);
  }
}

function checkItem(value: unknown, property: PropertyCheck, context: Context): void {
  if (value === null || value === undefined) return report(context, 'structure', 'null is no value');
  if (property.isExtra) return checkOf('Element')(value, context);
  const before = context.issues.length;
  property.check ??= checkOf(property.type);
  property.check(value, context);
  if (context.issues.length === before) property.extra?.(value, context);
}

function compileInvariants(invariants: readonly { key: string; human: string; expression: string }[], type: string) {
  return invariants.flatMap((invariant) => {
    const check = invariantCheck(invariant, type);
    return check === undefined ? [] : [{ check, message: `${invariant.key}: ${invariant.human}` }];
  });
}

function runInvariants(
  invariants: readonly { check: InvariantCheck; message: string }[],
  value: unknown,
  context: Context,
): void {
  for (const { check, message } of invariants) {
    if (!check(value, context.resource)) report(context, 'invariant', message);
  }
}

/** A resource that stands alone: the root, or an entry of a Bundle. */
function checkResource(value: unknown, context: Context): void {
  const outer = context.resource;
  context.resource = value as AnyResource;
  checkOf(context.resource.resourceType)(value, context);
  context.resource = outer;
}

/** A resource inside another: contained ones look up their references in the container, all others in themselves. */
function checkHeldResource(value: unknown, context: Context): void {
  const type = (value as AnyResource | null)?.resourceType;
  if (typeof type !== 'string' || typeCode(type) === undefined) {
    return report(context, 'structure', 'resourceType names no R4 resource');
  }
  const { contained } = context.resource;
  const isContained = Array.isArray(contained) && contained.includes(value);
  if (isContained) checkOf(type)(value, context);
  else checkResource(value, context);
}

function checkReferenceFormat(reference: Json, context: Context): void {
  const text = reference['reference'];
  if (typeof text === 'string' && readReference(text) === undefined) {
    report(context, 'value', 'a reference is Type/id, an absolute URL, or #id', '.reference');
  }
}

function checkTarget(value: unknown, targets: readonly string[], context: Context): void {
  const text = (value as Json)['reference'];
  const type = typeof text === 'string' ? readReference(text)?.type : undefined;
  if (type !== undefined && !targets.includes(type))
    report(context, 'value', `this element refers to ${targets.join(', ')}`, '.reference');
}

/** FHIR R4 terminologies.html#required: the code SHALL be from the value set; of a concept's codings one is enough. */
function compileBinding(codes: Record<string, string[]>, type: string): Check | undefined {
  const bySystem = new Map(Object.entries(codes).map(([system, list]) => [system, new Set(list)]));
  const all = new Set(Object.values(codes).flat());
  const isBound = (coding: unknown): boolean => {
    const { system, code } = (coding ?? {}) as Json;
    return typeof system === 'string' && typeof code === 'string' && (bySystem.get(system)?.has(code) ?? false);
  };
  switch (type) {
    case 'code':
    case 'string':
    case 'uri':
      return (value, context) => {
        if (!all.has(value as string)) report(context, 'code-invalid', 'not a code of the required value set');
      };
    case 'Coding':
      return (value, context) => {
        if (!isBound(value)) report(context, 'code-invalid', 'not a coding of the required value set');
      };
    case 'CodeableConcept':
      return (value, context) => {
        const { coding } = value as Json;
        if (!Array.isArray(coding) || !coding.some(isBound)) {
          report(context, 'code-invalid', 'no coding of the required value set');
        }
      };
    default:
      return undefined;
  }
}
