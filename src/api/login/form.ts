/**
 * Forms of the hub's own pages: read with bounds, and only when this browser was given them. Each carries a token that is made
 * of the browser's cookie and the session's, so that no other site, and no other person's form, is sent in somebody's name.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Problem } from '../../fhir/problem.ts';
import { checkContentType, formMediaTypes, readText } from '../incoming.ts';

/** A name, two passwords and a code, all at their longest and escaped. */
const formBytesMax = 16_384;
const fieldsMax = 12;
export const tokenField = 'form_token';

export type Fields = (name: string) => string;

/** The form was not given to this browser, or to another session of it. */
export class StaleForm extends Error {}

/** @returns the field of a name, '' when it is not there @throws Problem structure, too-long, HttpProblem 415 */
export async function readFields(request: IncomingMessage): Promise<Fields> {
  checkContentType(request.headers, formMediaTypes);
  const form = new URLSearchParams(await readText(request, formBytesMax));
  if (form.size > fieldsMax) throw new Problem('structure', 'these are too many fields');
  return (name) => form.get(name) ?? '';
}

/** What sent it, as far as the browser says: no other site. @see https://www.w3.org/TR/fetch-metadata/ */
export function isFromElsewhere({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return site !== undefined && site !== 'same-origin' && site !== 'none';
}

export function isToken(sent: string, expected: string): boolean {
  const [one, other] = [Buffer.from(sent), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
}
