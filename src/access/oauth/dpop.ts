/**
 * DPoP: a caller shows with each request that it holds the key its tokens are bound to, so that a token that leaked is of no use
 * to whoever found it. A proof is good for one request, of one method, to one address, with one token, within a minute.
 *
 * Nonces of the server (RFC 9449 section 8) are not asked for: they bound how long ahead a proof can be made by somebody who
 * held the key for a moment; the age of a proof does so to a minute.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9449
 */
import { hash } from 'node:crypto';
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { OAuthProblem } from './oauth.ts';

/** Asymmetric, and none that a browser or a phone lacks the key for. */
export const proofAlgorithms = ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA', 'Ed25519'];
const proofSecondsMax = 60;
/** Clocks of phones and ours. */
const clockSkewSeconds = 60;
/** An RSA key of 4096 bits and its signature have 1,500 characters. */
const proofCharsMax = 4_096;
const jtiCharsMax = 255;

/** What the proof is of. */
export interface Proven {
  readonly method: string;
  /** Without query and fragment. */
  readonly url: string;
  /** The token it comes with; none at the token endpoint. */
  readonly accessToken?: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A good proof that may have been used before. */
export interface Proof {
  /** Thumbprint of the key that signed (RFC 7638). */
  readonly jkt: string;
  readonly jti: string;
  /** Epoch seconds. */
  readonly expiresAt: number;
}

/** Whose key it is; undefined for whatever is no good proof of this request, and for one that was used before. */
export async function proveKey(db: Tx, text: string, proven: Proven): Promise<string | undefined> {
  const proof = await readProof(text, proven);
  return proof !== undefined && (await useProof(db, proof)) ? proof.jkt : undefined;
}

/**
 * One insert under the primary key: of any number of the same, in any number of processes, one has a row to show for it.
 * For whoever is known by then: what strangers send leaves no row.
 */
export async function useProof(db: Tx, { jkt, jti, expiresAt }: Proof): Promise<boolean> {
  const used = await db.query(sql`
    insert into dpop_proof (jkt, jti, expires_at)
    values (${jkt}, ${hash('sha256', jti, 'base64url')}, to_timestamp(${expiresAt}))
    on conflict do nothing returning jti`);
  return used.length === 1;
}

/** At the token endpoint, for all that is wrong with a proof. */
export function unproven(): OAuthProblem {
  return new OAuthProblem('invalid_dpop_proof', 'the DPoP header is no fresh proof for the token endpoint');
}

/** Undefined for whatever is no good proof of this request. */
export async function readProof(proof: string, { method, url, accessToken, now }: Proven): Promise<Proof | undefined> {
  // Two headers of the name arrive as one with a comma, which is no JWT either (RFC 9449 section 4.3, check 1).
  if (proof.length > proofCharsMax || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(proof)) return undefined;
  try {
    const { jwk } = decodeProtectedHeader(proof);
    // A key with its private part in a header is no secret any more; jose refuses symmetric ones.
    if (jwk === undefined || 'd' in jwk) return undefined;
    const { payload } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: proofAlgorithms,
      requiredClaims: ['jti', 'htm', 'htu', 'iat'],
      maxTokenAge: proofSecondsMax,
      clockTolerance: clockSkewSeconds,
      currentDate: new Date(now),
    });
    const { jti, iat } = payload;
    const isOfThis =
      typeof jti === 'string' &&
      jti !== '' &&
      jti.length <= jtiCharsMax &&
      payload['htm'] === method &&
      normalized(payload['htu']) === normalized(url) &&
      (accessToken === undefined || payload['ath'] === hash('sha256', accessToken, 'base64url'));
    if (!isOfThis || iat === undefined) return undefined;
    return {
      jkt: await calculateJwkThumbprint(jwk, 'sha256'),
      jti,
      expiresAt: iat + proofSecondsMax + 2 * clockSkewSeconds,
    };
  } catch {
    return undefined;
  }
}

/** RFC 9449 section 4.3: compared without query and fragment, as RFC 3986 normalises. */
function normalized(url: unknown): string | undefined {
  const parsed = typeof url === 'string' ? URL.parse(url) : null;
  return parsed === null ? undefined : `${parsed.origin}${parsed.pathname}`;
}
