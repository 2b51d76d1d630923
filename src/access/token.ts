/**
 * Bearer token -> Principal. Everything a JWT could be abused for is pinned here: algorithms, type, issuer, audience, age,
 * claims that must be there, keys from configured places only. One text for every reason to refuse.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9068 the profile of access tokens
 * @see https://www.rfc-editor.org/rfc/rfc8725 what goes wrong without it
 */
import { hash } from 'node:crypto';
import { decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { Problem } from '../fhir/problem.ts';
import { idPattern } from '../fhir/ids.ts';
import { localKeys, remoteKeys, type TrustedIssuer } from './issuers.ts';
import type { IssuerKeys } from './keys.ts';
import type { Principal } from './principal.ts';
import { purpose, purposeBit } from './purpose.ts';
import type { Registration, Registry } from './registry.ts';
import { parseScopes } from './scope.ts';

/** A token older than this is refused whatever its `exp`: bounds how long a revocation must be remembered. */
export const tokenAgeSecondsMax = 86_400;

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const requiredClaims = ['iss', 'aud', 'sub', 'client_id', 'exp', 'iat', 'jti'];
/** 500 scopes and two signatures' worth; larger is refused before anything parses it. */
const tokenCharsMax = 16_384;
/** Clocks of issuers and ours. */
const clockToleranceSeconds = 5;
/** About 2 kB each. */
const cacheEntriesMax = 20_000;
const purposesMax = 8;
const claimCharsMax = 512;

export interface AuthenticatorOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly keys: IssuerKeys;
  readonly trustedIssuers: readonly TrustedIssuer[];
  readonly registry: Registry;
  readonly now?: () => number;
}

export interface Authenticator {
  /** @throws Problem login (401), forbidden (403: the client may not claim this), transient (keys or registry out of reach) */
  readonly authenticate: (authorizationHeader: string | undefined) => Promise<Principal>;
  /**
   * The claims of a token that was issued for this server and has not expired, whatever became of it and its client since.
   * @throws Problem login, transient
   */
  readonly verify: (token: string) => Promise<JWTPayload>;
}

interface Trust {
  readonly key: JWTVerifyGetKey;
  readonly audience: string;
}

export function openAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { registry, now = Date.now } = options;
  const trusted = new Map<string, Trust>();
  for (const { issuer, jwksUri, audience = options.audience } of options.trustedIssuers) {
    trusted.set(issuer, { key: remoteKeys(jwksUri), audience });
  }
  // Last: nobody configures the hub's own name to mean foreign keys.
  trusted.set(options.issuer, { key: localKeys(options.keys.jwks), audience: options.audience });
  const cache = new Map<string, { principal: Principal; epoch: number }>();

  const read = async (token: string): Promise<Principal> => {
    const payload = await verifyToken(token, trusted, now());
    return principalOf(payload, (issuer, clientId) => registry.registration(issuer, clientId));
  };

  return {
    authenticate: async (header) => {
      const token = bearerOf(header);
      await registry.refresh();
      // The hash, not the token: a heap dump of the cache opens no door.
      const key = hash('sha256', token, 'base64url');
      const hit = cache.get(key);
      cache.delete(key);
      const principal =
        hit !== undefined && hit.epoch === registry.epoch && hit.principal.expiresAt > now()
          ? hit.principal
          : await read(token);
      if (registry.isRevoked(principal.issuer, principal.jti)) throw refused();
      // Re-inserted at the end: the first key of the map is the one not used for longest.
      cache.set(key, { principal, epoch: registry.epoch });
      if (cache.size > cacheEntriesMax) cache.delete(cache.keys().next().value as string);
      return principal;
    },
    verify: (token) => verifyToken(bearerOf(`Bearer ${token}`), trusted, now()),
  };
}

function refused(cause?: unknown): Problem {
  return new Problem('login', 'the access token is missing, expired or not valid here', {
    hint: 'Send Authorization: Bearer with an access token (at+jwt) of a trusted issuer, made for this server.',
    cause,
  });
}

function bearerOf(header: string | undefined): string {
  const token = /^Bearer ([A-Za-z0-9\-_.]+)$/i.exec(header ?? '')?.[1];
  if (token === undefined || token.length > tokenCharsMax) throw refused();
  return token;
}

