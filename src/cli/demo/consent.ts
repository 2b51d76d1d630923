/** The Consents that the patient of the demo gives, in the shape the portal writes them. */
import type { AnyResource } from '../../fhir/types.ts';

export interface Grant {
  readonly patient: string;
  readonly recipient: string;
  readonly recipientName: string;
  /** HL7 v3 PurposeOfUse. */
  readonly purpose: string;
  readonly types: readonly string[];
  readonly from: Date;
  readonly until: Date;
}

/** @see https://hl7.org/fhir/R4/consent.html */
export function consentOf(grant: Grant): AnyResource {
  const actor = { reference: grant.recipient, display: grant.recipientName };
  return {
    resourceType: 'Consent',
    status: 'active',
    scope: coded('http://terminology.hl7.org/CodeSystem/consentscope', 'patient-privacy'),
    category: [coded('http://loinc.org', '59284-0')],
    patient: { reference: grant.patient },
    dateTime: grant.from.toISOString(),
    performer: [{ reference: grant.patient }],
    policyRule: coded('http://terminology.hl7.org/CodeSystem/v3-ActCode', 'OPTIN'),
    provision: {
      type: 'permit',
      period: { start: grant.from.toISOString(), end: grant.until.toISOString() },
      actor: [{ role: coded('http://terminology.hl7.org/CodeSystem/v3-ParticipationType', 'IRCP'), reference: actor }],
      purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: grant.purpose }],
      class: grant.types.map((code) => ({ system: 'http://hl7.org/fhir/resource-types', code })),
    },
  };
}

function coded(system: string, code: string): object {
  return { coding: [{ system, code }] };
}
