/**
 * Ids that say where they live. A resource of a patient compartment shares the patient's `bucket` (16 bits); an id
 * that the hub mints is a UUID of version 8 (RFC 9562 section 5.8) whose first 16 bits are the bucket, so a read by id
 * needs no lookup. Client-assigned ids have a locator row; a client may not assign a version-8 UUID.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.8
 */
import { createHash, hash } from 'node:crypto';

/** R4 `id`: letters, digits, `-`, `.`, at most 64. @see https://hl7.org/fhir/R4/datatypes.html#id */
export const idPattern = /^[A-Za-z0-9\-.]{1,64}$/;

const mintedPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** True for an id of the form only the hub mints. */
export function isMintedId(id: string): boolean {
  return mintedPattern.test(id);
}

/** The bucket (0..65535) an id of this text has by itself: from a minted id its first 16 bits, else 16 bits of its hash. */
export function ownBucket(id: string): number {
  return isMintedId(id)
    ? Number.parseInt(id.slice(0, 4), 16)
    : createHash('sha256').update(id).digest().readUInt16BE(0);
}

/**
 * A stable id: the same parts give the same id for ever.
 * @param bucket the compartment's bucket, or undefined for a resource that takes the bucket of its own id
 * @param parts what identifies the thing, most general first, e.g. [owner, 'Patient', authority, value]
 */
export function deriveId(bucket: number | undefined, parts: readonly string[]): string {
  let key = '';
  for (const part of parts) key += keyPart(part);
  return idOfKey(bucket, key);
}

/** One part of a key as it is hashed: with its length, so that ['ab','c'] and ['a','bc'] differ. */
export function keyPart(part: string): string {
  const { length } = part;
  return (lengths[length] ?? `${length}:`) + part;
}
const lengths = Array.from({ length: 100 }, (_, length) => `${length}:`);

/** As `deriveId`, of parts that are one text already. Hashed in one call: five times as fast as piece by piece. */
export function idOfKey(bucket: number | undefined, key: string): string {
  return formatHex(hash('sha256', key, 'hex'), bucket);
}

/** An id from 16 random bytes (an argument, so that leaves stay pure). */
export function formatId(bytes: Uint8Array, bucket?: number): string {
  return formatHex(Buffer.from(bytes.subarray(0, 16)).toString('hex'), bucket);
}

/** Written character by character: a text put together of slices is put together again when it is first looked up. */
function formatHex(hex: string, bucket: number | undefined): string {
  const digit = (index: number): number => hex.charCodeAt(index);
  // The bucket's digits, or the hash's own.
  const head = (index: number): number =>
    bucket === undefined ? hex.charCodeAt(index) : hexDigits.charCodeAt((bucket >>> (12 - 4 * index)) & 15);
  // RFC 9562: the two highest bits of this digit are 10. Its other two are the digit's own: `a` is 10, not 97.
  const variant = digit(16) > nine ? digit(16) + 1 : digit(16);
  // oxfmt-ignore
  return String.fromCharCode(
    head(0), head(1), head(2), head(3), digit(4), digit(5), digit(6), digit(7),
    dash, digit(8), digit(9), digit(10), digit(11),
    dash, version8, digit(13), digit(14), digit(15),
    dash, variants.charCodeAt(variant & 3), digit(17), digit(18), digit(19),
    dash, digit(20), digit(21), digit(22), digit(23), digit(24), digit(25), digit(26), digit(27), digit(28), digit(29), digit(30), digit(31),
  );
}
const [dash, version8, nine] = [45, 56, 57];
const variants = '89ab';
const hexDigits = '0123456789abcdef';

/** A server whose resources the hub takes over: whose they are, and by which URL their ids are told from those of others. */
export interface Source {
  /** `Organization/x`. */
  readonly organization: string;
  /** Without a slash at the end. */
  readonly base: string;
}

/**
 * The source of what a pulled or pushed endpoint brings: `config.source`, else the server's base URL `config.base`, else the endpoint
 * itself. Two ways to one server (REST and bulk) are one source when they name one URL.
 */
export function sourceOf(endpoint: {
  readonly name: string;
  readonly organization: string;
  readonly config: Readonly<Record<string, unknown>>;
}): Source {
  const { source, base } = endpoint.config;
  const named = [source, base].find((value) => typeof value === 'string' && value !== '') as string | undefined;
  return {
    organization: endpoint.organization,
    base: named?.replace(/\/+$/, '') ?? `urn:health-record-hub:endpoint:${endpoint.name}`,
  };
}

/** Of all ids that follow from a source's own: a random UUID, fixed for ever. */
const sourceNamespace = Buffer.from('5b0f4a3e1c7d4b0e9a52d7c3f08e6b19', 'hex');

/**
 * The hub's id of a source's resource: a UUID of version 5, so that a reference to it can be rewritten before it has come. Not of minted
 * form: its row has a locator, unless it is a Patient.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9562#section-5.5
 */
export function sourceId({ organization, base }: Source, type: string, id: string): string {
  const name = [organization, base, type, id].map(keyPart).join('');
  const digest = hash('sha1', Buffer.concat([sourceNamespace, Buffer.from(name)]), 'buffer');
  digest.writeUInt8((digest.readUInt8(6) & 0x0f) | 0x50, 6);
  digest.writeUInt8((digest.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = digest.toString('hex', 0, 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