async function verifyToken(token: string, trusted: ReadonlyMap<string, Trust>, now: number): Promise<JWTPayload> {
  const issuer = unverifiedIssuer(token);
  const trust = trusted.get(issuer);
  if (trust === undefined) throw refused();
  try {
    const { payload } = await jwtVerify(token, trust.key, {
      algorithms,
      typ: 'at+jwt',
      issuer,
      audience: trust.audience,
      requiredClaims,
      maxTokenAge: tokenAgeSecondsMax,
      clockTolerance: clockToleranceSeconds,
      currentDate: new Date(now),
    });
    return payload;
  } catch (cause) {
    if (isUnreachable(cause)) {
      throw new Problem('transient', 'the keys of the token issuer cannot be reached', { cause });
    }
    throw refused(cause);
  }
}

/** An answer that is no key set is a generic JOSEError; no answer is a TypeError of fetch or a timeout. */
function isUnreachable(cause: unknown): boolean {
  if (!(cause instanceof errors.JOSEError)) return true;
  return cause instanceof errors.JWKSTimeout || cause.code === errors.JOSEError.code;
}

/** Only to choose which keys to verify with; the verified `iss` is compared again. */
function unverifiedIssuer(token: string): string {
  try {
    return String(decodeJwt(token).iss);
  } catch (cause) {
    throw refused(cause);
  }
}

/**
 * @throws Problem login when a claim has the wrong shape or the token is bound to a key we do not check (`cnf`)
 * @throws Problem forbidden when the registered client may not claim it
 */
export function principalOf(
  payload: JWTPayload,
  registrationOf: (issuer: string, clientId: string) => Registration | undefined,
): Principal {
  // RFC 8705, RFC 9449: a sender-constrained token is no bearer token.
  if (payload['cnf'] !== undefined) throw refused();
  const text = (name: string): string | undefined => {
    const value = payload[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '' || value.length > claimCharsMax) throw refused();
    return value;
  };
  const issuer = text('iss') as string;
  const clientId = text('client_id') as string;
  const registration = registrationOf(issuer, clientId);
  const scope = payload['scope'];
  const claimed = {
    organization: reference(text('organization'), 'Organization'),
    purposes: purposesOf(payload['purpose_of_use']),
  };
  const { organization, purposes } = bindToClient(claimed, registration);
  const fhirUser = reference(text('fhirUser'));
  const patient = reference(prefixed(text('patient')), 'Patient')?.slice('Patient/'.length);
  const isSelf = purposes === purpose.patientRequest && organization === undefined && fhirUser?.startsWith('Patient/');
  const claim = typeof scope === 'string' ? scope : '';
  return {
    issuer,
    subject: text('sub') as string,
    clientId,
    jti: text('jti') as string,
    expiresAt: (payload.exp as number) * 1000,
    scopes: parseScopes(claim),
    isOperator: claim.split(' ').includes('hub/ops'),
    organization,
    fhirUser,
    patient,
    purposes,
    self: isSelf ? fhirUser?.slice('Patient/'.length) : undefined,
  };
}

/**
 * LEAKS: a purpose is no key that anybody may cut. A registered client claims what its registration allows and speaks for
 * its own organization; an unregistered one is vouched for by its trusted issuer, but never for an emergency.
 */
function bindToClient(
  claimed: { organization?: string; purposes: number },
  registration: Registration | undefined,
): { organization?: string; purposes: number } {
  const forbidden = (): Problem => new Problem('forbidden', 'the client may not claim this purpose or organization');
  if (registration === undefined) {
    if ((claimed.purposes & purpose.emergency) !== 0) throw forbidden();
    return claimed;
  }
  const { organization, purposes, isActive } = registration;
  const isOther = claimed.organization !== undefined && claimed.organization !== organization;
  if (!isActive || isOther || (claimed.purposes & ~purposes) !== 0) throw forbidden();
  return { organization: organization ?? undefined, purposes: claimed.purposes };
}

function purposesOf(claim: unknown): number {
  const codes = Array.isArray(claim) ? claim : claim === undefined ? [] : [claim];
  if (codes.length > purposesMax) throw refused();
  let purposes = 0;
  for (const code of codes) {
    const bit = typeof code === 'string' ? purposeBit(code) : undefined;
    // Dropping an unknown purpose would leave a token that looks narrower than it is.
    if (bit === undefined) throw refused();
    purposes |= bit;
  }
  return purposes;
}

function reference(value: string | undefined, type?: string): string | undefined {
  if (value === undefined) return undefined;
  const [name = '', id = '', ...rest] = value.split('/');
  if (rest.length > 0 || !/^[A-Z][A-Za-z]+$/.test(name) || !idPattern.test(id)) throw refused();
  if (type !== undefined && name !== type) throw refused();
  return value;
}

/** The launch context is an id; some issuers write the reference. */
function prefixed(patient: string | undefined): string | undefined {
  return patient === undefined || patient.startsWith('Patient/') ? patient : `Patient/${patient}`;
}
