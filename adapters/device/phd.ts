/**
 * A Bundle of the Personal Health Device guide: Observations and Devices are FHIR already, and stay as they are but for whose they are
 * and by which id they stand here.
 *
 * @see http://hl7.org/fhir/uv/phd/
 */
import { hash } from 'node:crypto';
import { deriveId, ownBucket } from '../../src/fhir/ids.ts';
import { copyJson } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import type { AnyResource } from '../../src/fhir/types.ts';

interface Entry {
  readonly fullUrl?: string;
  readonly resource?: AnyResource;
}

/** Resources of a device; others of the Bundle (the Patient, a Practitioner) are not the device's to say. */
const taken = new Set(['Observation', 'Device', 'DeviceMetric']);

export interface PhdOwner {
  readonly organization: string;
  readonly endpoint: string;
  readonly patient: string;
}

export interface PhdResources {
  readonly resources: readonly (AnyResource & { id: string })[];
  /** Types that were left out. */
  readonly left: readonly string[];
}

/** @throws Problem structure */
export function readPhdBundle(bundle: unknown, owner: PhdOwner): PhdResources {
  const { resourceType, entry } = (bundle ?? {}) as { resourceType?: unknown; entry?: unknown };
  if (resourceType !== 'Bundle' || !Array.isArray(entry)) {
    throw new Problem('structure', 'this is no Bundle', { expression: 'Bundle', hint: 'Send a Bundle with entries.' });
  }
  const ids = new Map<string, string>();
  const kept: { resource: AnyResource; id: string }[] = [];
  const left: string[] = [];
  for (const { fullUrl, resource } of entry as Entry[]) {
    if (resource === undefined) continue;
    const { resourceType: type } = resource;
    const names = [fullUrl, resource.id === undefined ? undefined : `${type}/${resource.id}`].filter(
      (name) => name !== undefined,
    );
    if (type === 'Patient') for (const name of names) ids.set(name, `Patient/${owner.patient}`);
    if (!taken.has(type)) {
      if (type !== 'Patient') left.push(type);
      continue;
    }
    const id = idOf(resource, owner);
    for (const name of names) ids.set(name, `${type}/${id}`);
    kept.push({ resource, id });
  }
  return { resources: kept.map(({ resource, id }) => ofPatient(resource, id, { owner, ids })), left };
}

/** By its identifier, which the guide asks for, else by what it says. */
function idOf(resource: AnyResource, { organization, endpoint, patient }: PhdOwner): string {
  const { resourceType: type } = resource;
  const [identifier] = (resource['identifier'] ?? []) as { system?: string; value?: string }[];
  const { id: _, meta: __, text: ___, ...content } = resource as unknown as Record<string, unknown>;
  const key =
    identifier?.value === undefined
      ? [hash('sha256', JSON.stringify(content), 'hex')]
      : [identifier.system ?? '', identifier.value];
  return deriveId(ownBucket(patient), [organization, type, 'device', endpoint, patient, ...key]);
}

function ofPatient(
  resource: AnyResource,
  id: string,
  { owner, ids }: { readonly owner: PhdOwner; readonly ids: ReadonlyMap<string, string> },
): AnyResource & { id: string } {
  const copy = copyJson(resource) as Record<string, unknown>;
  rewrite(copy, ids);
  delete copy['meta'];
  const patient = { reference: `Patient/${owner.patient}` };
  const whose =
    resource.resourceType === 'Observation'
      ? { subject: patient }
      : resource.resourceType === 'Device'
        ? { patient }
        : {};
  return { ...copy, ...whose, id } as unknown as AnyResource & { id: string };
}

/** What is not in the Bundle is not known here: the reference keeps its text as what it displays. */
function rewrite(value: Record<string, unknown>, ids: ReadonlyMap<string, string>): void {
  const { reference } = value;
  if (typeof reference === 'string' && !reference.startsWith('#')) {
    const known = ids.get(reference);
    if (known !== undefined) value['reference'] = known;
    else {
      delete value['reference'];
      value['display'] ??= reference;
    }
  }
  for (const child of Object.values(value)) {
    if (typeof child === 'object' && child !== null) rewrite(child as Record<string, unknown>, ids);
  }
}
