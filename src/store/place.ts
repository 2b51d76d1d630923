/**
 * Where a resource lives and when it happened: the patients it refers to, the bucket of its compartment, and the date by
 * which its type is sorted.
 *
 * @see https://hl7.org/fhir/R4/compartmentdefinition-patient.html
 */
import { Problem } from '../fhir/problem.ts';
import { formatId, isMintedId, ownBucket } from '../fhir/ids.ts';
import type { AnyResource } from '../fhir/types.ts';

/** Elements that say whose record a resource is, in the order in which they decide. */
const mainElements = ['subject', 'patient', 'beneficiary', 'individual', 'for'];

/** Their search parameters, where they equal the row's `patient`. */
const compartmentParams = new Set(['patient', 'subject', 'beneficiary', 'individual']);
/** Types whose `patient` or `subject` repeats or is another element: their rows are found by token alone. */
const manyPatients = new Set(
  'Account Appointment AppointmentResponse AuditEvent Basic Group List Person Provenance Schedule SupplyRequest'.split(
    ' ',
  ),
);

/** True when `param=Patient/x` implies that the row lives in the compartment of x: the search then walks one btree prefix. */
export function isCompartmentParam(type: string, param: string): boolean {
  return compartmentParams.has(param) && !manyPatients.has(type);
}

const patientReference = /^Patient\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/.*)?$/;

/** The id in a literal relative reference to a Patient. */
export function patientIdOf(reference: unknown): string | undefined {
  return typeof reference === 'string' ? patientReference.exec(reference)?.[1] : undefined;
}

export interface Patients {
  /** In whose compartment the resource lives; undefined outside of any. */
  readonly patient: string | undefined;
  /** Every other patient it refers to, wherever the reference stands, contained resources included. */
  readonly others: readonly string[];
}

/** A Patient is in its own compartment. */
export function patientsOf(resource: AnyResource, id: string): Patients {
  const found = new Set<string>();
  if (resource.resourceType === 'Patient') found.add(id);
  for (const element of mainElements) {
    const value = resource[element];
    const patient =
      typeof value === 'object' && value !== null && 'reference' in value ? patientIdOf(value.reference) : undefined;
    if (patient !== undefined) found.add(patient);
  }
  collectPatients(resource, found);
  const [patient, ...others] = found;
  return { patient, others };
}

function collectPatients(value: object, found: Set<string>): void {
  for (const [name, child] of Object.entries(value)) {
    if (name === 'reference') {
      const patient = patientIdOf(child);
      if (patient !== undefined) found.add(patient);
    } else if (typeof child === 'object' && child !== null) collectPatients(child, found);
  }
}

/**
 * A new id in the right bucket.
 * @param bytes 16 random bytes
 */
export function mintId(resource: AnyResource, bytes: Uint8Array): string {
  const { patient } = resource.resourceType === 'Patient' ? {} : patientsOf(resource, '');
  return formatId(bytes, patient === undefined ? undefined : ownBucket(patient));
}

/**
 * The bucket of a new row.
 * @throws Problem business-rule for a minted id that does not lie in the patient's compartment
 */
export function bucketOf(type: string, id: string, patient: string | undefined): number {
  const own = ownBucket(id);
  if (type === 'Patient' || patient === undefined) return own;
  const bucket = ownBucket(patient);
  if (isMintedId(id) && own !== bucket) {
    throw new Problem('business-rule', 'the id belongs to another compartment', {
      hint: 'Create the resource with POST, or choose an id that is not a version-8 UUID.',
    });
  }
  return bucket;
}

/** True when the row's place does not follow from its id, so that a locator row must say it. */
export function needsLocator(type: string, id: string, bucket: number): boolean {
  return type !== 'Patient' && ownBucket(id) !== bucket;
}

/** The search parameter by which a type is sorted and dated; types without one are undated. */
const mainDates: Readonly<Record<string, string>> = {
  Account: 'period',
  AdverseEvent: 'date',
  AllergyIntolerance: 'date',
  Appointment: 'date',
  AuditEvent: 'date',
  Basic: 'created',
  CarePlan: 'date',
  CareTeam: 'date',
  ChargeItem: 'occurrence',
  Claim: 'created',
  ClaimResponse: 'created',
  ClinicalImpression: 'date',
  Communication: 'sent',
  CommunicationRequest: 'authored',
  Composition: 'date',
  Condition: 'onset-date',
  Consent: 'date',
  CoverageEligibilityRequest: 'created',
  CoverageEligibilityResponse: 'created',
  DetectedIssue: 'identified',
  DeviceRequest: 'authored-on',
  DiagnosticReport: 'date',
  DocumentManifest: 'created',
  DocumentReference: 'date',
  Encounter: 'date',
  EpisodeOfCare: 'date',
  ExplanationOfBenefit: 'created',
  FamilyMemberHistory: 'date',
  Flag: 'date',
  Goal: 'start-date',
  ImagingStudy: 'started',
  Immunization: 'date',
  ImmunizationEvaluation: 'date',
  ImmunizationRecommendation: 'date',
  Invoice: 'date',
  List: 'date',
  MeasureReport: 'date',
  Media: 'created',
  MedicationAdministration: 'effective-time',
  MedicationDispense: 'whenhandedover',
  MedicationRequest: 'authoredon',
  MedicationStatement: 'effective',
  NutritionOrder: 'datetime',
  Observation: 'date',
  Patient: 'birthdate',
  Person: 'birthdate',
  Procedure: 'date',
  Provenance: 'recorded',
  QuestionnaireResponse: 'authored',
  RelatedPerson: 'birthdate',
  RequestGroup: 'authored',
  ResearchSubject: 'date',
  RiskAssessment: 'date',
  Schedule: 'date',
  ServiceRequest: 'authored',
  Specimen: 'collected',
  SupplyRequest: 'date',
  Task: 'authored-on',
  VisionPrescription: 'datewritten',
};

export function mainDateOf(type: string): string | undefined {
  return mainDates[type];
}

/** A birth date sorts people; it says nothing of when care was given. */
export function isClinicalDate(param: string): boolean {
  return param !== 'birthdate';
}
