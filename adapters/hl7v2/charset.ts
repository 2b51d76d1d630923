/**
 * Bytes -> text. A message is decoded before it is split, because the second byte of a GB 18030, Big5 or Shift_JIS
 * character may be `|`, `^`, `~` or `\`. The charset is the one of MSH-18, else the endpoint's, else it is detected.
 * Bytes that the charset does not have are refused: a replacement character would be a silent loss.
 *
 * @see https://terminology.hl7.org/CodeSystem-v2-0211.html HL70211 alternate character sets
 */
import { isAscii, isUtf8 } from 'node:buffer';
import iconv from 'iconv-lite';
import { Problem } from '../../src/fhir/problem.ts';

export interface Charset {
  /** As HL70211 names it, where it does. */
  readonly name: string;
  /** Undefined when the bytes are not text of this charset. */
  decode(bytes: Uint8Array): string | undefined;
  /** What of the text this charset can say; the rest becomes `?`. */
  encode(text: string): Buffer;
}

export interface Decoded {
  readonly text: string;
  readonly charset: Charset;
  readonly origin: 'MSH-18' | 'endpoint' | 'detected';
  /** Set when MSH-18 could not be followed: why, without any content. */
  readonly warning?: string;
}

/**
 * @param fallback charset of messages that declare none, as HL70211 or IANA names it
 * @throws Problem structure when the bytes are not text of the declared charset
 */
export function decodeMessage(bytes: Uint8Array, fallback?: string): Decoded {
  const declared = declaredCharset(bytes);
  const charset = declared === undefined ? undefined : findCharset(declared);
  if (charset !== undefined && charset !== ascii) return { ...decodeAs(bytes, charset), origin: 'MSH-18' };
  const isPlain = isAscii(bytes) && !bytes.includes(escapeByte);
  if (isPlain && !isWide(bytes)) {
    return { text: latin1(bytes), charset: charset ?? ascii, origin: declared === undefined ? 'detected' : 'MSH-18' };
  }
  // ASCII declared and other bytes sent, or a name nobody knows: as good as nothing declared.
  const warning =
    declared === undefined
      ? undefined
      : charset === ascii
        ? 'MSH-18 says ASCII, but other bytes were sent'
        : 'MSH-18 names a charset that the hub does not know';
  const preset = fallback === undefined ? undefined : findCharset(fallback);
  if (preset !== undefined && preset !== ascii) return { ...decodeAs(bytes, preset), origin: 'endpoint', warning };
  return { ...decodeAs(bytes, detectCharset(bytes)), origin: 'detected', warning };
}

function decodeAs(bytes: Uint8Array, charset: Charset): { text: string; charset: Charset } {
  const text = charset.decode(bytes);
  if (text === undefined) {
    throw new Problem('structure', `the message has bytes that are not ${charset.name}`, {
      expression: 'MSH-18',
      hint: 'Name in MSH-18 the charset that the message is written in, or set it for the endpoint.',
    });
  }
  return { text, charset };
}

/** A charset by its name in HL70211 or the IANA registry, whatever the spelling; undefined for an unknown one. */
export function findCharset(name: string): Charset | undefined {
  return charsets.get(normalise(name));
}

function normalise(name: string): string {
  return name.toUpperCase().replace(/[\s_\-/]+/g, '');
}

const utf8: Charset = {
  name: 'UNICODE UTF-8',
  decode: (bytes) => (isUtf8(bytes) ? withoutMark(view(bytes).toString('utf8')) : undefined),
  encode: (text) => Buffer.from(text, 'utf8'),
};

const ascii: Charset = {
  name: 'ASCII',
  decode: (bytes) => (isAscii(bytes) ? latin1(bytes) : undefined),
  encode: (text) => Buffer.from(text.replace(/[^\0-\x7f]/g, '?'), 'latin1'),
};

const gb18030 = multiByte('GB 18030-2000', 'gb18030');

const latin: Charset = {
  name: '8859/1',
  decode: latin1,
  encode: (text) => Buffer.from(text.replace(/[^\0-\xff]/g, '?'), 'latin1'),
};

/** `fatal` is what iconv-lite does not offer: it refuses instead of replacing. */
function multiByte(name: string, label: string, encoding = label): Charset {
  return {
    name,
    decode: (bytes) => {
      try {
        return new TextDecoder(label, { fatal: true }).decode(bytes);
      } catch {
        return undefined;
      }
    },
    encode: (text) => (iconv.encodingExists(encoding) ? iconv.encode(text, encoding) : ascii.encode(text)),
  };
}

/** One byte a character: iconv-lite has the ISO tables, where WHATWG's TextDecoder has those of Windows. */
function singleByte(name: string, encoding: string): Charset {
  return {
    name,
    decode: (bytes) => {
      const text = iconv.decode(view(bytes), encoding);
      return text.includes('\ufffd') ? undefined : text;
    },
    encode: (text) => iconv.encode(text, encoding),
  };
}

