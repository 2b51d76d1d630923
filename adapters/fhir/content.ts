/**
 * Content of documents that lies at their source: which addresses of a DocumentReference are fetched, what they become, and what is kept of
 * what was fetched. Pure. A Binary of the hub belongs to one document, lives beside it and is read as it is; so content that two documents
 * name is two Binaries, and none opens the other.
 *
 * @see https://hl7.org/fhir/R4/binary.html#security
 */
import { placeOf } from '../../src/fhir/compartment.ts';
import { deriveId, ownBucket, sourceId, type Source } from '../../src/fhir/ids.ts';
import { Problem } from '../../src/fhir/problem.ts';
import { typeCode, type AnyResource } from '../../src/fhir/types.ts';
import type { MappedMessage } from '../../src/ingest/contract.ts';
import type { References } from './references.ts';
import type { Unmapped } from './unmapped.ts';

/** On an attachment whose content the hub has, or tries to have: where it lies at the source. */
export const attachmentSourceUrl = 'https://health-record-hub.example/fhir/StructureDefinition/attachment-source';
/** In the `meta` of a Binary as it is received: of which document of which patient it is, and under which address. */
const contentOfUrl = 'https://health-record-hub.example/fhir/StructureDefinition/content-of';

/** What a content is named by, in the words of its source. */
export interface ContentName {
  /** Id of the DocumentReference. */
  readonly document: string;
  /** Id of the Patient in whose record the document is. */
  readonly patient: string | undefined;
  /** Below the base. */
  readonly local: string;
}

type Config = Readonly<Record<string, unknown>>;

/** Whether contents are fetched: by the endpoint itself, or, of a source that pushes, by the one that pulls it. */
export function isFetching({ base, pull, attachments }: Config): boolean {
  return (base !== undefined || pull !== undefined) && attachments !== 'left';
}

/** A longer one is no address that a server serves. */
const localCharsMax = 2_000;

/**
 * An address below the base of the source; undefined for any other. What is asked there with the hub's rights must be a file: a search, an
 * operation or a resource of FHIR could bring what whoever wrote the document may not see (LEAKS 41).
 */
export function localAddress(text: string, bases: readonly string[]): string | undefined {
  const base = bases.find((one) => text.startsWith(`${one}/`));
  const local = base === undefined ? text : text.slice(base.length + 1);
  const isElsewhere = base === undefined && /^([a-z][a-z0-9+.-]*:|\/|\\)/i.test(text);
  // What an address becomes when it is asked is what was looked at.
  const isPlain = URL.parse(`http://source/${local}`)?.href === `http://source/${local}`;
  const isOdd = local.length > localCharsMax || /#|\/\/|%(24|2e|2f|5c|5f)/i.test(local);
  return isElsewhere || !isPlain || isOdd || !isFile(local) ? undefined : local;
}

function isFile(local: string): boolean {
  if (/^Binary\/[A-Za-z0-9\-.]{1,64}(\/_history\/[A-Za-z0-9\-.]{1,64})?$/.test(local)) return true;
  const [path = ''] = local.split('?');
  const [first = ''] = path.split('/');
  return path.includes('/') && typeCode(first) === undefined && !/(^|\/)[$_]/.test(path);
}

function contentId(
  source: Source,
  name: Pick<ContentName, 'local'>,
  hub: { document: string; patient?: string },
): string {
  const bucket = ownBucket(hub.patient ?? hub.document);
  return deriveId(bucket, ['Binary', source.organization, source.base, hub.document, name.local]);
}

interface Attachment {
  url?: unknown;
  data?: unknown;
  extension?: unknown;
}

/** Where types have attachments that servers keep beside. */
const attachmentPaths: Readonly<Record<string, readonly string[]>> = {
  Communication: ['payload.contentAttachment'],
  DiagnosticReport: ['presentedForm'],
  DocumentReference: ['content.attachment'],
  Media: ['content'],
  Patient: ['photo'],
  Practitioner: ['photo'],
};

/**
 * In place: the contents of a document become Binaries of the hub. Whoever may read a Binary is said by a document alone, so of other types
 * the address stays.
 * @param resource in the words of the hub
 * @returns what stays at the source, for the work list
 */
export function placeContents(
  resource: AnyResource & { id: string },
  references: References,
  config: Config,
): Unmapped[] {
  const isLeft = config['attachments'] === 'left';
  return (attachmentPaths[resource.resourceType] ?? []).flatMap((path) =>
    attachmentsAt(resource, path.split('.')).flatMap((attachment) => {
      if (typeof attachment.url !== 'string' || attachment.data !== undefined || isLeft) return [];
      const isTaken = resource.resourceType === 'DocumentReference' && isFetching(config);
      const local = isTaken ? localAddress(attachment.url, references.bases) : undefined;
      if (local === undefined) return [unmappedAt(`${resource.resourceType}.${path}`)];
      place(attachment, local, resource, references.source, config);
      return [];
    }),
  );
}

