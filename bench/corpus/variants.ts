/**
 * The same message in other bytes: charsets, line ends, a byte order mark, other separators. What it says must stay the same.
 * Every variant is compared with the message in UTF-8; the name of the charset itself (MSH-18) is left out of the comparison.
 */
import { findCharset } from '../../adapters/hl7v2/charset.ts';
import type { Delimiters } from '../../adapters/hl7v2/delimiters.ts';
import { parseMessage } from '../../adapters/hl7v2/message.ts';
import { readMessage } from '../../adapters/hl7v2/read.ts';
import { serialise } from '../../adapters/hl7v2/serialise.ts';
import type { Hl7Message } from '../../src/mapping/message.ts';

export interface Variant {
  readonly name: string;
  readonly bytes: Buffer;
  /** As MSH-18 says it. */
  readonly charset: string;
}

const utf8 = 'UNICODE UTF-8';
const charsets = [utf8, 'GB 18030-2000', '8859/1'];

const otherDelimiters: Delimiters = {
  field: '#',
  component: '*',
  repetition: '%',
  escape: '@',
  subcomponent: '!',
  truncation: undefined,
};

/** The first is what the others are compared with; none when the message itself has no id of its own, or styles its text. */
export function variantsOf(bytes: Uint8Array): Variant[] {
  const { message } = readMessage(bytes);
  const header = message.first('MSH');
  // Without a control id the header's text is the message's name, so another text is another message.
  if (header === undefined || header.text(10) === '' || message.segments.some(isStyled)) return [];
  // A name with separators in it is no name of a segment.
  if (message.segments.some(({ name }) => !/^[A-Z][A-Z0-9]{2}$/.test(name))) return [];
  const inCharset = charsets.flatMap((charset) => encoded(charset, charset, withCharset(message, charset)));
  const text = withCharset(message, utf8);
  const other = serialise(parseMessage(text), otherDelimiters);
  return [
    ...inCharset,
    ...encoded('LF', utf8, text.replaceAll('\r', '\n')),
    ...encoded('CRLF', utf8, text.replaceAll('\r', '\r\n')),
    ...encoded('BOM', utf8, `\ufeff${text}`),
    ...encoded('other separators', utf8, other),
  ];
}

function encoded(name: string, charset: string, text: string): Variant[] {
  const found = findCharset(charset);
  const bytes = found?.encode(text);
  // A text that the charset cannot say is no variant of the message.
  const isWhole = bytes !== undefined && found?.decode(bytes)?.replace(/^\ufeff/, '') === text.replace(/^\ufeff/, '');
  return isWhole ? [{ name, bytes, charset }] : [];
}

function withCharset(message: Hl7Message, charset: string): string {
  const [header = '', ...rest] = serialise(message).split('\r');
  const separator = header.charAt(3);
  const fields = header.split(separator);
  while (fields.length < 18) fields.push('');
  fields[17] = charset;
  return [fields.join(separator), ...rest].join('\r');
}

/** `\H\` and its like stay in the text as they were sent, separators included; bytes of `\X..\` are those of one charset. */
function isStyled({ raw }: { readonly raw: string }): boolean {
  return /\\(H|N|Z[^\\]*|X[^\\]*|C[^\\]*|M[^\\]*|\.[a-rt-z][^\\]*)\\/.test(raw.replaceAll('\\.br\\', ''));
}
