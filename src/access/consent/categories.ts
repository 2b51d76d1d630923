/** Kinds of records as a patient thinks of them, each some resource types. The portal offers the same. */
export const categories: Readonly<Record<string, readonly string[]>> = {
  results: ['Observation', 'DiagnosticReport', 'ServiceRequest', 'Specimen'],
  diagnoses: ['Condition'],
  visits: ['Encounter'],
  allergies: ['AllergyIntolerance'],
  medicines: ['MedicationRequest', 'MedicationStatement', 'MedicationDispense', 'MedicationAdministration'],
  procedures: ['Procedure', 'Immunization'],
  insurance: ['Coverage', 'Claim', 'ClaimResponse', 'ExplanationOfBenefit', 'ChargeItem', 'Invoice'],
  person: ['Patient', 'RelatedPerson'],
};

/** Whole categories where all of their types are named, and the types that are left. */
export function categorized(types: readonly string[]): {
  readonly categories: readonly string[];
  readonly types: readonly string[];
} {
  const whole = Object.entries(categories).filter(([, members]) => members.every((type) => types.includes(type)));
  const covered = new Set(whole.flatMap(([, members]) => members));
  return { categories: whole.map(([key]) => key), types: types.filter((type) => !covered.has(type)) };
}
