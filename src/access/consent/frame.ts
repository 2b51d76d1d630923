/**
 * What a Consent says beside its provision: whether it is a privacy consent, whether it was verified, under which policy. All
 * else at its root is carried as it was written and changes no rule; docs/consent.md has every element.
 *
 * @see https://hl7.org/fhir/R4/consent-definitions.html
 */
import type { AnyResource } from '../../fhir/types.ts';
import { codingsOf, isElement, refusal } from './element.ts';

const statuses = new Set(['draft', 'proposed', 'active', 'rejected', 'inactive', 'entered-in-error']);
const scopeSystem = 'http://terminology.hl7.org/CodeSystem/consentscope';
const policySystem = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';

/** @throws Problem business-rule (422) for a status that is none */
export function statusOf(consent: AnyResource): string {
  const status = String(consent['status']);
  if (!statuses.has(status)) throw refusal('Consent.status', 'not a status of a Consent');
  return status;
}

/** @throws Problem business-rule (422) for what would change what the Consent means */
export function checkFrame(consent: AnyResource): void {
  for (const element of ['modifierExtension', 'implicitRules']) {
    if (consent[element] !== undefined) {
      throw refusal(`Consent.${element}`, `${element} can change what the Consent means and cannot be enforced`);
    }
  }
  if (!codingsOf(consent['scope']).some(({ system, code }) => system === scopeSystem && code === 'patient-privacy')) {
    throw refusal(
      'Consent.scope',
      'only privacy consents are enforced',
      `Use the coding ${scopeSystem}|patient-privacy.`,
    );
  }
  requireVerified(consent['verification']);
}

/**
 * Verified or not is the state of the whole Consent, and one that was not must not open anything. Who asks for no verification
 * leaves the element away.
 */
function requireVerified(verification: unknown): void {
  if (!Array.isArray(verification)) return;
  const index = verification.findIndex((one) => isElement(one) && one['verified'] !== true);
  if (index < 0) return;
  throw refusal(
    `Consent.verification[${index}].verified`,
    'a Consent that is not verified cannot be active',
    'Write it as proposed, and as active once it is verified.',
  );
}

/** @throws Problem business-rule (422) when the policy says that nothing is shared and the provision permits */
export function checkPolicy(consent: AnyResource, hasPermits: boolean): void {
  const isOptOut = codingsOf(consent['policyRule']).some(
    ({ system, code }) => system === policySystem && code === 'OPTOUT',
  );
  if (!isOptOut || !hasPermits) return;
  throw refusal(
    'Consent.policyRule',
    'the policy is to share nothing, and the provision permits',
    'OPTOUTE is an opt-out with exceptions, OPTIN an opt-in.',
  );
}