function place(
  attachment: Attachment,
  local: string,
  document: AnyResource & { id: string },
  source: Source,
  config: Config,
): void {
  const { patient } = placeOf(document);
  const base = typeof config['base'] === 'string' ? config['base'].replace(/\/+$/, '') : source.base;
  const kept = Array.isArray(attachment.extension) ? (attachment.extension as unknown[]) : [];
  attachment.extension = [...kept, { url: attachmentSourceUrl, valueUrl: `${base}/${local}` }];
  const hub = { document: document.id, ...(patient === undefined ? {} : { patient }) };
  attachment.url = `Binary/${contentId(source, { local }, hub)}`;
}

function unmappedAt(path: string): Unmapped {
  return { kind: 'field', position: `${path}.url` };
}

function attachmentsAt(value: unknown, [name, ...rest]: readonly string[]): Attachment[] {
  if (typeof value !== 'object' || value === null) return [];
  if (name === undefined) return [value];
  const held = (value as Record<string, unknown>)[name];
  return (Array.isArray(held) ? (held as unknown[]) : [held]).flatMap((one) => attachmentsAt(one, rest));
}

/** The attachments of a document, as `placeContents` left them. */
export function placedContents(
  document: AnyResource,
  bases: readonly string[],
): { readonly local: string; readonly attachment: Readonly<Record<string, unknown>> }[] {
  return attachmentsAt(document, ['content', 'attachment']).flatMap((attachment) => {
    const kept = (Array.isArray(attachment.extension) ? attachment.extension : []) as {
      url?: unknown;
      valueUrl?: unknown;
    }[];
    const address = kept.find(({ url }) => url === attachmentSourceUrl)?.valueUrl;
    const local = typeof address === 'string' ? localAddress(address, bases) : undefined;
    return local === undefined ? [] : [{ local, attachment: attachment as Readonly<Record<string, unknown>> }];
  });
}

/** What is kept of a content: a Binary that says of what it is. @param data in Base64; undefined when the source does not give it */
export function writeContent({ document, patient, local }: ContentName, contentType: string, data?: string): Buffer {
  const named = [
    { url: 'address', valueUrl: local },
    ...(patient === undefined ? [] : [{ url: 'patient', valueReference: { reference: `Patient/${patient}` } }]),
  ];
  return Buffer.from(
    JSON.stringify({
      resourceType: 'Binary',
      meta: { extension: [{ url: contentOfUrl, extension: named }] },
      contentType,
      securityContext: { reference: `DocumentReference/${document}` },
      ...(data === undefined ? {} : { data }),
    }),
  );
}

/** As `writeContent` wrote it; undefined for any other resource. */
export function readContentName({ resourceType, meta, securityContext }: AnyResource): ContentName | undefined {
  if (resourceType !== 'Binary') return undefined;
  const { extension } = (meta ?? {}) as { extension?: unknown };
  const said = (Array.isArray(extension) ? (extension as { url?: unknown; extension?: unknown }[]) : []).find(
    (one) => one?.url === contentOfUrl,
  )?.extension;
  if (!Array.isArray(said)) return undefined;
  const parts = said as { url?: unknown; valueUrl?: unknown; valueReference?: unknown }[];
  const local = parts.find(({ url }) => url === 'address')?.valueUrl;
  const document = idIn('DocumentReference', securityContext);
  if (typeof local !== 'string' || document === undefined) {
    throw new Problem('structure', 'the content names no document', { expression: 'Binary.securityContext' });
  }
  return { document, local, patient: idIn('Patient', parts.find(({ url }) => url === 'patient')?.valueReference) };
}

function idIn(type: string, reference: unknown): string | undefined {
  const { reference: text } = (reference ?? {}) as { reference?: unknown };
  return typeof text === 'string' && text.startsWith(`${type}/`) ? text.slice(type.length + 1) : undefined;
}

export interface ContentDraft {
  readonly resource: AnyResource & { id: string };
  /** The Patient of the hub whose record it is in. */
  readonly patient: string | undefined;
  readonly unmapped: readonly Unmapped[];
  readonly issues: MappedMessage['issues'];
}

/** A content as it was received -> a Binary of the hub. */
export function draftContent(received: AnyResource, name: ContentName, source: Source): ContentDraft {
  const document = sourceId(source, 'DocumentReference', name.document);
  const patient = name.patient === undefined ? undefined : sourceId(source, 'Patient', name.patient);
  const { contentType, data } = received;
  const isMissing = data === undefined;
  return {
    patient,
    resource: {
      resourceType: 'Binary',
      id: contentId(source, name, { document, ...(patient === undefined ? {} : { patient }) }),
      meta: { source: source.base },
      contentType,
      securityContext: { reference: `DocumentReference/${document}` },
      ...(isMissing ? {} : { data }),
    },
    unmapped: isMissing ? [unmappedAt('DocumentReference.content.attachment')] : [],
    issues: isMissing
      ? [
          {
            severity: 'warning',
            code: 'incomplete',
            position: 'DocumentReference.content.attachment.url',
            diagnostics: 'the source does not give the content of the document',
          },
        ]
      : [],
  };
}
