/**
 * The public keys of trusted issuers: the hub's own from its data directory, others from the configured address and from
 * nowhere else. A key answers for one algorithm only.
 *
 * @see https://www.rfc-editor.org/rfc/rfc8725 JSON Web Token Best Current Practices
 */
import { createLocalJWKSet, createRemoteJWKSet, customFetch, type JWK, type JWTVerifyGetKey } from 'jose';

export interface TrustedIssuer {
  readonly issuer: string;
  readonly jwksUri: string;
  /** Instead of the hub's own audience. */
  readonly audience?: string;
}

/** How long a withdrawn key may still be believed. */
const jwksAgeMsMax = 60_000;
/** A token with an unknown kid makes us ask again, but not more often than this. */
const jwksCooldownMs = 5_000;
const jwksTimeoutMs = 5_000;
const jwksBytesMax = 256 * 1024;

export function localKeys(jwks: { readonly keys: readonly JWK[] }): JWTVerifyGetKey {
  return createLocalJWKSet({ keys: pinned(jwks.keys) });
}

/** Redirects are not followed: jose asks with `redirect: manual` and takes nothing but status 200. */
export function remoteKeys(jwksUri: string): JWTVerifyGetKey {
  return createRemoteJWKSet(new URL(jwksUri), {
    cacheMaxAge: jwksAgeMsMax,
    cooldownDuration: jwksCooldownMs,
    timeoutDuration: jwksTimeoutMs,
    [customFetch]: async (url, options) => {
      const response = await fetch(url, options);
      if (response.status !== 200) return response;
      const { keys } = JSON.parse(await boundedText(response)) as { keys: JWK[] };
      return Response.json({ keys: pinned(keys) });
    },
  });
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > jwksBytesMax) throw new Error(`the JWKS is larger than ${jwksBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Gives each key its algorithm, so that a key published without one cannot be used with a second one (an RSA key for both
 * RS256 and PS256). Symmetric keys have no place in a JWKS.
 */
function pinned(keys: readonly JWK[]): JWK[] {
  return keys.flatMap((key) => {
    const alg = key.alg ?? defaultAlg(key);
    return alg === undefined || (key.use !== undefined && key.use !== 'sig') ? [] : [{ ...key, alg }];
  });
}

function defaultAlg({ kty, crv }: JWK): string | undefined {
  if (kty === 'RSA') return 'RS256';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  return kty === 'OKP' && crv === 'Ed25519' ? 'EdDSA' : undefined;
}
