/** What a message is built from: a Bundle whose references are followed within it, and nowhere else. */
import type { Appointment, Location, Patient, Reference, Resource } from '@medplum/fhirtypes';
import { Problem } from '../../fhir/problem.ts';
import { parseJson } from '../../fhir/json.ts';
import { readReference } from '../../fhir/reference.ts';

/** A resource of the type by name. */
export type Named<T extends string> = Extract<Resource, { resourceType: T }>;

export interface Source {
  readonly resources: readonly Resource[];
  /** All of a type, in the Bundle's order. */
  all<T extends string>(type: T): readonly Named<T>[];
  /** The one resource of this type that the message is about. @throws Problem required, multiple-matches */
  only<T extends string>(type: T): Named<T>;
  /** What a reference points to within the Bundle (or within `holder`); undefined for what is not there. */
  find<T extends string>(reference: Reference | undefined, type: T, holder?: Resource): Named<T> | undefined;
}

/**
 * @param text a FHIR Bundle, or the one resource
 * @throws Problem structure for what is neither
 */
export function readSource(text: string): Source {
  const body = parseJson(text) as { resourceType?: unknown; entry?: unknown };
  if (typeof body?.resourceType !== 'string') {
    throw new Problem('structure', 'this is no FHIR resource', {
      hint: 'Send a Bundle with what the message is about.',
    });
  }
  if (body.resourceType !== 'Bundle') return sourceOf([{ resource: body as unknown as Resource }]);
  if (!Array.isArray(body.entry)) throw new Problem('required', 'the Bundle is empty', { expression: 'Bundle.entry' });
  return sourceOf(body.entry as readonly Entry[]);
}

export interface Entry {
  readonly fullUrl?: string;
  readonly resource?: Resource;
}

export function sourceOf(entries: readonly Entry[]): Source {
  const resources = entries.flatMap(({ resource }) => (resource === undefined ? [] : [resource]));
  const byUrl = new Map<string, Resource>();
  for (const { fullUrl, resource } of entries) {
    if (resource === undefined) continue;
    if (resource.id !== undefined) byUrl.set(`${resource.resourceType}/${resource.id}`, resource);
    if (fullUrl !== undefined) byUrl.set(fullUrl, resource);
  }
  const all = <T extends string>(type: T): Named<T>[] =>
    resources.filter((resource): resource is Named<T> => resource.resourceType === type);
  return {
    resources,
    all,
    only: <T extends string>(type: T) => {
      const found = all(type);
      const [first] = found;
      if (first === undefined) throw new Problem('required', `the message needs the resource ${type}`);
      if (found.length > 1) {
        throw new Problem('multiple-matches', `the Bundle has more than one ${type}`, {
          hint: 'One message, one Bundle.',
        });
      }
      return first;
    },
    find: <T extends string>(reference: Reference | undefined, type: T, holder?: Resource) => {
      const target = lookUp(reference?.reference, byUrl, holder);
      return target?.resourceType === type ? (target as Named<T>) : undefined;
    },
  };
}

function lookUp(text: string | undefined, byUrl: Map<string, Resource>, holder?: Resource): Resource | undefined {
  if (text === undefined) return undefined;
  const parsed = readReference(text);
  if (parsed?.fragment !== undefined) {
    const contained = (holder as { contained?: readonly Resource[] } | undefined)?.contained;
    return contained?.find(({ id }) => id === parsed.fragment);
  }
  return byUrl.get(text) ?? (parsed?.type === undefined ? undefined : byUrl.get(`${parsed.type}/${parsed.id}`));
}

/** The patient of an appointment: the participant that is one. */
export function patientOf(source: Source, appointment: Appointment): Patient | undefined {
  for (const { actor } of appointment.participant) {
    const patient = source.find(actor, 'Patient', appointment);
    if (patient !== undefined) return patient;
  }
  return undefined;
}

/** A Location and those it is part of, from the narrowest. Bounded: a ring of references is a mistake, not a building. */
export function locationsOf(source: Source, location: Location): Location[] {
  const found: Location[] = [];
  for (let at: Location | undefined = location; at !== undefined && found.length < levelsMax;) {
    found.push(at);
    at = source.find(at.partOf, 'Location', at);
  }
  return found;
}
const levelsMax = 8;
