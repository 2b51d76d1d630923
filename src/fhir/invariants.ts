/**
 * R4's invariants. Those of the types that pass through by the thousand are written as functions (a FHIRPath costs some 50 us,
 * a function well under 1); the others are evaluated as FHIRPath. Tests hold the two against each other.
 *
 * @see https://hl7.org/fhir/R4/conformance-rules.html#constraints
 */
import { periodInterval, readDate } from './dates.ts';
import type { Invariant } from './definitions.ts';
import { evaluate } from './fhirpath.ts';
import { numberOf } from './json.ts';
import type { AnyResource } from './types.ts';

type Value = Record<string, unknown>;
export type InvariantCheck = (value: unknown, resource: AnyResource) => boolean;

const ucum = 'http://unitsofmeasure.org';

function has(value: Value, ...names: string[]): boolean {
  return names.some((name) => value[name] !== undefined || value[`_${name}`] !== undefined);
}

/** A choice is there when any of its properties is. */
function hasChoice(value: Value, name: string): boolean {
  for (const key in value) {
    if (key.startsWith(name) && /^[A-Z]/.test(key.slice(name.length))) return true;
  }
  return false;
}

function hasCoding(concept: unknown, system: string, codes: readonly string[]): boolean {
  return codings(concept).some((coding) => coding['system'] === system && codes.includes(String(coding['code'])));
}

function codings(concept: unknown): Value[] {
  const list = (concept as Value | undefined)?.['coding'];
  return Array.isArray(list) ? (list as Value[]) : [];
}

function contained(value: Value): Value[] {
  return Array.isArray(value['contained']) ? (value['contained'] as Value[]) : [];
}

function meta(value: Value): Value {
  return (value['meta'] ?? {}) as Value;
}

const clinical = 'http://terminology.hl7.org/CodeSystem/condition-clinical';
const conditionStatus = 'http://terminology.hl7.org/CodeSystem/condition-ver-status';
const allergyStatus = 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification';

/** By key; the expression each stands for is in the definitions, and the tests evaluate it. */
export const nativeInvariants: Record<string, (value: Value, resource: AnyResource) => boolean> = {
  'dom-2': (v) => contained(v).every((c) => c['contained'] === undefined),
  'dom-3': (v) => contained(v).every((c) => isReferred(c, v)),
  'dom-4': (v) => contained(v).every((c) => meta(c)['versionId'] === undefined && meta(c)['lastUpdated'] === undefined),
  'dom-5': (v) => contained(v).every((c) => meta(c)['security'] === undefined),
  'ext-1': (v) => has(v, 'extension') !== hasChoice(v, 'value'),
  'ref-1': (v, resource) => {
    const reference = v['reference'];
    if (typeof reference !== 'string' || !reference.startsWith('#') || reference === '#') return true;
    return contained(resource).some((c) => c['id'] === reference.slice(1));
  },
  'qty-3': (v) => !has(v, 'code') || has(v, 'system'),
  'per-1': (v) => isOrdered(v),
  'rng-2': (v) =>
    !has(v, 'low') ||
    !has(v, 'high') ||
    numberOf((v['low'] as Value)['value']) <= numberOf((v['high'] as Value)['value']),
  'rat-1': (v) => has(v, 'numerator') === has(v, 'denominator') && has(v, 'numerator', 'extension'),
  'cpt-2': (v) => !has(v, 'value') || has(v, 'system'),
  'att-1': (v) => !has(v, 'data') || has(v, 'contentType'),
  'drt-1': (v) => !has(v, 'code') || (v['system'] === ucum && has(v, 'value')),
  'pat-1': (v) => has(v, 'name', 'telecom', 'address', 'organization'),
  'obs-3': (v) => has(v, 'low', 'high', 'text'),
  'obs-6': (v) => !has(v, 'dataAbsentReason') || !hasChoice(v, 'value'),
  'obs-7': (v) => !hasChoice(v, 'value') || !isCodeInComponents(v),
  'con-1': (v) => has(v, 'summary', 'assessment'),
  'con-2': (v) => has(v, 'code', 'detail'),
  'con-4': (v) =>
    !hasChoice(v, 'abatement') || hasCoding(v['clinicalStatus'], clinical, ['resolved', 'remission', 'inactive']),
  'con-5': (v) =>
    !hasCoding(v['verificationStatus'], conditionStatus, ['entered-in-error']) || !has(v, 'clinicalStatus'),
  'ait-1': (v) => hasCoding(v['verificationStatus'], allergyStatus, ['entered-in-error']) || has(v, 'clinicalStatus'),
  'ait-2': (v) => !hasCoding(v['verificationStatus'], allergyStatus, ['entered-in-error']) || !has(v, 'clinicalStatus'),
  'prr-1': (v) => !has(v, 'orderDetail') || has(v, 'code'),
  'org-1': (v) => has(v, 'identifier', 'name'),
  'org-2': (v) => v['use'] !== 'home',
  'org-3': (v) => v['use'] !== 'home',
  'bdl-5': (v) => has(v, 'resource', 'request', 'response'),
  'bdl-8': (v) => !(v['fullUrl'] as string | undefined)?.includes('/_history/'),
};

/** FHIR R4 dom-3: a contained resource is referred to from its container, or refers to it. */
function isReferred(inner: Value, container: Value): boolean {
  const target = `#${String(inner['id'])}`;
  const { contained: others, ...outside } = container;
  return (
    mentions(outside, target) ||
    mentions(inner, '#') ||
    (others as Value[]).some((other) => other !== inner && mentions(other, target))
  );
}

function mentions(value: unknown, text: string): boolean {
  if (typeof value === 'string') return value === text;
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some((held) => mentions(held, text));
}

function isOrdered(period: Value): boolean {
  const { start, end } = period;
  if (typeof start !== 'string' || typeof end !== 'string' || !readDate(start) || !readDate(end)) return true;
  const interval = periodInterval(period);
  // The end includes what its precision leaves open, so 2012-02-03T10:00 may start what ends on 2012-02-03.
  return interval === undefined || interval.low < interval.high;
}

function isCodeInComponents(observation: Value): boolean {
  const own = codings(observation['code']);
  const components = Array.isArray(observation['component']) ? (observation['component'] as Value[]) : [];
  return components.some((component) =>
    codings(component['code']).some((coding) =>
      own.some((other) => other['system'] === coding['system'] && other['code'] === coding['code']),
    ),
  );
}

/** The check of one invariant on values of a type (a path for inner types); undefined for the few that are not checked. */
export function invariantCheck(invariant: Invariant, type: string): InvariantCheck | undefined {
  const native = nativeInvariants[invariant.key];
  if (native !== undefined) return (value, resource) => native(value as Value, resource);
  return unchecked.has(invariant.key) ? undefined : evaluateInvariant(invariant, type);
}

/** Rules for authors of definitions whose regular expressions the FHIRPath engine reads in another dialect. */
const unchecked = new Set(['sdf-19', 'eld-19']);

export function evaluateInvariant(invariant: Invariant, type: string): InvariantCheck {
  return (value, resource) => {
    let result;
    try {
      result = evaluate(invariant.expression, type, value, resource);
    } catch {
      // What the engine cannot evaluate says nothing about the resource; structure and bindings are checked all the same.
      return true;
    }
    // An empty result is neither true nor false; the specification's own validator lets it pass.
    return result.length === 0 || (result.length === 1 && result[0]?.value === true);
  };
}
