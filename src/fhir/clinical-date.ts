/**
 * When what a resource tells of happened: the hull of its clinically relevant dates. Consent that covers a data period, and
 * the order of a patient's history, go by this. Undated resources are outside every data period.
 */
import { periodInterval, readDate, timingInterval } from './dates.ts';
import type { AnyResource } from './types.ts';

export interface ClinicalPeriod {
  /** Epoch milliseconds, inclusive; -Infinity for an open start. */
  readonly from: number;
  /** Exclusive; Infinity for an open end (still going on). */
  readonly to: number;
}

/**
 * The elements that date each type, after FHIR R4's FiveWs.done[x] and FiveWs.recorded mappings: what was done first, when it
 * was recorded only where nothing says when it was done. Groups are tried in order; the first with a date counts, whole.
 * @see https://hl7.org/fhir/R4/fivews.html
 */
const elements: Record<string, readonly (readonly string[])[]> = {
  Account: [['servicePeriod']],
  AdverseEvent: [['date', 'detected'], ['recordedDate']],
  AllergyIntolerance: [['onsetDateTime', 'onsetPeriod', 'lastOccurrence'], ['recordedDate']],
  Appointment: [['start', 'end', 'requestedPeriod'], ['created']],
  AppointmentResponse: [['start', 'end']],
  AuditEvent: [['recorded']],
  Basic: [['created']],
  CarePlan: [['period'], ['created']],
  CareTeam: [['period']],
  ChargeItem: [['occurrenceDateTime', 'occurrencePeriod', 'occurrenceTiming'], ['enteredDate']],
  Claim: [['billablePeriod'], ['created']],
  ClaimResponse: [['created']],
  ClinicalImpression: [['effectiveDateTime', 'effectivePeriod'], ['date']],
  Communication: [['sent', 'received']],
  CommunicationRequest: [['occurrenceDateTime', 'occurrencePeriod'], ['authoredOn']],
  Composition: [['date']],
  Condition: [['onsetDateTime', 'onsetPeriod', 'abatementDateTime', 'abatementPeriod'], ['recordedDate']],
  Consent: [['dateTime']],
  Contract: [['applies'], ['issued']],
  Coverage: [['period']],
  CoverageEligibilityRequest: [['servicedDate', 'servicedPeriod'], ['created']],
  CoverageEligibilityResponse: [['servicedDate', 'servicedPeriod'], ['created']],
  DetectedIssue: [['identifiedDateTime', 'identifiedPeriod']],
  DeviceRequest: [['occurrenceDateTime', 'occurrencePeriod', 'occurrenceTiming'], ['authoredOn']],
  DeviceUseStatement: [['timingDateTime', 'timingPeriod', 'timingTiming'], ['recordedOn']],
  DiagnosticReport: [['effectiveDateTime', 'effectivePeriod'], ['issued']],
  DocumentManifest: [['created']],
  DocumentReference: [['date']],
  Encounter: [['period']],
  EnrollmentRequest: [['created']],
  EpisodeOfCare: [['period']],
  ExplanationOfBenefit: [['billablePeriod'], ['created']],
  FamilyMemberHistory: [['date']],
  Flag: [['period']],
  Goal: [['startDate'], ['statusDate']],
  GuidanceResponse: [['occurrenceDateTime']],
  ImagingStudy: [['started']],
  Immunization: [['occurrenceDateTime'], ['recorded']],
  ImmunizationEvaluation: [['date']],
  ImmunizationRecommendation: [['date']],
  Invoice: [['date']],
  List: [['date']],
  MeasureReport: [['period'], ['date']],
  Media: [['createdDateTime', 'createdPeriod'], ['issued']],
  MedicationAdministration: [['effectiveDateTime', 'effectivePeriod']],
  MedicationDispense: [['whenPrepared', 'whenHandedOver']],
  MedicationRequest: [['authoredOn']],
  MedicationStatement: [['effectiveDateTime', 'effectivePeriod'], ['dateAsserted']],
  NutritionOrder: [['dateTime']],
  Observation: [['effectiveDateTime', 'effectivePeriod', 'effectiveTiming', 'effectiveInstant'], ['issued']],
  Procedure: [['performedDateTime', 'performedPeriod']],
  Provenance: [['occurredDateTime', 'occurredPeriod'], ['recorded']],
  QuestionnaireResponse: [['authored']],
  RequestGroup: [['authoredOn']],
  ResearchSubject: [['period']],
  RiskAssessment: [['occurrenceDateTime', 'occurrencePeriod']],
  Schedule: [['planningHorizon']],
  ServiceRequest: [['occurrenceDateTime', 'occurrencePeriod', 'occurrenceTiming'], ['authoredOn']],
  Specimen: [['collection.collectedDateTime', 'collection.collectedPeriod'], ['receivedTime']],
  SupplyDelivery: [['occurrenceDateTime', 'occurrencePeriod', 'occurrenceTiming']],
  SupplyRequest: [['occurrenceDateTime', 'occurrencePeriod', 'occurrenceTiming'], ['authoredOn']],
  Task: [['executionPeriod'], ['authoredOn']],
  VisionPrescription: [['dateWritten'], ['created']],
};

/** undefined when nothing in the resource says when. */
export function clinicalPeriod(resource: AnyResource): ClinicalPeriod | undefined {
  for (const group of elements[resource.resourceType] ?? []) {
    let hull: ClinicalPeriod | undefined;
    for (const path of group) {
      const found = intervalOf(valueAt(resource, path));
      if (found === undefined) continue;
      hull =
        hull === undefined
          ? { from: found.low, to: found.high }
          : { from: Math.min(hull.from, found.low), to: Math.max(hull.to, found.high) };
    }
    if (hull !== undefined) return hull;
  }
  return undefined;
}

function valueAt(resource: AnyResource, path: string): unknown {
  let value: unknown = resource;
  for (const name of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[name];
  return value;
}

function intervalOf(value: unknown): { low: number; high: number } | undefined {
  if (typeof value === 'string') return readDate(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const timed = value as { event?: unknown; repeat?: unknown };
  return timed.event !== undefined || timed.repeat !== undefined ? timingInterval(timed) : periodInterval(value);
}
