/** Who owns what a principal writes, and what it may write at all. Scopes are asked before (principal/scope.ts). */
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { createdType, creatorOf } from './creator.ts';
import { financialTypes } from './minimum.ts';
import { isPayment, type Principal } from '../principal/principal.ts';

/**
 * The owner of what this principal writes: its organization, the patient of their own Consent, or of a
 * Subscription the caller. From the token, never
 * from the body.
 * @throws Problem forbidden when the principal may not write this resource
 */
export function ownerOf(principal: Principal, resource: AnyResource): string {
  const type = resource.resourceType;
  if (type === createdType) return creatorOf(principal);
  if (principal.self !== undefined) {
    if (type === 'Consent') return `Patient/${principal.self}`;
    throw new Problem('forbidden', 'a patient writes Consents and Subscriptions only');
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
  // Of Tasks it answers those that ask it to delete copies, and writes none: erasure/answer.ts.
  if (isPayment(principal) && !financialTypes.includes(type) && type !== 'Task') throw financialOnly();
  return principal.organization;
}

export function financialOnly(): Problem {
  return new Problem('forbidden', 'a payment service writes financial resources only');
}
