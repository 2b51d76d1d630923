/**
 * What belongs to whoever made it and to nobody else, whatever their organization or a Consent says: a Subscription. Its owner
 * is a digest of the caller, so a renewed token of the same caller finds it again, and no other does.
 */
import { hash } from 'node:crypto';
import type { Principal } from '../principal/principal.ts';

export const createdType = 'Subscription';

/** The same client, on the same behalf, for the same purpose. */
export function creatorOf(principal: Principal): string {
  const { issuer, clientId, subject, organization = '', fhirUser = '', patient = '', purposes } = principal;
  const text = JSON.stringify([issuer, clientId, subject, organization, fhirUser, patient, purposes]);
  return `Creator/${hash('sha256', text, 'base64url')}`;
}
