/**
 * Types that a source may bring. Left out is what would change how the hub itself works, whoever sent it: search parameters, profiles and
 * terminology are an operator's, consents the patient's, audit events and subscriptions the hub's.
 */
import { resourceTypes } from '../../src/fhir/types.ts';

const kept = new Set(
  (
    'ActivityDefinition AuditEvent CapabilityStatement CatalogEntry CodeSystem CompartmentDefinition ConceptMap Consent ' +
    'EventDefinition ExampleScenario GraphDefinition ImplementationGuide Library MessageDefinition MessageHeader NamingSystem ' +
    'OperationDefinition OperationOutcome Parameters SearchParameter StructureDefinition StructureMap Subscription ' +
    'TerminologyCapabilities TestReport TestScript ValueSet'
  ).split(' '),
);

export function isTakenType(type: string): boolean {
  return resourceTypes.includes(type) && !kept.has(type);
}

/** Read one by one, never searched: a pull does not ask for them by themselves. */
const unsearched = new Set(['Binary', 'Bundle']);

/** First what others refer to, so that a record is complete sooner; the rest by name. */
const early = ['Patient', 'Organization', 'Location', 'Practitioner', 'PractitionerRole', 'RelatedPerson', 'Encounter'];

/** The types to pull, of those that a source says it searches. @param inR4 what R4 calls a type of the source's release */
export function pulledTypes(searched: readonly string[], inR4: (type: string) => string = (type) => type): string[] {
  const types = [...new Set(searched)].filter((type) => isTakenType(inR4(type)) && !unsearched.has(type));
  const rank = (type: string): number => (early.includes(type) ? early.indexOf(type) : early.length);
  return types.toSorted((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
