/**
 * References as text: `Patient/1`, `https://hub/fhir/R4/Patient/1/_history/2`, `#p`, `urn:uuid:...`, canonicals with `|version`.
 *
 * @see https://hl7.org/fhir/R4/references.html#literal
 */
import { idPattern } from './ids.ts';
import { typeCode } from './types.ts';

/** What a reference's text shows. Exactly one of (type and id), url and fragment is the address; an absolute RESTful URL has all of type, id and url. */
export interface ParsedReference {
  readonly type?: string;
  readonly id?: string;
  /** Absolute URL without version, or a URN. */
  readonly url?: string;
  readonly version?: string;
  /** Of a contained resource: `p` for `#p`; '' for `#`, the container itself. */
  readonly fragment?: string;
}

// The last `Type/id` of a RESTful address, whatever stands before it.
const restful = /^(?:(.*)\/)?([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;
const scheme = /^[a-z][a-z0-9+.-]*:/i;

/** undefined for text that is no reference (a relative one without `Type/id`). */
export function readReference(text: string): ParsedReference | undefined {
  if (text.startsWith('#')) return { fragment: text.slice(1) };
  const match = restful.exec(text);
  if (match !== null && typeCode(match[2] as string) !== undefined) {
    const [, base, type, id, version] = match as unknown as [
      string,
      string | undefined,
      string,
      string,
      string | undefined,
    ];
    if (base === undefined) return version === undefined ? { type, id } : { type, id, version };
    if (scheme.test(base)) {
      const url = `${base}/${type}/${id}`;
      return version === undefined ? { type, id, url } : { type, id, url, version };
    }
    return undefined;
  }
  return scheme.test(text) ? { url: text } : undefined;
}

/**
 * `readReference` seen from a server: its own absolute URLs are its relative ones.
 * @param base the server's FHIR base URL, without a slash at the end
 */
export function readReferenceAt(text: string, base: string): ParsedReference | undefined {
  return readReference(text.startsWith(`${base}/`) ? text.slice(base.length + 1) : text);
}

/**
 * Makes the server's own absolute references relative, in place (for a resource just read, which nobody else holds). Whose
 * record a resource is, and which patients must permit, is decided by relative references alone.
 * @param base the server's FHIR base URL, without a slash at the end
 */
export function localizeReferences(value: object, base: string): void {
  for (const held of Object.values(value) as unknown[]) {
    if (typeof held !== 'object' || held === null) continue;
    const { reference } = held as { reference?: unknown };
    if (typeof reference === 'string' && reference.startsWith(`${base}/`)) {
      (held as { reference: string }).reference = reference.slice(base.length + 1);
    }
    localizeReferences(held, base);
  }
}

/** A canonical split at its version. @see https://hl7.org/fhir/R4/references.html#canonical */
export function readCanonical(text: string): { url: string; version?: string } {
  const bar = text.indexOf('|');
  return bar < 0 ? { url: text } : { url: text.slice(0, bar), version: text.slice(bar + 1) };
}

/** `Type/id` of a relative literal reference, undefined for anything else: the form the hub stores and links by. */
export function localReference(value: unknown): { type: string; id: string } | undefined {
  const text = (value as { reference?: unknown } | null | undefined)?.reference;
  if (typeof text !== 'string') return undefined;
  const slash = text.indexOf('/');
  if (slash < 1) return undefined;
  const type = text.slice(0, slash);
  const end = text.indexOf('/', slash + 1);
  if (end >= 0 && !text.startsWith('/_history/', end)) return undefined;
  const id = end < 0 ? text.slice(slash + 1) : text.slice(slash + 1, end);
  return typeCode(type) !== undefined && idPattern.test(id) ? { type, id } : undefined;
}
