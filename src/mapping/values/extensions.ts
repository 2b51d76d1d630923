/**
 * The extensions of the hub and of the standards that mapping writes, and the URIs it makes for names that only their
 * sender can resolve. The hub's own are under one base, which is a name and not an address.
 */
const base = 'https://health-record-hub.example/fhir';

/** An extension of the hub's own, for what a field of HL7v2 says and R4 has no element for: the name says what it is. */
export function hubExtension(name: string): string {
  return `${base}/StructureDefinition/${name}`;
}

/** An operation of the hub's own: its canonical URL, a name as well. */
export function hubOperation(name: string): string {
  return `${base}/OperationDefinition/${name}`;
}

/** Complex: one extension for each segment; inside, one for each value that no rule took, named by its position. */
export const unmappedUrl = `${base}/StructureDefinition/hl7v2-unmapped`;
/** The text as sent, where FHIR cannot hold it as it was (an hour without minutes, a time without zone). */
export const originalUrl = `${base}/StructureDefinition/hl7v2-original`;
/** The control id of a message, within its sending facility. */
export const controlIdSystem = `${base}/sid/message-control-id`;

/** @see https://hl7.org/fhir/R4/extension-alternate-codes.html */
export const alternateCodesUrl = 'http://hl7.org/fhir/StructureDefinition/alternate-codes';
/** @see https://hl7.org/fhir/R4/extension-data-absent-reason.html */
export const dataAbsentReasonUrl = 'http://hl7.org/fhir/StructureDefinition/data-absent-reason';

/**
 * A URI for a name that is unique only within its sender: an assigning authority, a local coding system. Two hospitals
 * that both say `L` do not mean the same.
 * @param owner `Organization/x`
 */
export function localUri(owner: string, kind: 'authority' | 'coding-system', name: string): string {
  let uris = localUris[kind].get(owner);
  if (uris === undefined) localUris[kind].set(owner, (uris = new Map()));
  const known = uris.get(name);
  if (known !== undefined) return known;
  if (++localUriCount > localUrisMax) forgetLocalUris();
  const uri = `${base}/${owner}/${kind}/${encodeURIComponent(name)}`;
  // A copy: a slice would keep its whole message alive.
  uris.set(Buffer.from(name).toString(), uri);
  return uri;
}

/** By owner and name: a hospital has a handful of authorities, one of them in every identifier. */
const localUris = {
  authority: new Map<string, Map<string, string>>(),
  'coding-system': new Map<string, Map<string, string>>(),
};
let localUriCount = 0;
// Bounded: names come from senders. Some for each of 3,600 hospitals, about 300 bytes each.
const localUrisMax = 50_000;

function forgetLocalUris(): void {
  localUris.authority.clear();
  localUris['coding-system'].clear();
  localUriCount = 0;
}

export interface Extension {
  readonly url: string;
  readonly [value: string]: unknown;
}

/** A primitive with extensions, or without a value: what FHIR JSON writes as `status` and `_status`. */
export class Extended {
  readonly value: string | number | boolean | undefined;
  readonly extension: readonly Extension[];

  constructor(value: string | number | boolean | undefined, extension: readonly Extension[]) {
    this.value = value;
    this.extension = extension;
  }
}

export function original(text: string): Extension {
  return { url: originalUrl, valueString: text };
}
