/**
 * A file of a source: as a Binary, or as bytes. What else a server may answer with under its own address is not taken for one: a login page, an
 * OperationOutcome, a resource or a search of FHIR, and a Binary that belongs to something else than the document that names it (LEAKS 41).
 *
 * @see https://hl7.org/fhir/R4/binary.html#rest
 */
import { Problem } from '../../src/fhir/problem.ts';
import { explainStatus, noFhir, type FhirSource } from './ask.ts';
import type { Expected } from './contents.ts';
import type { Answer } from './http.ts';

export interface SourceFile {
  readonly contentType: string;
  /** Base64. */
  readonly data: string;
}

/** Of a Binary in JSON: its Base64 is a third longer than its content, and has its other elements around it. */
const jsonBytesMax = (bytesMax: number): number => Math.ceil((bytesMax * 4) / 3) + 64 * 1024;

/** @throws Problem too-long, not-found, deleted, forbidden, value, login, transient, timeout; RetryLater */
export async function readFile(source: FhirSource, expected: Expected, bytesMax: number): Promise<SourceFile> {
  const { local, size = 0 } = expected;
  if (size > bytesMax) throw tooLong(bytesMax);
  const answer = await source.send({
    url: `${source.base}/${local}`,
    // R4: with a media type of FHIR a Binary comes as a resource, which says whose it is.
    headers: { accept: 'application/fhir+json, */*;q=0.5' },
    bytesMax: jsonBytesMax(bytesMax),
  });
  if (answer.status !== 200) throw explainStatus(answer);
  const file = fileOf(answer, expected);
  if (Buffer.byteLength(file.data, 'base64') > bytesMax) throw tooLong(bytesMax);
  return file;
}

function tooLong(bytesMax: number): Problem {
  return new Problem('too-long', `the content is larger than ${bytesMax} bytes`);
}

function typeOf({ headers }: Answer): string {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
}

/** A server may give a Binary as its bytes, whatever it was asked for. */
function fileOf(answer: Answer, expected: Expected): SourceFile {
  const resource = resourceIn(answer);
  if (resource === undefined) return bytesOf(answer, expected);
  const { resourceType, contentType, data, securityContext } = resource;
  if (resourceType === 'OperationOutcome') throw noFhir('an OperationOutcome');
  if (resourceType !== 'Binary') throw refused('the address of a document’s content leads to another resource');
  if (!isOf(securityContext, expected)) throw refused('the content belongs to something else than its document');
  if (typeof data !== 'string') throw new Problem('not-found', 'the Binary of the source has no data');
  return { contentType: typeof contentType === 'string' ? contentType : (expected.contentType ?? anyType), data };
}

const anyType = 'application/octet-stream';

function refused(text: string): Problem {
  return new Problem('forbidden', text);
}

/** What says nothing of whose it is, is the document's. */
function isOf(securityContext: unknown, { document, patient }: Expected): boolean {
  if (securityContext === undefined) return true;
  const { reference } = (securityContext ?? {}) as { reference?: unknown };
  const [, type, id] = (typeof reference === 'string' && namePattern.exec(reference)) || [];
  return (type === 'DocumentReference' && id === document) || (type === 'Patient' && id === patient);
}
const namePattern = /(?:^|\/)([A-Z][A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/[^/]+)?$/;

function bytesOf(answer: Answer, { contentType }: Expected): SourceFile {
  const type = typeOf(answer);
  const isPage = type === 'text/html' && contentType?.startsWith('text/html') !== true;
  if (isPage) throw noFhir('a page');
  // FHIR in XML could be anything that the hub may read there.
  if (type.startsWith('application/fhir'))
    throw refused('the address of a document’s content leads to another resource');
  // With its charset, where it is a text.
  const said = answer.headers['content-type']?.trim() ?? '';
  return { contentType: mediaType.test(said) ? said : (contentType ?? anyType), data: answer.body.toString('base64') };
}

const mediaType = /^(?=.{1,200}$)[\w.+-]+\/[\w.+-]+(; ?[\w-]+="?[\w.:-]+"?)*$/;

/** JSON of FHIR that names its type; undefined for anything else. */
function resourceIn({ body }: Answer): Record<string, unknown> | undefined {
  // Files of other kinds do not begin so.
  if (!/^\s*\{/.test(body.subarray(0, beginningBytes).toString('latin1'))) return undefined;
  try {
    const value = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
    return typeof value['resourceType'] === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}
const beginningBytes = 100;
