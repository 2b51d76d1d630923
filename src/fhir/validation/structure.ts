/**
 * One compiled check a type: names, cardinalities, primitives, choices, bindings, references, invariants, and what is held
 * inside. Compiled at first use, once for writes (errors alone) and once for `$validate`.
 *
 * Why not `validateResource` of @medplum/core: docs/decisions/0006-own-validator.md. It stays the oracle in the tests.
 *
 * @see https://hl7.org/fhir/R4/json.html
 */
import {
  propertiesOf,
  suggestedValueSet,
  typeDefinition,
  valueSet,
  type ElementDefinition,
  type Property,
} from '../definitions.ts';
import { primitiveCheck } from '../primitives.ts';
import { typeCode, type AnyResource } from '../types.ts';
import { compileBinding } from './bindings.ts';
import { findingsMax, report, within, type Check, type Context, type Depth } from './finding.ts';
import { checkExtension, checkProfiles } from './named.ts';
import { checkContainedIds, checkReferenceFormat, compileTarget } from './references.ts';
import { compileInvariants, runInvariants } from './rules.ts';
import { nearest } from './spelling.ts';

type Json = Record<string, unknown>;

const compiled: Readonly<Record<Depth, Map<string, Check>>> = { errors: new Map(), all: new Map() };

/** The check of a type's values, compiled at first use. */
export function checkOf(type: string, depth: Depth): Check {
  let check = compiled[depth].get(type);
  if (check !== undefined) return check;
  const primitive = primitiveCheck(type);
  check =
    primitive === undefined
      ? compileType(type, depth)
      : (value, context) => {
          const reason = primitive(value);
          if (reason !== undefined) report(context, type === 'xhtml' ? 'invariant' : 'value', reason);
        };
  compiled[depth].set(type, check);
  return check;
}

function compileType(type: string, depth: Depth): Check {
  if (type === 'Resource') return (value, context) => checkHeldResource(value, context, depth);
  const properties = new Map<string, PropertyCheck>();
  for (const property of propertiesOf(type)?.values() ?? []) {
    const compiled = compileProperty(property, type, depth);
    properties.set(property.name, compiled);
    if (primitiveCheck(property.type) !== undefined)
      properties.set(`_${property.name}`, { ...compiled, isExtra: true });
  }
  const definition = typeDefinition(type);
  const elements = Object.entries(definition?.elements ?? {});
  const required = elements
    .filter(([, element]) => element.min !== undefined)
    .map(([name]) => namesOf(name, properties));
  const invariants = compileInvariants(definition?.invariants ?? [], type, depth);
  const isReference = type === 'Reference';
  const isExtension = type === 'Extension';
  const isResource = typeCode(type) !== undefined;

  return (value, context) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return report(context, 'structure', 'expected an object');
    const object = value as Json;
    const before = context.errors;
    let isEmpty = true;
    let chosen: PropertyCheck[] | undefined;
    for (const key of Object.keys(object)) {
      if (isResource && key === 'resourceType') continue;
      isEmpty = false;
      const property = properties.get(key);
      if (property === undefined) {
        reportUnknown(key, properties, context);
        continue;
      }
      checkProperty(key, property, object, context);
      if (property.isChoice) (chosen ??= []).push(property);
    }
    // ele-1: "All FHIR elements must have a @value or children".
    if (isEmpty && !isResource) report(context, 'structure', 'an empty object');
    for (const names of required) {
      if (!names.some((name) => object[name] !== undefined)) {
        report(context, 'required', 'a required element is missing', { path: `.${names[0]}`, hint: missingHint });
      }
    }
    if (chosen !== undefined && chosen.length > 1) checkChoices(chosen, context);
    if (isReference) checkReferenceFormat(object, context, depth);
    if (isResource && object['contained'] !== undefined) checkContainedIds(object['contained'], context);
    // Invariants and profiles presume the structure that was just checked.
    if (context.errors !== before) return;
    runInvariants(invariants, object, context);
    if (isExtension) checkExtension(object, context, depth);
  };
}

const missingHint =
  'Send it; where the value is not known, an extension http://hl7.org/fhir/StructureDefinition/data-absent-reason can say so.';

function reportUnknown(key: string, properties: ReadonlyMap<string, unknown>, context: Context): void {
  const meant = context.errors < findingsMax ? nearest(key, properties.keys()) : undefined;
  report(context, 'structure', 'no such element in R4', {
    path: `.${printable(key)}`,
    hint: meant === undefined ? 'What R4 has no element for belongs into an extension.' : `Is ${meant} meant?`,
  });
}

/** Property names of an element, with those of primitive extensions; the first is the one to show. */
function namesOf(elementName: string, properties: ReadonlyMap<string, PropertyCheck>): string[] {
  const base = elementName.replace('[x]', '');
  const names = [...properties].filter(([, check]) => check.elementName === elementName).map(([name]) => name);
  return base === elementName ? names : [base, ...names];
}

/** FHIR R4 formats.html#choice. `valueString` and `_valueString` are one value. */
function checkChoices(chosen: readonly PropertyCheck[], context: Context): void {
  const types = new Map<string, string>();
  for (const { elementName, type } of chosen) {
    const other = types.get(elementName);
    if (other !== undefined && other !== type)
      report(context, 'structure', 'one type of a choice at a time', { path: `.${elementName.replace('[x]', '')}` });
    types.set(elementName, type);
  }
}

/** An unknown key is the sender's text; it is shown only when it looks like a name. */
function printable(key: string): string {
  return /^\w{1,64}$/.test(key) ? key : '(name)';
}