const charsets = new Map<string, Charset>();
const register = (charset: Charset, ...names: string[]): void => {
  for (const name of [charset.name, ...names]) charsets.set(normalise(name), charset);
};
register(ascii, 'US-ASCII', 'ISO IR6', 'ISO IR14', 'ISO646');
register(utf8, 'UTF-8', 'UNICODE', 'ISO IR192');
register(gb18030, 'GB18030', 'GBK', 'GB2312', 'CP936', 'ISO IR58');
register(latin, 'ISO-8859-1', 'LATIN1', 'ISO IR100');
for (const part of [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16]) {
  register(singleByte(`8859/${part}`, `iso-8859-${part}`), `ISO-8859-${part}`);
}
register(singleByte('windows-1252', 'windows-1252'), 'CP1252');
register(singleByte('windows-1251', 'windows-1251'), 'CP1251');
register(multiByte('BIG-5', 'big5'), 'BIG5');
register(multiByte('KS X 1001', 'euc-kr'), 'EUC-KR');
register(multiByte('Shift_JIS', 'shift_jis'), 'SJIS', 'ISO IR13');
register(multiByte('EUC-JP', 'euc-jp'));
register(multiByte('ISO IR87', 'iso-2022-jp'), 'ISO IR159', 'ISO-2022-JP');
register(multiByte('UNICODE UTF-16', 'utf-16be', 'utf16-be'), 'UTF-16', 'UTF-16BE');
register(multiByte('UTF-16LE', 'utf-16le', 'utf16-le'));

/** Charsets in which a byte of a longer character can look like a separator. */
const ambiguous = ['GB 18030-2000', 'BIG-5', 'Shift_JIS', 'KS X 1001', 'ISO IR87'];

/** MSH is never longer; what does not end by then is no header. */
const headerBytesMax = 8_192;

/**
 * MSH-18 as sent, or undefined. The names before it may hold bytes that look like separators, so where the header is not
 * ASCII a reading counts only if it agrees with itself: read in charset X, MSH-18 says X.
 */
function declaredCharset(bytes: Uint8Array): string | undefined {
  const header = headerOf(bytes);
  const plain = field18(latin1(header));
  if (isAscii(header) && !header.includes(escapeByte)) return plain;
  for (const name of plain === undefined ? ambiguous : [plain, ...ambiguous]) {
    const charset = findCharset(name);
    const text = charset?.decode(header);
    const said = text === undefined ? undefined : field18(text);
    if (said !== undefined && findCharset(said) === charset) return said;
  }
  // A declared ASCII does not agree with such a header, but is still what the sender said.
  return plain !== undefined && findCharset(plain) === ascii ? plain : undefined;
}

function headerOf(bytes: Uint8Array): Uint8Array {
  const start = Math.max(view(bytes).indexOf('MSH'), 0);
  // CR and LF are never part of a longer character in any charset above but UTF-16.
  let end = start;
  while (end < bytes.length && end - start < headerBytesMax && bytes[end] !== 13 && bytes[end] !== 10) end++;
  return bytes.subarray(start, end);
}

function field18(header: string): string | undefined {
  const fields = header.split(header.charAt(3), 18);
  const [component = '', repetition = ''] = fields[1] ?? '';
  const value = fields[17]?.split(repetition, 1)[0]?.split(component, 1)[0]?.trim();
  return value === '' || value === '""' ? undefined : value;
}

/** UTF-8 when it is valid, GB 18030 when that yields common Chinese, else Latin-1, in which every byte means something. */
export function detectCharset(bytes: Uint8Array): Charset {
  if (isWide(bytes)) return bytes[0] === 0xff || bytes[1] === 0 ? wide('UTF-16LE') : wide('UNICODE UTF-16');
  if (isUtf8(bytes)) return utf8;
  return isCommonChinese(bytes) && gb18030.decode(bytes) !== undefined ? gb18030 : latin;
}

function wide(name: string): Charset {
  return findCharset(name) ?? utf8;
}

/** UTF-16, by its byte order mark or by `MSH` with zeros between. */
function isWide(bytes: Uint8Array): boolean {
  const [first, second] = bytes;
  return (
    (first === 0xff && second === 0xfe) ||
    (first === 0xfe && second === 0xff) ||
    (first === 0 && second === 0x4d) ||
    (first === 0x4d && second === 0)
  );
}

/**
 * Half of the characters are of GB 2312: both bytes above A0, first byte B0-F7 (hanzi) or A1-A3 (signs). Accented
 * Western words are single high bytes between letters, which GB 18030 also decodes, but to rare characters.
 */
function isCommonChinese(bytes: Uint8Array): boolean {
  let common = 0;
  let all = 0;
  for (let index = 0; index < bytes.length; index++) {
    const lead = bytes[index] as number;
    if (lead < 0x80) continue;
    const trail = bytes[++index] ?? 0;
    all++;
    if (trail >= 0xa1 && ((lead >= 0xb0 && lead <= 0xf7) || (lead >= 0xa1 && lead <= 0xa3))) common++;
  }
  return common * 2 >= all;
}

const escapeByte = 0x1b;

function view(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function latin1(bytes: Uint8Array): string {
  return view(bytes).toString('latin1');
}

function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}
