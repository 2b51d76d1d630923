/** How the elements of a Consent are read: strictly, each with its FHIRPath, so that a refusal says where and what to do. */
import { readDate } from '../../fhir/dates.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';

export type Element = Record<string, unknown>;

export interface Coding {
  readonly system?: string;
  readonly code?: string;
}

/** Half-open, epoch milliseconds or infinite. */
export interface Period {
  readonly from: number;
  readonly to: number;
}

export const always: Period = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY };

export function intersection(one: Period, other: Period): Period {
  return { from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) };
}

/** Of any list in a provision. */
const listMax = 100;

/** A refusal (422) that names the element and, where there is one, the way out. */
export function refusal(expression: string, diagnostics: string, hint?: string): Problem {
  return new Problem('business-rule', diagnostics, { expression, hint });
}

/** The codings of a CodeableConcept. */
export function codingsOf(concept: unknown): Coding[] {
  const codings = isElement(concept) ? concept['coding'] : undefined;
  return Array.isArray(codings) ? (codings as Coding[]).filter(isElement) : [];
}

export function list(parent: Element, name: string, path: string): Element[] {
  const value = parent[name];
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length === 0 || value.length > listMax || !value.every(isElement)) {
    throw refusal(`${path}.${name}`, `a list of 1 to ${listMax} elements`);
  }
  return value;
}

export function requireOnly(element: Element, names: readonly string[], path: string): void {
  for (const name of Object.keys(element)) {
    if (!names.includes(name)) throw refusal(`${path}.${name}`, 'this element cannot be enforced');
  }
}

/** Exact references: no version, no absolute URL, no logical identifier. */
export function referenceOf(value: unknown, path: string): string {
  const reference = isElement(value) ? value['reference'] : undefined;
  const [type = '', id = '', ...rest] = typeof reference === 'string' ? reference.split('/') : [];
  if (rest.length > 0 || !/^[A-Z][A-Za-z]+$/.test(type) || !idPattern.test(id)) {
    throw refusal(path, 'a reference here is exact: Type/id', 'No version, no absolute URL, no identifier.');
  }
  return reference as string;
}

/** R4 Period: both ends inclusive, an end given as a date means all of that day (UTC). */
export function readPeriod(parent: Element, name: string, path: string): Period | undefined {
  const period = parent[name];
  if (period === undefined) return undefined;
  const at = `${path}.${name}`;
  if (!isElement(period)) throw refusal(at, 'a period is an object');
  requireOnly(period, ['id', 'start', 'end'], at);
  const [start, end] = ['start', 'end'].map((edge) => {
    const text = period[edge];
    if (text === undefined) return undefined;
    const date = typeof text === 'string' ? readDate(text) : undefined;
    if (date === undefined) throw refusal(`${at}.${edge}`, 'not a FHIR date');
    return date;
  });
  if (start === undefined && end === undefined) throw refusal(at, 'a period has a start or an end');
  const found = { from: start?.low ?? always.from, to: end?.high ?? always.to };
  if (found.from >= found.to) throw refusal(at, 'the period ends before it starts');
  return found;
}

export function isElement(value: unknown): value is Element {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
