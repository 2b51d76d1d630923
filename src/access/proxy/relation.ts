/**
 * What a RelatedPerson says of who may act for its patient. Pure, and closed: a relationship that is not listed gives nothing.
 *
 * Parents of a child, guardians, and caregivers: who holds a power of attorney, or is registered as caregiver. A holder of a
 * power for health care decides as the patient would, so they write Consents too; other caregivers read.
 *
 * @see https://hl7.org/fhir/R4/relatedperson.html
 * @see https://terminology.hl7.org/CodeSystem-v3-RoleCode.html
 */
import { readDate } from '../../fhir/dates.ts';
import { localReference } from '../../fhir/reference.ts';
import type { AnyResource } from '../../fhir/types.ts';

export const relationships = ['parent', 'guardian', 'caregiver'] as const;
export type Relationship = (typeof relationships)[number];

export interface Relation {
  readonly patient: string;
  readonly relationship: Relationship;
  readonly mayConsent: boolean;
  /** Half-open, epoch milliseconds or infinite. */
  readonly valid: { readonly from: number; readonly to: number };
}

const roleCode = 'http://terminology.hl7.org/CodeSystem/v3-RoleCode';
const v2Relationship = 'http://terminology.hl7.org/CodeSystem/v2-0063';
const roleClass = 'http://terminology.hl7.org/CodeSystem/v3-RoleClass';

const codes = (system: string, ...names: readonly string[]): string[] => names.map((name) => `${system}|${name}`);

/** By blood or adoption. Neither foster nor step-parents, who have no parental rights of themselves: they are guardians, or not. */
const parents = codes(roleCode, 'PRN', 'MTH', 'FTH', 'NPRN', 'NMTH', 'NFTH', 'ADOPTP', 'ADOPTM', 'ADOPTF');
// The third is what NK1-3 becomes (HL70063). Its CGV is none of ours: whom a hospital calls care giver need have no authority.
const guardians = [...codes(roleCode, 'GUARD'), ...codes(roleClass, 'GUARD'), ...codes(v2Relationship, 'GRD')];
const attorneys = codes(roleCode, 'HPOWATT');
const caregivers = [...codes(roleCode, 'POWATT', 'DPOWATT', 'SPOWATT'), ...codes(roleClass, 'CAREGIVER')];

/**
 * The first that is found counts. A guardian before a parent: the guardian of a child who is called mother as well keeps what
 * guardians have; a power of attorney before both kinds of relatives, because it is a decision and they are facts.
 */
const kinds: readonly (readonly [readonly string[], Pick<Relation, 'relationship' | 'mayConsent'>])[] = [
  [attorneys, { relationship: 'caregiver', mayConsent: true }],
  [guardians, { relationship: 'guardian', mayConsent: true }],
  [parents, { relationship: 'parent', mayConsent: true }],
  [caregivers, { relationship: 'caregiver', mayConsent: false }],
];

/** Undefined for a RelatedPerson who may not act: inactive, of another relationship, or with a period that cannot be read. */
export function relationOf(resource: AnyResource): Relation | undefined {
  if (resource['active'] === false || resource['modifierExtension'] !== undefined) return undefined;
  const patient = localReference(resource['patient']);
  if (patient?.type !== 'Patient') return undefined;
  const stated = codingsOf(resource);
  const kind = kinds.find(([listed]) => stated.some((code) => listed.includes(code)))?.[1];
  const valid = periodOf(resource['period']);
  return kind === undefined || valid === undefined ? undefined : { patient: patient.id, ...kind, valid };
}

function codingsOf(resource: AnyResource): string[] {
  const concepts = (resource['relationship'] ?? []) as { coding?: { system?: unknown; code?: unknown }[] }[];
  return concepts.flatMap(({ coding = [] }) => coding.map(({ system, code }) => `${String(system)}|${String(code)}`));
}

/** R4 Period: both ends inclusive; an end given as a date means all of that day (UTC). Undefined: not to be believed. */
function periodOf(period: unknown): Relation['valid'] | undefined {
  const { start, end } = (period ?? {}) as { start?: unknown; end?: unknown };
  const [from, to] = [start, end].map((edge) => (typeof edge === 'string' ? readDate(edge) : undefined));
  if ((start !== undefined && from === undefined) || (end !== undefined && to === undefined)) return undefined;
  return { from: from?.low ?? Number.NEGATIVE_INFINITY, to: to?.high ?? Number.POSITIVE_INFINITY };
}
