/**
 * Header lines that a rest-hook is sent with. They hold what lets the hub in at the receiver, so a Subscription is stored and
 * shown with their names alone.
 *
 * @see https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.channel.header
 */
import { Problem } from '../problem.ts';
import type { AnyResource } from '../types.ts';

export interface Header {
  readonly name: string;
  readonly value: string;
}

/** Stands for a value that is kept and not shown; sent back, the value stays. */
export const hiddenValue = '********';

const headersMax = 10;
const charsMax = 4_000;
/** RFC 9110 5.1 and 5.5: a token, and a value of one line. */
const pattern = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x20-\x7e\x80-\xff]*?)[ \t]*$/;
/** They say where the message ends or goes, or what the body is, and are the hub's to set. */
const reserved =
  /^(host|connection|content-.*|transfer-encoding|upgrade|te|trailer|expect|keep-alive|via|forwarded|x-forwarded-.*|proxy-.*|cookie2?|:.*)$/i;

/** @throws Problem business-rule with the path */
export function readHeaders(lines: unknown): Header[] {
  if (lines === undefined) return [];
  const list = lines as readonly string[];
  if (list.length > headersMax || list.join('').length > charsMax) {
    throw refused('Subscription.channel.header', `at most ${headersMax} headers of ${charsMax} characters together`);
  }
  return list.map((line, index) => {
    const [, name = '', value = ''] = pattern.exec(line) ?? [];
    const expression = `Subscription.channel.header[${index}]`;
    if (name === '') throw refused(expression, 'a header is a name, a colon and a value on one line');
    if (reserved.test(name)) throw refused(expression, 'the hub sets this header itself');
    return { name, value };
  });
}

/** The Subscription as it is stored and shown. */
export function withoutSecrets(resource: AnyResource, headers: readonly Header[]): AnyResource {
  if (headers.length === 0) return resource;
  const channel = resource['channel'] as object;
  return { ...resource, channel: { ...channel, header: headers.map(({ name }) => `${name}: ${hiddenValue}`) } };
}

/**
 * Values that were sent back hidden, from those that are kept.
 * @throws Problem business-rule for one that is kept nowhere
 */
export function restoreHeaders(sent: readonly Header[], kept: readonly Header[]): Header[] {
  return sent.map((header, index) => {
    if (header.value !== hiddenValue) return header;
    const known = kept.find(({ name }) => name.toLowerCase() === header.name.toLowerCase());
    if (known !== undefined) return { name: header.name, value: known.value };
    throw refused(`Subscription.channel.header[${index}]`, 'no value of this header is kept', 'Send the value itself.');
  });
}

function refused(expression: string, diagnostics: string, hint?: string): Problem {
  return new Problem('business-rule', diagnostics, { expression, ...(hint === undefined ? {} : { hint }) });
}
