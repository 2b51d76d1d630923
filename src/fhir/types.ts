/**
 * fhir/ is the vocabulary: what R4 defines and every room speaks. Pure data and functions; it knows no
 * database, no socket and no caller.
 */
import type { Resource, ResourceType } from '@medplum/fhirtypes';
export type { Resource, ResourceType };

/** A resource whose type is known only at run time. Numbers may be raw (see json.ts). */
export interface AnyResource {
  resourceType: string;
  id?: string;
  meta?: {
    versionId?: string;
    lastUpdated?: string;
    source?: string;
    tag?: unknown[];
    security?: unknown[];
    profile?: string[];
  };
  [element: string]: unknown;
}

/**
 * The 146 resource types of R4 (4.0.1), in alphabetical order. The position + 1 is the number a type has in the
 * database, so this list is append-only.
 * @see https://hl7.org/fhir/R4/resourcelist.html
 */
export const resourceTypes: readonly string[] = (
  'Account ActivityDefinition AdverseEvent AllergyIntolerance Appointment AppointmentResponse AuditEvent Basic Binary ' +
  'BiologicallyDerivedProduct BodyStructure Bundle CapabilityStatement CarePlan CareTeam CatalogEntry ChargeItem ' +
  'ChargeItemDefinition Claim ClaimResponse ClinicalImpression CodeSystem Communication CommunicationRequest ' +
  'CompartmentDefinition Composition ConceptMap Condition Consent Contract Coverage CoverageEligibilityRequest ' +
  'CoverageEligibilityResponse DetectedIssue Device DeviceDefinition DeviceMetric DeviceRequest DeviceUseStatement ' +
  'DiagnosticReport DocumentManifest DocumentReference EffectEvidenceSynthesis Encounter Endpoint EnrollmentRequest ' +
  'EnrollmentResponse EpisodeOfCare EventDefinition Evidence EvidenceVariable ExampleScenario ExplanationOfBenefit ' +
  'FamilyMemberHistory Flag Goal GraphDefinition Group GuidanceResponse HealthcareService ImagingStudy Immunization ' +
  'ImmunizationEvaluation ImmunizationRecommendation ImplementationGuide InsurancePlan Invoice Library Linkage List ' +
  'Location Measure MeasureReport Media Medication MedicationAdministration MedicationDispense MedicationKnowledge ' +
  'MedicationRequest MedicationStatement MedicinalProduct MedicinalProductAuthorization ' +
  'MedicinalProductContraindication MedicinalProductIndication MedicinalProductIngredient ' +
  'MedicinalProductInteraction MedicinalProductManufactured MedicinalProductPackaged ' +
  'MedicinalProductPharmaceutical MedicinalProductUndesirableEffect MessageDefinition MessageHeader ' +
  'MolecularSequence NamingSystem NutritionOrder Observation ObservationDefinition OperationDefinition ' +
  'OperationOutcome Organization OrganizationAffiliation Parameters Patient PaymentNotice PaymentReconciliation ' +
  'Person PlanDefinition Practitioner PractitionerRole Procedure Provenance Questionnaire QuestionnaireResponse ' +
  'RelatedPerson RequestGroup ResearchDefinition ResearchElementDefinition ResearchStudy ResearchSubject ' +
  'RiskAssessment RiskEvidenceSynthesis Schedule SearchParameter ServiceRequest Slot Specimen SpecimenDefinition ' +
  'StructureDefinition StructureMap Subscription Substance SubstanceNucleicAcid SubstancePolymer SubstanceProtein ' +
  'SubstanceReferenceInformation SubstanceSourceMaterial SubstanceSpecification SupplyDelivery SupplyRequest Task ' +
  'TerminologyCapabilities TestReport TestScript ValueSet VerificationResult VisionPrescription'
).split(' ');

const codes = new Map(resourceTypes.map((type, index) => [type, index + 1]));

/** The number a resource type has in the database; undefined for a name R4 does not know. */
export function typeCode(type: string): number | undefined {
  return codes.get(type);
}

/** @throws RangeError for a number no type has: a corrupt row, not a caller's mistake. */
export function typeName(code: number): string {
  const name = resourceTypes[code - 1];
  if (name === undefined) throw new RangeError(`no resource type has the number ${code}`);
  return name;
}
