/**
 * What a page of the authorization server carries until its form comes back: signed, for one session, for as long as a person
 * takes. So nothing is kept meanwhile, and no other site and no other person's page is answered in somebody's name.
 */
import type { KeyObject } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { SignedIn } from './people.ts';

export interface Sealing {
  readonly key: KeyObject;
  readonly issuer: string;
  readonly now: () => number;
}

/** A person reads a page, is called away, and comes back. */
const sealedSecondsMax = 900;

/** @param kind of page: one is not taken for another */
export function seal({ key, issuer, now }: Sealing, kind: string, content: object, { id }: SignedIn): Promise<string> {
  const seconds = Math.trunc(now() / 1000);
  return new SignJWT({ content })
    .setProtectedHeader({ alg: 'HS256', typ: `${kind}+jwt` })
    .setIssuer(issuer)
    .setAudience(issuer)
    .setSubject(id)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + sealedSecondsMax)
    .sign(key);
}

/** Undefined for everything but a page of this kind and session that is still good. */
export async function unseal<Content extends object>(
  { key, issuer, now }: Sealing,
  kind: string,
  sealed: string,
  { id }: SignedIn,
): Promise<Content | undefined> {
  try {
    const { payload } = await jwtVerify<{ content: Content }>(sealed, key, {
      algorithms: ['HS256'],
      typ: `${kind}+jwt`,
      issuer,
      audience: issuer,
      subject: id,
      requiredClaims: ['exp'],
      currentDate: new Date(now()),
    });
    return payload.content;
  } catch {
    return undefined;
  }
}
