/**
 * The minimum: what never leaves to third parties, and what a payment service gets of the rest.
 *
 * @see https://www.hl7.org/fhir/R4/security.html#narrative
 */
import { parseJson } from '../../fhir/json.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { isPayment, type Principal } from '../principal/principal.ts';

/** What payment (HPAYMT) may be granted, beside the minimal Patient. */
export const financialTypes: readonly string[] = [
  'Account',
  'ChargeItem',
  'Claim',
  'ClaimResponse',
  'Coverage',
  'CoverageEligibilityRequest',
  'CoverageEligibilityResponse',
  'EnrollmentRequest',
  'EnrollmentResponse',
  'ExplanationOfBenefit',
  'Invoice',
  'PaymentNotice',
  'PaymentReconciliation',
];

/**
 * No Consent opens these: they speak of the access itself (AuditEvent, Consent, Provenance, Subscription), of several
 * people at once (Group, List, Linkage, Person, Bundle), or are content without a label of its own (Binary, Basic,
 * Parameters). Their source and, in their compartment, the patient read them; a Binary is also read by whom the document
 * may be read that is its security context (store/binary.ts).
 */
export const neverByConsent: readonly string[] = [
  'AuditEvent',
  'Basic',
  'Binary',
  'Bundle',
  'Consent',
  'Group',
  'Linkage',
  'List',
  'MeasureReport',
  'Parameters',
  'Person',
  'Provenance',
  'Subscription',
];

/** Enough to tell which insured person a bill is for. */
const minimalPatientElements = ['identifier', 'name', 'birthDate', 'gender'] as const;

/** Search parameters that ask for nothing beyond those elements; a filter on a trimmed element would tell its value. */
const minimalPatientParams = new Set([
  '_id',
  '_lastUpdated',
  '_type',
  'identifier',
  'name',
  'family',
  'given',
  'birthdate',
  'gender',
]);

const subsetted = { system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue', code: 'SUBSETTED' };

/** True when this principal may filter or sort rows of the type by the parameter, in a search or at any step of a chain. */
export function mayFilter(principal: Principal, type: string, param: string): boolean {
  return type !== 'Patient' || !isPayment(principal) || minimalPatientParams.has(param);
}

/** True when {@link project} would change bodies of this type; lets the hot path send the stored text as it is. */
export function isProjected(principal: Principal, type: string): boolean {
  return type === 'Patient' && isPayment(principal);
}

/** The body as this principal gets it: a Patient for payment is the minimal one, tagged SUBSETTED, without narrative. */
export function project(principal: Principal, body: string): string {
  if (!isPayment(principal)) return body;
  const resource = parseJson(body) as AnyResource;
  return resource.resourceType === 'Patient' ? JSON.stringify(minimalPatient(resource)) : body;
}

/** @see https://hl7.org/fhir/R4/search.html#elements the tag SUBSETTED says that the content is incomplete */
export function minimalPatient(patient: AnyResource): AnyResource {
  const { versionId, lastUpdated } = patient.meta ?? {};
  const minimal: AnyResource = {
    resourceType: 'Patient',
    id: patient.id,
    meta: { versionId, lastUpdated, tag: [subsetted] },
  };
  for (const element of minimalPatientElements) {
    if (patient[element] !== undefined) minimal[element] = withoutExtensions(patient[element]);
  }
  return minimal;
}

/** Extensions may carry anything, also inside identifier and name. */
function withoutExtensions(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutExtensions);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'extension' && !name.startsWith('_'))
      .map(([name, inner]) => [name, withoutExtensions(inner)]),
  );
}
