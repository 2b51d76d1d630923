/** What a `next` link is bound to: a link that leaks continues nothing for another caller or another query (LEAKS 5). */
import { hash } from 'node:crypto';
import type { Principal } from '../access/principal/principal.ts';

/** Who asks for what, as one text. A renewed token of the same caller goes on where the last one was. */
export function cursorBinding(
  principal: Principal,
  type: string,
  parameters: readonly (readonly [string, string])[],
): string {
  const { issuer, clientId, subject, organization = '', patient = '', purposes } = principal;
  const text = JSON.stringify([issuer, clientId, subject, organization, patient, purposes, type, parameters]);
  return hash('sha256', text, 'base64url');
}
