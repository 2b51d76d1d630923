/**
 * A request for consent: a Consent that a service proposes, with the status R4 has for it. It asks for permits of its own
 * organization alone, for purposes its token has, with an end, a reason in words, and how long copies are kept.
 *
 * @see https://hl7.org/fhir/R4/valueset-consent-state-codes.html proposed: "not yet agreed to by all parties"
 */
import { hash } from 'node:crypto';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import type { AnyResource } from '../../fhir/types.ts';
import { hubExtension } from '../../mapping/values/extensions.ts';
import type { Principal } from '../principal/principal.ts';
import { copyDaysOf, copyExtension } from './copy.ts';
import { isElement, refusal, type Element } from './element.ts';
import { rulesOf, type Rule } from './rules.ts';

export const reasonExtension = hubExtension('consent-request-reason');

/** Of the resource as text: a proposal is a form, not a document. */
const bodyCharsMax = 32_000;
const reasonCharsMax = 500;
const dayMs = 86_400_000;
/** Two years: for longer a service asks again. */
const validMsMax = 731 * dayMs;

export interface ConsentRequest {
  readonly organization: string;
  readonly client: string;
  readonly target: string;
  readonly body: string;
}

/** @throws Problem forbidden who cannot ask; business-rule (422) with the FHIRPath of what cannot be asked */
export function readRequest(consent: AnyResource, principal: Principal, now: number): ConsentRequest {
  const { organization, clientId: client } = principal;
  if (organization === undefined || principal.self !== undefined) {
    throw new Problem('forbidden', 'an organization asks for consent, and its token names it');
  }
  if (consent['status'] !== 'proposed')
    throw refusal('Consent.status', 'a request for consent has the status proposed');
  for (const element of ['performer', 'sourceReference', 'sourceAttachment', 'verification', 'contained', 'text']) {
    if (consent[element] !== undefined) throw refusal(`Consent.${element}`, 'a request for consent does not have this');
  }
  const target = targetOf(consent['patient']);
  requireAskable(rulesOf(consent), principal, now);
  requireReason(consent);
  if (copyDaysOf(consent) === undefined) {
    throw refusal(
      'Consent.extension',
      'a request says how long copies are kept',
      `Add the extension ${copyExtension}.`,
    );
  }
  const { id: _id, meta: _meta, ...proposed } = consent;
  const body = JSON.stringify(proposed);
  if (body.length > bodyCharsMax)
    throw new Problem('too-long', `a request for consent has at most ${bodyCharsMax} characters`);
  return { organization, client, target, body };
}

function requireAskable(rules: readonly Rule[], { organization, purposes }: Principal, now: number): void {
  const at = 'Consent.provision';
  for (const { isDeny, recipient, purposes: asked, valid } of rules) {
    if (isDeny) throw refusal(at, 'a request says what is asked for; exceptions are the patient’s to make');
    if (recipient !== organization)
      throw refusal(`${at}.actor`, 'an organization asks for itself', `Name ${organization}.`);
    if ((asked & ~purposes) !== 0) throw refusal(`${at}.purpose`, 'the token does not have this purpose');
    if (valid.to <= now) throw refusal(`${at}.period.end`, 'the period is over');
    if (valid.to > now + validMsMax) {
      throw refusal(
        `${at}.period.end`,
        'a request is for two years at most',
        'Give the period an end, and ask again then.',
      );
    }
  }
}

/** @see https://hl7.org/fhir/R4/extension-translation.html other languages stand in the primitive's extensions */
function requireReason(consent: AnyResource): void {
  const extensions: unknown = consent['extension'];
  const reasons = Array.isArray(extensions)
    ? extensions.filter((one): one is Element => isElement(one) && one['url'] === reasonExtension)
    : [];
  const [reason] = reasons;
  const text = reason?.['valueString'];
  if (reasons.length !== 1 || typeof text !== 'string' || text.trim() === '') {
    throw refusal(
      'Consent.extension',
      'a request says in words what it is for',
      `Add the extension ${reasonExtension} with a valueString.`,
    );
  }
  if (JSON.stringify(reason).length > reasonCharsMax * 8 || text.length > reasonCharsMax) {
    throw refusal('Consent.extension', `the reason has at most ${reasonCharsMax} characters in each language`);
  }
}

/** Who is asked, as the service knows them. @throws Problem business-rule */
export function targetOf(patient: unknown): string {
  const { reference, identifier } = isElement(patient) ? patient : {};
  if (typeof reference === 'string' && identifier === undefined) {
    const id = /^Patient\/([^/]+)$/.exec(reference)?.[1];
    if (id !== undefined && idPattern.test(id)) return reference;
  }
  const { system, value } = isElement(identifier) ? identifier : {};
  if (
    reference === undefined &&
    typeof system === 'string' &&
    typeof value === 'string' &&
    system !== '' &&
    value !== ''
  ) {
    return identifierTarget({ system, value });
  }
  throw refusal(
    'Consent.patient',
    'a request names its patient by reference or by identifier',
    'Write {"reference": "Patient/x"} or {"identifier": {"system": ..., "value": ...}}.',
  );
}

export function identifierTarget({ system, value }: { readonly system: string; readonly value: string }): string {
  return `identifier:${hash('sha256', JSON.stringify([system, value]))}`;
}
