/**
 * Which references carry labels: a document is as sensitive as what it is made of (a report of its results, a claim of its
 * diagnoses, a prescription of its drug), and a Binary as the document it belongs to. Where a record was made (encounter,
 * episode, patient) does not count: a blood pressure taken at a psychiatric visit is a blood pressure.
 */
import { localReference } from '../reference.ts';
import type { AnyResource } from '../types.ts';

/** By type the elements whose references carry; R4's names. */
export const carriedPaths: Readonly<Record<string, readonly string[]>> = {
  AdverseEvent: ['resultingCondition', 'suspectEntity.instance', 'referenceDocument'],
  Appointment: ['reasonReference', 'basedOn'],
  Binary: ['securityContext'],
  CarePlan: ['addresses', 'activity.reference', 'activity.detail.reasonReference', 'supportingInfo'],
  CareTeam: ['reasonReference'],
  ChargeItem: ['service', 'supportingInformation'],
  Claim: [
    'diagnosis.diagnosisReference',
    'procedure.procedureReference',
    'prescription',
    'originalPrescription',
    'supportingInfo.valueReference',
  ],
  ClaimResponse: ['request'],
  ClinicalImpression: ['problem', 'investigation.item', 'finding.itemReference', 'supportingInfo'],
  Communication: ['reasonReference', 'about', 'payload.contentReference'],
  CommunicationRequest: ['reasonReference', 'about', 'payload.contentReference'],
  Composition: ['section.entry', 'event.detail'],
  Condition: ['evidence.detail', 'stage.assessment'],
  CoverageEligibilityRequest: ['item.diagnosis.diagnosisReference', 'supportingInfo.information'],
  CoverageEligibilityResponse: ['request'],
  DetectedIssue: ['implicated', 'evidence.detail'],
  DeviceRequest: ['reasonReference', 'basedOn'],
  DeviceUseStatement: ['reasonReference', 'basedOn', 'derivedFrom'],
  DiagnosticReport: ['result', 'basedOn', 'imagingStudy', 'media.link'],
  DocumentManifest: ['content', 'related.ref'],
  DocumentReference: ['relatesTo.target', 'context.related'],
  Encounter: ['reasonReference', 'diagnosis.condition'],
  EpisodeOfCare: ['diagnosis.condition'],
  ExplanationOfBenefit: [
    'claim',
    'claimResponse',
    'diagnosis.diagnosisReference',
    'procedure.procedureReference',
    'prescription',
    'originalPrescription',
    'supportingInfo.valueReference',
  ],
  FamilyMemberHistory: ['reasonReference'],
  Goal: ['addresses', 'outcomeReference'],
  GuidanceResponse: ['reasonReference', 'result'],
  ImagingStudy: ['reasonReference', 'basedOn', 'procedureReference'],
  Immunization: ['reasonReference'],
  Invoice: ['lineItem.chargeItemReference'],
  List: ['entry.item'],
  Media: ['basedOn', 'partOf'],
  MedicationAdministration: ['medicationReference', 'request', 'reasonReference', 'supportingInformation'],
  MedicationDispense: ['medicationReference', 'authorizingPrescription'],
  MedicationRequest: ['medicationReference', 'reasonReference', 'basedOn', 'priorPrescription'],
  MedicationStatement: ['medicationReference', 'reasonReference', 'basedOn', 'derivedFrom'],
  Observation: ['hasMember', 'derivedFrom', 'basedOn'],
  PaymentNotice: ['request'],
  PaymentReconciliation: ['request', 'detail.request'],
  Procedure: ['reasonReference', 'report', 'basedOn', 'complicationDetail'],
  QuestionnaireResponse: ['basedOn'],
  RequestGroup: ['reasonReference', 'basedOn', 'action.resource'],
  RiskAssessment: ['condition', 'reasonReference', 'basis'],
  ServiceRequest: ['reasonReference', 'basedOn', 'replaces', 'supportingInfo'],
  Specimen: ['request'],
  SupplyRequest: ['reasonReference'],
  Task: ['focus', 'basedOn', 'reasonReference', 'input.valueReference', 'output.valueReference'],
};

/** Types of rows that may carry labels of others. */
export const carrierTypes: readonly string[] = Object.keys(carriedPaths);

const paths = new Map(
  Object.entries(carriedPaths).map(([type, names]) => [type, names.map((name): readonly string[] => name.split('.'))]),
);

/** `Type/id` of what the resource carries the labels of, each once; contained resources count by themselves. */
export function carriedReferences(resource: AnyResource): string[] {
  const own = paths.get(resource.resourceType);
  if (own === undefined) return [];
  const found = new Set<string>();
  for (const path of own) collect(resource[path[0] as string], path, 1, found);
  return [...found];
}

function collect(value: unknown, path: readonly string[], at: number, found: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) collect(item, path, at, found);
  } else if (at < path.length) {
    collect((value as Record<string, unknown>)[path[at] as string], path, at + 1, found);
  } else {
    const target = localReference(value);
    if (target !== undefined) found.add(`${target.type}/${target.id}`);
  }
}
