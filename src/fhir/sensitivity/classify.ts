/**
 * What a resource says that is sensitive: the labels of every code in it, wherever it stands (a reason, a diagnosis, a component,
 * a contained resource, an entry of a document). Codes alone count: a text is no certain sign, and is not read.
 *
 * Measured: see docs/decisions/0027.
 */
import type { AnyResource } from '../types.ts';
import type { Sensitivity } from './sets.ts';

/** What is of nobody, or says what may be seen: their codes are of no record. */
const ofNobody = new Set(
  (
    'ActivityDefinition AuditEvent CapabilityStatement CodeSystem CompartmentDefinition ConceptMap Consent ' +
    'ImplementationGuide Library Measure NamingSystem OperationDefinition PlanDefinition Questionnaire SearchParameter ' +
    'StructureDefinition StructureMap ValueSet'
  ).split(' '),
);

/** Elements that hold a diagnosis whatever the type; of a Condition it is the code. */
const diagnoses = new Set(['reasonCode', 'diagnosisCodeableConcept']);

export function sensitivityOf(resource: AnyResource, sets: Sensitivity): number {
  return ofNobody.has(resource.resourceType) ? 0 : walk(resource, sets, false);
}

interface Node {
  readonly resourceType?: unknown;
  readonly system?: unknown;
  readonly code?: unknown;
  readonly [name: string]: unknown;
}

/** @param isDiagnosis inside of an element whose codes need no system */
function walk(value: object, sets: Sensitivity, isDiagnosis: boolean): number {
  let bits = 0;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) {
      if (typeof item === 'object' && item !== null) bits |= walk(item, sets, isDiagnosis);
    }
    return bits;
  }
  const node = value as Node;
  const { code, system } = node;
  if (typeof code === 'string') {
    if (typeof system === 'string') bits |= sets.bitsOf(system, code);
    else if (isDiagnosis) bits |= sets.bitsOfUnnamed(code);
  }
  for (const name in node) {
    const held = node[name];
    if (typeof held !== 'object' || held === null || name === 'meta' || name === 'text') continue;
    const isOne = isDiagnosis || diagnoses.has(name) || (name === 'code' && node.resourceType === 'Condition');
    bits |= walk(held, sets, isOne);
  }
  return bits;
}
