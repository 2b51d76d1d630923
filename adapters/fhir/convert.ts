/**
 * A resource as a source has it -> drafts of the hub's own: the id that follows from the source's, references rewritten, the source's id
 * kept as an identifier. Pure: the same bytes give the same drafts for ever, so a message may be converted again.
 */
import { propertiesOf } from '../../src/fhir/definitions.ts';
import { sourceId, sourceOf, type Source } from '../../src/fhir/ids.ts';
import { parseReceivedJson } from '../../src/fhir/json.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { typeCode, type AnyResource } from '../../src/fhir/types.ts';
import type { Draft, MappedMessage } from '../../src/ingest/contract.ts';
import { draftContent, placeContents, readContentName, type ContentName } from './content.ts';
import { addressesOf, basesOf, rewriteReferences, type References, type Rewritten } from './references.ts';
import { isTakenType } from './taken-types.ts';
import { tolerate } from './tolerate.ts';
import { toR4, typeInR4 } from './versions/to-r4.ts';
import { readVersion, type FhirVersion } from './versions/version.ts';

export interface ConvertSource {
  /** Of the endpoint. */
  readonly name: string;
  readonly organization: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** Named by messages: what made their resources. Changes when the same bytes would give other drafts. */
export const fhirMapVersion = 'fhir-r4/2';

/** @throws Problem structure, required, not-supported for content that cannot become a resource */
export function convertResource(bytes: Uint8Array, endpoint: ConvertSource): MappedMessage {
  const version = readVersion(endpoint.config['version']);
  const resource = readResource(bytes, version);
  const source = sourceOf(endpoint);
  const { config } = endpoint;
  const references: Origin = { source, bases: basesOf(source, config), version, config };
  if (isDeletion(resource)) {
    const own = { ...renamed(resource, source), resourceType: typeInR4(resource.resourceType, version) };
    return mapped([draftOf(own, 'delete')]);
  }
  const content = readContentName(resource);
  if (content !== undefined) return convertContent(resource, content, source);
  if (isSetOfWrites(resource)) return convertEntries(resource, references);
  return convertOne(resource, references);
}

interface Origin extends References {
  readonly version: FhirVersion;
  readonly config: ConvertSource['config'];
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function readResource(bytes: Uint8Array, version: FhirVersion): AnyResource {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new Problem('structure', 'the resource is not UTF-8');
  }
  const value = parseReceivedJson(text);
  const type = (value as AnyResource | null | undefined)?.resourceType;
  if (typeof type !== 'string') throw new Problem('structure', 'the content is no FHIR resource in JSON');
  if (typeCode(typeInR4(type, version)) === undefined) {
    throw new Problem('not-supported', 'R4 has no resource type of this name', { expression: 'resourceType' });
  }
  if (!isTakenType(typeInR4(type, version))) {
    throw new Problem('not-supported', `the hub takes no ${type} from sources`, { expression: 'resourceType' });
  }
  return value as AnyResource;
}

/** As `deletionOf` (bundle.ts) writes it. A resource says more of itself than type and id. */
function isDeletion(resource: AnyResource): boolean {
  return Object.keys(resource).length === 2 && typeof resource.id === 'string';
}

function convertOne(resource: AnyResource, references: Origin): MappedMessage {
  if (typeof resource.id !== 'string' || resource.id === '') {
    throw new Problem('required', 'the resource has no id', { expression: `${resource.resourceType}.id` });
  }
  if (references.version !== 'r4') return convertOther(resource, references, references.version);
  const { unmapped, issues } = tolerate(resource);
  const own = describe(resource, references);
  return {
    ...mapped([...stubsOf(own.patients, references.source), draftOf(own.resource, 'replace')]),
    unmapped: [...unmapped, ...placeContents(own.resource, references, references.config)],
    issues,
  };
}

/** Of a document that may not have come yet. */
function convertContent(received: AnyResource, name: ContentName, source: Source): MappedMessage {
  const { resource, patient, unmapped, issues } = draftContent(received, name, source);
  const found = tolerate(resource);
  const patients = patient === undefined ? [] : [[patient, name.patient as string] as const];
  return {
    ...mapped([...stubsOf(new Map(patients), source), draftOf(resource, 'replace')]),
    unmapped: [...found.unmapped, ...unmapped],
    issues: [...found.issues, ...issues],
  };
}

/** Of another release: its references are rewritten while its types still have their names, by which ids are told apart. */
function convertOther(resource: AnyResource, references: Origin, version: Exclude<FhirVersion, 'r4'>): MappedMessage {
  const { source } = references;
  const patients = new Map<string, string>();
  const converted = toR4(resource, version, addressesOf(references, patients));
  rewriteReferences(converted.resource, references, true);
  const { unmapped, issues } = tolerate(converted.resource);
  const name = nameOf(resource.resourceType, resource.id as string, source);
  const id = sourceId(source, resource.resourceType, resource.id as string);
  const own = complete({ ...converted.resource, id }, name, source);
  return {
    ...mapped([
      ...stubsOf(resource.resourceType === 'Patient' ? new Map() : patients, source),
      draftOf(own, 'replace'),
    ]),
    unmapped: [...converted.unmapped, ...unmapped, ...placeContents(own, references, references.config)],
    issues,
    mapVersion: `fhir-${version}/2`,
  };
}

type Identified = AnyResource & { id: string };

/** In the words of the hub. In place, but for the resource itself. */
function describe(resource: AnyResource, references: References): { resource: Identified; patients: Rewritten } {
  const { source } = references;
  const named = rewriteReferences(resource, references);
  // Another record that a Patient links to is not needed to hold it.
  const patients: Rewritten = resource.resourceType === 'Patient' ? new Map() : named;
  const name = nameOf(resource.resourceType, resource.id as string, source);
  return { resource: complete(renamed(resource, source), name, source), patients };
}

/** Its version and time are the hub's from now on; where it is from, and what it is called there, is said. */
function complete(resource: Identified, name: Name, source: Source): Identified {
  const { versionId: _version, lastUpdated: _at, ...meta } = resource.meta ?? {};
  const own: Identified = { ...resource, meta: { ...meta, source: source.base } };
  if (isListOfIdentifiers(resource.resourceType)) {
    const identifiers = (resource['identifier'] ?? []) as Name[];
    const isSaid = identifiers.some(({ system, value }) => system === name.system && value === name.value);
    own['identifier'] = isSaid ? identifiers : [...identifiers, name];
  }
  return own;
}

function renamed(resource: AnyResource, source: Source): Identified {
  return { ...resource, id: sourceId(source, resource.resourceType, resource.id as string) };
}

/** Types with one identifier (Composition, Bundle) mean the document by it, and some (Binary, Provenance) have none. */
function isListOfIdentifiers(type: string): boolean {
  const property = propertiesOf(type)?.get('identifier');
  return property?.type === 'Identifier' && (property.element.max ?? 1) !== 1;
}

/**
 * The Patients that a resource names, as far as its own text tells them: a record may come before its patient, or without. They say nothing
 * where the Patient is stored.
 */
function stubsOf(patients: Rewritten, source: Source): Draft[] {
  return Array.from(patients, ([id, named]) => ({
    resource: {
      resourceType: 'Patient',
      id,
      meta: { source: source.base },
      identifier: [nameOf('Patient', named, source)],
    },
    mode: 'merge',
    removed: [],
    fallback: ['meta', 'identifier'],
    precedence: 0,
  }));
}

interface Name {
  readonly system?: string;
  readonly value?: string;
}

/** The source's own id, by which its people still find the resource. */
function nameOf(type: string, id: string, { base }: Source): Name {
  return { system: `${base}/${type}`, value: id };
}

function draftOf(resource: Identified, mode: Draft['mode']): Draft {
  // Ranks of a status are for sources that repeat themselves out of order; here each state has its place in the lane.
  return { resource, mode, removed: [], fallback: [], precedence: 0 };
}

function mapped(drafts: readonly Draft[]): MappedMessage {
  return { drafts, commands: [], snapshots: [], unmapped: [], issues: [], mapVersion: fhirMapVersion };
}

interface Entry {
  readonly fullUrl?: unknown;
  readonly resource?: AnyResource;
}

/** A Bundle that says what to write, not one that is a document: each entry is a resource of its own. */
function isSetOfWrites({ resourceType, type }: AnyResource): boolean {
  return resourceType === 'Bundle' && ['transaction', 'batch', 'collection'].includes(String(type));
}

/** @throws Problem structure, naming the entry */
function convertEntries(bundle: AnyResource, references: Origin): MappedMessage {
  const entries = (Array.isArray(bundle['entry']) ? bundle['entry'] : []) as Entry[];
  const resources = entries.map(({ resource, fullUrl }, index) =>
    entryOf(resource, fullUrl, index, references.version),
  );
  const fullUrls = new Map(
    entries.flatMap(({ fullUrl }, index) => {
      const { resourceType, id = '' } = resources[index] as AnyResource;
      const own = `${resourceType}/${sourceId(references.source, resourceType, id)}`;
      return typeof fullUrl === 'string' ? [[fullUrl, own] as const] : [];
    }),
  );
  const parts = resources.map((resource) => convertOne(resource, { ...references, fullUrls }));
  const whole = new Set(parts.map(({ drafts }) => drafts.at(-1)?.resource.id));
  // Patients first; of those that the Bundle itself brings no stubs.
  const drafts = parts
    .flatMap((part) => part.drafts)
    .filter(({ mode, resource }) => mode !== 'merge' || !whole.has(resource.id))
    .toSorted((a, b) => Number(b.resource.resourceType === 'Patient') - Number(a.resource.resourceType === 'Patient'));
  return {
    ...mapped(drafts),
    unmapped: parts.flatMap(({ unmapped }) => unmapped),
    issues: parts.flatMap(({ issues }) => issues),
  };
}

/** What has no id is known by the address that the Bundle gives it. */
function entryOf(
  resource: AnyResource | undefined,
  fullUrl: unknown,
  index: number,
  version: FhirVersion,
): AnyResource {
  const expression = `Bundle.entry[${index}]`;
  if (typeof resource?.resourceType !== 'string' || typeCode(typeInR4(resource.resourceType, version)) === undefined) {
    throw new Problem('structure', 'the entry has no resource that R4 knows', { expression });
  }
  const id = resource.id ?? fullUrl;
  if (typeof id !== 'string' || id === '')
    throw new Problem('required', 'the entry has neither id nor fullUrl', { expression });
  return { ...resource, id };
}
