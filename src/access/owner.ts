/** Who owns what a principal writes, and what it may write at all. Scopes are asked before (scope.ts). */
import { Problem } from '../fhir/problem.ts';
import type { AnyResource } from '../fhir/types.ts';
import { financialTypes } from './minimum.ts';
import { isPayment, type Principal } from './principal.ts';

/**
 * The owner of what this principal writes: its organization, or the patient of their own Consent. From the token, never
 * from the body.
 * @throws Problem forbidden when the principal may not write this resource
 */
export function ownerOf(principal: Principal, resource: AnyResource): string {
  const type = resource.resourceType;
  if (principal.self !== undefined) {
    if (type === 'Consent') return `Patient/${principal.self}`;
    throw new Problem('forbidden', 'a patient writes Consents only');
  }
  if (type === 'Consent') {
    throw new Problem('forbidden', 'only the patient writes a Consent', {
      expression: 'Consent',
      hint: 'Use a token of the patient: purpose_of_use PATRQT, fhirUser the patient, no organization.',
    });
  }
  if (principal.organization === undefined || type === 'AuditEvent') {
    throw new Problem('forbidden', 'the token does not allow to write this type');
  }
  // In force it is an index of everybody's resources, and a code that Consents and scopes may name.
  if (type === 'SearchParameter' && !principal.isOperator) {
    throw new Problem('forbidden', 'only an operator writes a SearchParameter', {
      expression: 'SearchParameter',
      hint: 'Ask for the scope hub/ops beside the one of the type.',
    });
  }
  if (isPayment(principal) && !financialTypes.includes(type)) {
    throw new Problem('forbidden', 'a payment service writes financial resources only');
  }
  return principal.organization;
}
