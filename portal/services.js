/**
 * What a patient can choose from and what it means in FHIR: the services this hub offers, purposes, categories. Data of
 * the installation; a service that is missing here can still be named by its identifier.
 */

/** @typedef {'zh' | 'en' | 'de'} Language */

/** @type {{ reference: string, name: Record<Language, string>, purpose: string }[]} */
export const services = [
  {
    reference: 'Organization/ai-health-manager',
    name: { zh: 'AI 健康管家', en: 'AI health manager', de: 'KI-Gesundheitsassistent' },
    purpose: 'TREAT',
  },
  {
    reference: 'Organization/payment-service',
    name: { zh: '医保结算服务', en: 'Insurance payment service', de: 'Abrechnungsdienst der Krankenkasse' },
    purpose: 'HPAYMT',
  },
];

/** HL7 v3 PurposeOfUse codes offered here; the words are in texts.js. */
export const purposes = ['TREAT', 'HPAYMT', 'HRESCH'];

/** Categories in plain words (texts.js) and the resource types each opens. */
export const categories = [
  { key: 'results', types: ['Observation', 'DiagnosticReport', 'ServiceRequest', 'Specimen'] },
  { key: 'diagnoses', types: ['Condition'] },
  { key: 'visits', types: ['Encounter'] },
  { key: 'allergies', types: ['AllergyIntolerance'] },
  {
    key: 'medicines',
    types: ['MedicationRequest', 'MedicationStatement', 'MedicationDispense', 'MedicationAdministration'],
  },
  { key: 'procedures', types: ['Procedure', 'Immunization'] },
  { key: 'insurance', types: ['Coverage', 'Claim', 'ClaimResponse', 'ExplanationOfBenefit', 'ChargeItem', 'Invoice'] },
  { key: 'person', types: ['Patient', 'RelatedPerson'] },
];

/** The hub gives a payment service nothing beyond these, whatever a consent says; so nothing else is offered. */
export const paymentCategories = ['insurance', 'person'];