interface PropertyCheck {
  readonly elementName: string;
  readonly isChoice: boolean;
  readonly isArray: boolean;
  readonly max: number;
  readonly isPrimitive: boolean;
  /** `_name`: id and extensions of a primitive. */
  readonly isExtra: boolean;
  /** Compiled late: types refer to each other in circles. */
  check: Check | undefined;
  readonly type: string;
  readonly depth: Depth;
  readonly extra: Check | undefined;
}

function compileProperty(property: Property, owner: string, depth: Depth): PropertyCheck {
  const { element, name, elementName } = property;
  const max = element.max ?? 1;
  // R4 types Resource.id as a string and describes an id.
  const type = name === 'id' && typeCode(owner) !== undefined ? 'id' : property.type;
  return {
    elementName,
    isChoice: elementName.endsWith('[x]'),
    isArray: max !== 1,
    max: max < 0 ? Infinity : max,
    isPrimitive: primitiveCheck(type) !== undefined,
    isExtra: false,
    check: name === 'contained' ? (value, context) => checkContained(value, context, depth) : undefined,
    type,
    depth,
    extra: compileElementRules(element, type, name, depth),
  };
}

/** What an element adds to its type: bindings, reference targets, invariants of its own. */
function compileElementRules(element: ElementDefinition, type: string, name: string, depth: Depth): Check | undefined {
  const rules: Check[] = [];
  const { targets, valueSet: required, suggested } = element;
  if (targets !== undefined && type === 'Reference') rules.push(compileTarget(targets));
  const codes = required === undefined ? undefined : valueSet(required);
  const binding = codes && compileBinding(codes, type, 'required', required as string);
  if (binding !== undefined) rules.push(binding);
  if (depth === 'all' && suggested !== undefined) {
    const { strength, valueSet: url } = suggested;
    const advice = compileBinding(suggestedValueSet(url) ?? {}, type, strength, url);
    if (advice !== undefined) rules.push(advice);
  }
  if (depth === 'all' && name === 'modifierExtension') {
    rules.push((_, context) => report(context, 'informational', unknownModifier, { severity: 'warning' }));
  }
  // ext-1 stands on the type Extension too.
  const own = compileInvariants(
    (element.invariants ?? []).filter(({ key }) => key !== 'ext-1' || !/^(modifierE|e)xtension$/.test(name)),
    type,
    depth,
  );
  if (own.length > 0) rules.push((value, context) => runInvariants(own, value, context));
  if (rules.length <= 1) return rules[0];
  return (value, context) => {
    for (const rule of rules) rule(value, context);
  };
}

/** FHIR R4 extensibility.html#modifierExtension */
const unknownModifier =
  'a modifier extension changes what the resource means; who does not know it must not use the resource';

function checkProperty(key: string, property: PropertyCheck, object: Json, context: Context): void {
  const value = object[key];
  const before = context.findings.length;
  if (!property.isArray) {
    if (Array.isArray(value)) report(context, 'structure', 'expected one value, not a list');
    else checkItem(value, property, context);
    if (context.findings.length > before) within(`.${key}`, context, before);
    return;
  }
  if (!Array.isArray(value) || value.length === 0) {
    return report(context, 'structure', Array.isArray(value) ? 'an empty list' : 'expected a list', {
      path: `.${key}`,
    });
  }
  if (value.length > property.max) report(context, 'structure', `at most ${property.max} values`, { path: `.${key}` });
  const partner = object[property.isExtra ? key.slice(1) : `_${key}`];
  for (let at = 0; at < value.length; at++) {
    const start = context.findings.length;
    // FHIR R4 json.html#primitive: null stands where the other of the two lists has the value.
    const isPaired =
      property.isPrimitive && Array.isArray(partner) && partner[at] !== null && partner[at] !== undefined;
    if (value[at] !== null || !isPaired) checkItem(value[at], property, context);
    if (context.findings.length > start) within(`.${key}[${at}]`, context, start);
  }
}

function checkItem(value: unknown, property: PropertyCheck, context: Context): void {
  if (value === null || value === undefined) return report(context, 'structure', 'null is no value');
  if (property.isExtra) return checkOf('Element', property.depth)(value, context);
  const before = context.errors;
  property.check ??= checkOf(property.type, property.depth);
  property.check(value, context);
  if (context.errors === before) property.extra?.(value, context);
}

/** A resource that stands alone: the root, or an entry of a Bundle. */
export function checkResource(value: unknown, context: Context, depth: Depth): void {
  const { resource, root, containedIds } = context;
  context.resource = context.root = value as AnyResource;
  context.containedIds = undefined;
  checkTyped(context.resource, context, depth);
  context.resource = resource;
  context.root = root;
  context.containedIds = containedIds;
}

function checkTyped(resource: AnyResource, context: Context, depth: Depth): void {
  const before = context.errors;
  checkOf(resource.resourceType, depth)(resource, context);
  if (context.errors === before) checkProfiles(resource, context, depth);
}

/** An entry of a Bundle, a parameter: it stands alone, wherever it is. */
function checkHeldResource(value: unknown, context: Context, depth: Depth): void {
  if (isResource(value, context)) checkResource(value, context, depth);
}

/** A contained resource looks up its references in the container. */
function checkContained(value: unknown, context: Context, depth: Depth): void {
  if (!isResource(value, context)) return;
  if (context.resource !== context.root)
    return report(context, 'invariant', 'dom-2: what is contained contains no resources of its own');
  context.resource = value;
  checkTyped(value, context, depth);
  context.resource = context.root;
}

function isResource(value: unknown, context: Context): value is AnyResource {
  const type = (value as AnyResource | null)?.resourceType;
  if (typeof type === 'string' && typeCode(type) !== undefined) return true;
  report(context, 'structure', 'resourceType names no R4 resource');
  return false;
}
