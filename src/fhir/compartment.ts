/**
 * Whose record a resource belongs to: the R4 patient compartment, by the references that the compartment's search parameters
 * stand on. Contained resources speak for their container: a patient named inside is a patient of the whole.
 *
 * @see https://hl7.org/fhir/R4/compartmentdefinition-patient.html
 */
import { patientCompartment } from './definitions.ts';
import { Collection } from './index/collection.ts';
import { indexLeaf, type IndexContext } from './index/values.ts';
import { compilePath, joinVisits, type Visit } from './index/path.ts';
import { searchParam } from './params.ts';
import { localReference } from './reference.ts';
import type { AnyResource } from './types.ts';

export interface Patients {
  /** Id of the patient whose record the resource lives in; undefined outside every patient's compartment. */
  readonly primary?: string;
  /** Ids of further patients it names, without the primary. */
  readonly others: readonly string[];
}

/** R4's compartment definition names `{def}` for the resource that is the compartment's own focus. */
const self = '{def}';

const about = new Set(['patient', 'subject', 'beneficiary']);

const visits = new Map<string, Visit<IndexContext> | undefined>();

/**
 * The patients of a resource: first whom it is about, then the others in the order of the compartment's parameters. A Patient is
 * its own; the other ends of `Patient.link` do not share its record.
 */
export function patientsOf(resource: AnyResource): Patients {
  if (resource.resourceType === 'Patient')
    return { ...(resource.id === undefined ? {} : { primary: resource.id }), others: [] };
  const found = new Set<string>();
  collect(resource, found);
  for (const contained of Array.isArray(resource['contained']) ? resource['contained'] : []) {
    collect(contained as AnyResource, found);
  }
  const [primary, ...others] = found;
  return { ...(primary === undefined ? {} : { primary }), others };
}

export interface Place {
  /** In whose compartment the resource lives; undefined outside of any. */
  readonly patient: string | undefined;
  /** Every other patient it refers to. */
  readonly others: readonly string[];
}

/**
 * The compartment of R4 decides where a resource lives. Beyond it every reference to a Patient counts, wherever it stands
 * (Device.patient, Observation.focus, an extension): all of them must permit (LEAKS 14).
 */
export function placeOf(resource: AnyResource): Place {
  const { primary, others } = patientsOf(resource);
  if (resource.resourceType === 'Patient') return { patient: primary, others: [] };
  const found = new Set(primary === undefined ? others : [primary, ...others]);
  collectPatients(resource, found);
  const [patient, ...rest] = found;
  return { patient, others: rest };
}

function collectPatients(value: object, found: Set<string>): void {
  for (const child of Object.values(value) as unknown[]) {
    if (typeof child !== 'object' || child === null) continue;
    const reference = localReference(child);
    if (reference?.type === 'Patient') found.add(reference.id);
    collectPatients(child, found);
  }
}

function collect(resource: AnyResource, found: Set<string>): void {
  const type = resource.resourceType;
  if (!visits.has(type)) visits.set(type, compileCompartment(type));
  const collection = new Collection();
  visits.get(type)?.(resource, { root: resource, entries: collection });
  for (const entry of collection.entries) {
    // An absolute URL is another server's patient, unless the caller made it relative before.
    if (entry.kind === 'reference' && entry.type === 'Patient' && entry.url === undefined)
      found.add(entry.id as string);
  }
}

function compileCompartment(type: string): Visit<IndexContext> | undefined {
  const codes = (patientCompartment()[type] ?? []).filter((code) => code !== self);
  // Whom it is about comes before who wrote, pays or receives it: a Coverage is the beneficiary's, not the policy holder's.
  codes.sort((a, b) => Number(about.has(b)) - Number(about.has(a)));
  const compiled = codes.map((code) => {
    const expression = searchParam(type, code)?.expression;
    return expression === undefined
      ? undefined
      : compilePath<IndexContext>(expression, type, type, (valueType) =>
          indexLeaf(code, 'reference', valueType, undefined),
        );
  });
  return joinVisits(compiled.filter((visit) => visit !== undefined));
}
