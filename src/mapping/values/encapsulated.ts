/** Encapsulated data (ED): what was encoded, byte for byte. @see HL7 v2.5.1 section 2.A.24 and HL7 v2-to-FHIR, ED[Attachment] */
import { hubExtension, type Extension } from './extensions.ts';
import type { Part } from '../message/part.ts';

/**
 * The bytes of ED.5 by its encoding (HL70299): `A` is text as it stands. Line ends within Base64 and hexadecimal digits are the
 * sender's formatting, missing padding its thrift. Undefined when the text is not of the encoding.
 * @param encoding ED.4 in lower case
 */
export function decodeEncapsulated(text: string, encoding: string): Buffer | undefined {
  if (encoding === 'a') return Buffer.from(text);
  const digits = whiteSpace.test(text) ? text.replace(/\s+/g, '') : text;
  if (digits === '') return undefined;
  if (encoding === 'hex') {
    return digits.length % 2 === 0 && /^[0-9A-Fa-f]+$/.test(digits) ? Buffer.from(digits, 'hex') : undefined;
  }
  if (encoding !== 'base64' || !base64.test(digits)) return undefined;
  const bytes = Buffer.from(digits, 'base64');
  // Bits that belong to no byte: the end is missing, and what is there is kept as it was sent.
  return bytes.toString('base64').replace(/=+$/, '') === digits.replace(/=+$/, '') ? bytes : undefined;
}
const whiteSpace = /\s/;
const base64 = /^[A-Za-z0-9+/]+={0,2}$/;

const headerComponents = 4;

/** ED.1 to ED.4 as sent: source, type, subtype and encoding, which the content no longer shows. */
export function encapsulatedAs(part: Part): { readonly extension?: readonly Extension[] } {
  const header: string[] = [];
  for (let component = 1; component <= headerComponents; component++) header.push(part.get(component));
  const text = header.join('^').replace(/\^+$/, '');
  return text === '' ? {} : { extension: [{ url: hubExtension('encapsulated-as'), valueString: text }] };
}

const topLevelTypes = new Set([
  'application',
  'audio',
  'font',
  'image',
  'message',
  'model',
  'multipart',
  'text',
  'video',
]);

/** HL70191 and HL70291, and what senders write in their place, where the two are no media type together. */
const bySubtype: Readonly<Record<string, string>> = {
  PDF: 'application/pdf',
  JPEG: 'image/jpeg',
  JPG: 'image/jpeg',
  PNG: 'image/png',
  GIF: 'image/gif',
  TIFF: 'image/tiff',
  TIF: 'image/tiff',
  DICOM: 'application/dicom',
  RTF: 'text/rtf',
  HTML: 'text/html',
  XML: 'text/xml',
  'X-HL7-CDA-LEVEL-ONE': 'text/xml',
  'OCTET-STREAM': 'application/octet-stream',
  BASIC: 'audio/basic',
  WORD: 'application/msword',
};

/** ED.2 and ED.3 (RP.3 and RP.4) as a media type, when they are one. */
export function mediaType(part: Part, typeAt: number): string | undefined {
  const [type, subtype] = [part.peek(typeAt), part.peek(typeAt + 1)];
  const text = (type.includes('/') ? type : subtype.includes('/') ? subtype : `${type}/${subtype}`).toLowerCase();
  const isMediaType = topLevelTypes.has(text.split('/', 1)[0] ?? '') && /^\w+\/[\w.+-]+$/.test(text);
  const found = isMediaType ? text : (bySubtype[subtype.toUpperCase()] ?? bySubtype[type.toUpperCase()]);
  if (found === undefined) return undefined;
  part.take(typeAt);
  part.take(typeAt + 1);
  return found;
}
