/**
 * Names of the locks that a notification on its way holds, shared, while its last byte has not left: whoever takes away the
 * right it rests on takes the same lock alone, and commits after. So when a revocation is answered, what it forbids has left
 * before or never does. Patients have the lock of their consents and links (consent/write.ts).
 *
 * @see ../feeds/subscription/deliver.ts
 */
import type { Principal } from '../principal/principal.ts';

export const tokenLock = ({ issuer, jti }: { readonly issuer: string; readonly jti: string }): string =>
  `token ${issuer} ${jti}`;

export const clientLock = (issuer: string, id: string): string => `client ${issuer} ${id}`;

/** What the caller's word rests on. */
export function locksOf(principal: Principal): string[] {
  return [tokenLock(principal), clientLock(principal.issuer, principal.clientId)];
}
