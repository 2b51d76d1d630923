/**
 * Where a resource lives and when it happened: the patients it refers to, the bucket of its compartment, and the date by
 * which its type is sorted.
 *
 * @see https://hl7.org/fhir/R4/compartmentdefinition-patient.html
 */
import { Problem } from '../fhir/problem.ts';
import { placeOf as patientsOf } from '../fhir/compartment.ts';
import { formatId, isMintedId, ownBucket } from '../fhir/ids.ts';
import { localReference } from '../fhir/reference.ts';
import type { AnyResource } from '../fhir/types.ts';

/** Parameters that equal the row's `patient` column. */
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

/** The compartment of R4 decides where a resource lives; beyond it every Patient that it names (fhir/compartment.ts). */
export { placeOf as patientsOf, type Place as Patients } from '../fhir/compartment.ts';

/**
 * A new id in the right bucket.
 * @param bytes 16 random bytes
 */
export function mintId(resource: AnyResource, bytes: Uint8Array): string {
  const patient = resource.resourceType === 'Patient' ? undefined : patientsOf(resource).patient;
  const beside = patient ?? documentOf(resource);
  return formatId(bytes, beside === undefined ? undefined : ownBucket(beside));
}

/** Content lies beside its document, by whose row it is protected (binary.ts); where that lies the id of a minted one says. */
function documentOf(resource: AnyResource): string | undefined {
  if (resource.resourceType !== 'Binary') return undefined;
  const context = localReference(resource['securityContext'] ?? {});
  return context?.type === 'DocumentReference' && isMintedId(context.id) ? context.id : undefined;
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

/** Every client-assigned id has a locator row, which also keeps it unique across buckets; a Patient's bucket is its id's. */
export function needsLocator(type: string, id: string): boolean {
  return type !== 'Patient' && !isMintedId(id);
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

/** People, organizations and places: searched by the start of a name, and few beside the records kept of them. */
const directory = new Set(
  'Patient Person RelatedPerson Practitioner PractitionerRole Organization Location HealthcareService Device Medication'.split(
    ' ',
  ),
);

export function isInDirectory(type: string): boolean {
  return directory.has(type);
}

/** Tokens by which clinical rows are searched across patients. Status and category would put every row under one key. */
const keyedTokens = new Set(['identifier', 'code', 'vaccine-code', 'value-concept', 'reason-code', 'accession']);

/**
 * True when a search by this parameter must be served across patients by the `keys` index.
 * References are keyed except to the compartment's patient, whose rows the btree finds.
 */
export function isKeyed(type: string, kind: 'token' | 'reference', param: string): boolean {
  return kind === 'reference' ? !isCompartmentParam(type, param) : directory.has(type) || keyedTokens.has(param);
}

/**
 * The same for one reference: of those a compartment holds, rows that refer to something else than a patient (a Group, a
 * Device) are in no compartment for it, so they are keyed as well.
 */
export function isReferenceKeyed(type: string, param: string, target: { type?: string; url?: string }): boolean {
  if (isKeyed(type, 'reference', param)) return true;
  return target.url === undefined && target.type !== undefined && target.type !== 'Patient';
}
