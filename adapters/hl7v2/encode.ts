/** Text -> bytes of a message to send: exactly, or not at all. */
import { Problem } from '../../src/fhir/problem.ts';
import { findCharset } from './charset.ts';

/**
 * @param charset a name of HL70211, as in MSH-18
 * @throws Problem value for text that the charset cannot say: a question mark in its place would be another text
 */
export function encodeMessage(text: string, charset: string): Buffer {
  const found = findCharset(charset);
  if (found === undefined)
    throw new Problem('not-supported', 'the hub does not know this charset', { expression: 'MSH-18' });
  const bytes = found.encode(text);
  if (found.decode(bytes) === text) return bytes;
  throw new Problem('value', `the message has characters that ${found.name} does not have`, {
    expression: 'MSH-18',
    hint: 'Give the destination a charset that has them: UNICODE UTF-8 or GB 18030-2000.',
  });
}
