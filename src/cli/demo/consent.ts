/** The Consents that the patient of the demo gives, in the shape the portal writes them. */
import { copyExtension } from '../../access/consent/copy.ts';
import { reasonExtension } from '../../access/consent/request.ts';
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

/** The same, asked for by its recipient: in words, and with the days that copies are kept. */
export function requestOf(grant: Grant): AnyResource {
  const { performer: _performer, ...consent } = consentOf(grant);
  const translated = (lang: string, content: string): object => ({
    url: 'http://hl7.org/fhir/StructureDefinition/translation',
    extension: [
      { url: 'lang', valueCode: lang },
      { url: 'content', valueString: content },
    ],
  });
  return {
    ...consent,
    resourceType: 'Consent',
    status: 'proposed',
    extension: [
      {
        url: reasonExtension,
        valueString: 'We study how diabetes develops over years. Your name is not published.',
        _valueString: {
          extension: [
            translated('zh', '我们研究糖尿病多年的发展过程，不会公开您的姓名。'),
            translated(
              'de',
              'Wir untersuchen, wie sich Diabetes über Jahre entwickelt. Ihr Name wird nicht veröffentlicht.',
            ),
          ],
        },
      },
      {
        url: copyExtension,
        valueDuration: { value: 90, unit: 'days', system: 'http://unitsofmeasure.org', code: 'd' },
      },
    ],
  };
}

function coded(system: string, code: string): object {
  return { coding: [{ system, code }] };
}
