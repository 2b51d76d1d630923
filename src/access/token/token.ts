/**
 * Bearer token -> Principal. Everything a JWT could be abused for is pinned here: algorithms, type, issuer, audience, age,
 * claims that must be there, keys from configured places only. One text for every reason to refuse.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9068 the profile of access tokens
 * @see https://www.rfc-editor.org/rfc/rfc8725 what goes wrong without it
 */
import { hash } from 'node:crypto';
import type { BlockList } from 'node:net';
import { decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { Problem } from '../../fhir/problem.ts';
import { idPattern } from '../../fhir/ids.ts';
import { localKeys, remoteKeys, type TrustedIssuer } from './issuers.ts';
import type { IssuerKeys } from './keys.ts';
import { addressOf, isInside, networksOf, type Caller } from '../client/network.ts';
import type { Proven } from '../oauth/dpop.ts';
import { readOperatorRole, type OperatorRole } from '../principal/operator.ts';
import type { Principal } from '../principal/principal.ts';
import { minorAges, type MinorAges } from '../proxy/minor.ts';
import { purpose, purposeBit } from '../principal/purpose.ts';
import type { Registration, Registry } from '../client/registry.ts';
import { parseScopes } from '../principal/scope.ts';

/** A token older than this is refused whatever its `exp`: bounds how long a revocation must be remembered. */
export const tokenAgeSecondsMax = 86_400;

const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA'];
const requiredClaims = ['iss', 'aud', 'sub', 'client_id', 'exp', 'iat', 'jti'];
/** 500 scopes and two signatures' worth; larger is refused before anything parses it. */
const tokenCharsMax = 16_384;
/** Clocks of issuers and ours, as of clients that sign assertions. How long a revocation is kept follows (client/registry.ts). */
const clockToleranceSeconds = 60;
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
  readonly minorAges?: MinorAges;
  /** CIDR: whose X-Forwarded-For is believed. */
  readonly trustedProxies?: readonly string[];
  /** Whose key signed the proof that came with the token; undefined when it is no good proof (oauth/dpop.ts). */
  readonly prove?: (proof: string, proven: Omit<Proven, 'now'>) => Promise<string | undefined>;
  readonly now?: () => number;
}

/** A request whose sender may have to show a key, and comes from somewhere. */
export interface ProvingRequest extends Caller {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
}

export interface Authenticator {
  /**
   * @param request with `Authorization: DPoP`: its proof is looked at
   * @throws Problem login (401), forbidden (403: the client may not claim this), transient (keys or registry out of reach)
   */
  readonly authenticate: (authorizationHeader: string | undefined, request?: ProvingRequest) => Promise<Principal>;
  /** Whoever sends a token: who it is of, wherever it was found. @throws as `authenticate` */
  readonly inspect: (token: string) => Promise<Principal>;
  /**
   * The claims of a token that was issued for this server and has not expired, whatever became of it and its client since.
   * @throws Problem login, transient
   */
  readonly verify: (token: string) => Promise<JWTPayload>;
}

/** A token that was read, under the registration that held then. */
interface Known {
  readonly principal: Principal;
  readonly epoch: number;
  /** Where its client may come from; absent: anywhere. */
  readonly networks?: BlockList;
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
  trusted.set(options.issuer, { key: ownKeys(options), audience: options.audience });
  const cache = new Map<string, Known>();
  const proxies = options.trustedProxies === undefined ? undefined : networksOf(options.trustedProxies);

  const read = async (token: string): Promise<Known> => {
    const { epoch } = registry;
    const payload = await verifyToken(token, trusted, now());
    const principal = principalOf(payload, {
      registrationOf: (issuer, clientId) => registry.registration(issuer, clientId),
      ownIssuer: options.issuer,
      ages: options.minorAges ?? minorAges,
    });
    const { networks = [] } = registry.registration(principal.issuer, principal.clientId) ?? {};
    return { principal, epoch, ...(networks.length === 0 ? {} : { networks: networksOf(networks) }) };
  };

  /** @param token undefined: none was sent, or what was sent is none */
  const inspect = async (token: string | undefined, isBearer: boolean, caller?: Caller): Promise<Principal> => {
    if (token === undefined) throw refused();
    await registry.refresh();
    // The hash, not the token: a heap dump of the cache opens no door.
    const key = hash('sha256', token, 'base64url');
    const hit = cache.get(key);
    cache.delete(key);
    const known =
      hit !== undefined && hit.epoch === registry.epoch && hit.principal.expiresAt > now() ? hit : await read(token);
    const { principal, networks } = known;
    if (registry.isRevoked(principal.issuer, principal.jti)) throw refused();
    // Re-inserted at the end: the first key of the map is the one not used for longest.
    cache.set(key, known);
    if (cache.size > cacheEntriesMax) cache.delete(cache.keys().next().value as string);
    // RFC 9449 section 7.2, RFC 8705: a token that is bound to a key is no bearer token.
    if (isBearer && principal.jkt !== undefined) throw refused();
    if (networks !== undefined && caller !== undefined && !isInside(networks, addressOf(caller, proxies))) {
      throw new Problem('forbidden', 'the client may not ask from this network');
    }
    return principal;
  };

  /** RFC 9449 section 7: the token, and the key it is bound to, by a proof of this request alone. */
  const inspectBound = async (token: string | undefined, request: ProvingRequest): Promise<Principal> => {
    if (token === undefined) throw refused();
    const principal = await inspect(token, false, request);
    const { method = '', url = '', headers } = request;
    const proof = headers['dpop'];
    if (principal.jkt === undefined || typeof proof !== 'string') throw refused();
    const jkt = await options.prove?.(proof, { method, url: `${options.issuer}${url}`, accessToken: token });
    if (jkt !== principal.jkt) throw refused();
    return principal;
  };

  return {
    authenticate: (header, request) => {
      const bearer = tokenOf(header, 'Bearer');
      return bearer === undefined && request !== undefined
        ? inspectBound(tokenOf(header, 'DPoP'), request)
        : inspect(bearer, true, request);
    },
    inspect: (token) => inspect(tokenOf(`Bearer ${token}`, 'Bearer'), false),
    verify: async (token) => {
      const read = tokenOf(`Bearer ${token}`, 'Bearer');
      if (read === undefined) throw refused();
      return verifyToken(read, trusted, now());
    },
  };
}

/** The keys of the hub's own issuer as they are now, without those that were taken back. */
function ownKeys({ keys, registry, issuer }: AuthenticatorOptions): JWTVerifyGetKey {
  let known: { jwks: IssuerKeys['jwks']; epoch: number; key: JWTVerifyGetKey } | undefined;
  return (header, token) => {
    if (known?.jwks !== keys.jwks || known.epoch !== registry.epoch) {
      const believed = keys.jwks.keys.filter(({ kid = '' }) => !registry.isKeyRevoked(issuer, kid));
      known = { jwks: keys.jwks, epoch: registry.epoch, key: localKeys({ keys: believed }) };
    }
    return known.key(header, token);
  };
}

function refused(cause?: unknown): Problem {
  return new Problem('login', 'the access token is missing, expired or not valid here', {
    hint: 'Send Authorization: Bearer with an access token (at+jwt) of a trusted issuer, made for this server.',
    cause,
  });
}

const credentials = { Bearer: /^Bearer ([A-Za-z0-9\-_.]+)$/i, DPoP: /^DPoP ([A-Za-z0-9\-_.]+)$/i };

function tokenOf(header: string | undefined, scheme: keyof typeof credentials): string | undefined {
  const token = credentials[scheme].exec(header ?? '')?.[1];
  return token === undefined || token.length > tokenCharsMax ? undefined : token;
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

export interface PrincipalContext {
  readonly registrationOf: (issuer: string, clientId: string) => Registration | undefined;
  /** Its tokens for a client that is not registered are made by the operator alone. */
  readonly ownIssuer: string;
  readonly ages: MinorAges;
}

/**
 * @throws Problem login when a claim has the wrong shape or the token is bound in a way we do not check (`cnf`)
 * @throws Problem forbidden when the registered client may not claim it
 */
export function principalOf(payload: JWTPayload, { registrationOf, ownIssuer, ages }: PrincipalContext): Principal {
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
  const clientKey = text('client_kid');
  if (clientKey !== undefined && registration?.revokedKeys.includes(clientKey)) throw refused();
  const fhirUser = reference(text('fhirUser'));
  const patient = reference(prefixed(text('patient')), 'Patient')?.slice('Patient/'.length);
  const [userType, userId] = fhirUser?.split('/') ?? [];
  const isOwnRequest = purposes === purpose.patientRequest && organization === undefined;
  const isProxy = isOwnRequest && userType === 'RelatedPerson' && patient !== undefined;
  const self = isProxy ? patient : isOwnRequest && userType === 'Patient' ? userId : undefined;
  const claim = typeof scope === 'string' ? scope : '';
  return {
    issuer,
    subject: text('sub') as string,
    clientId,
    jti: text('jti') as string,
    expiresAt: (payload.exp as number) * 1000,
    scopes: parseScopes(claim),
    isOperator: claim.split(' ').includes('hub/ops'),
    ...operatorRoleOf(payload['ops_role'], registration),
    organization,
    fhirUser,
    patient,
    purposes,
    self,
    ...(isProxy ? { proxy: { relatedPerson: userId as string, ages } } : {}),
    kind: registration?.kind ?? (issuer === ownIssuer ? 'local' : undefined),
    ...(clientKey === undefined ? {} : { clientKey }),
    jkt: boundTo(payload['cnf']),
  };
}

/** RFC 9449 section 6.1. Every other way to bind a token (RFC 8705: a certificate) is one that is not checked here. */
function boundTo(confirmation: unknown): string | undefined {
  if (confirmation === undefined) return undefined;
  if (typeof confirmation !== 'object' || confirmation === null || Object.keys(confirmation).join() !== 'jkt') {
    throw refused();
  }
  const { jkt } = confirmation as { jkt: unknown };
  if (typeof jkt !== 'string' || !/^[\w-]{43}$/.test(jkt)) throw refused();
  return jkt;
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

/**
 * A registered client has the role of its registration, whatever it claims; of an unregistered one its issuer says it.
 * @throws Problem login for a role that there is not, forbidden for another one than the client has
 */
function operatorRoleOf(claim: unknown, registration: Registration | undefined): { operatorRole?: OperatorRole } {
  const claimed = readOperatorRole(claim);
  if (claim !== undefined && claimed === undefined) throw refused();
  if (registration === undefined) return claimed === undefined ? {} : { operatorRole: claimed };
  const own = registration.operatorRole ?? undefined;
  if (claimed !== undefined && claimed !== (own ?? 'operator')) {
    throw new Problem('forbidden', 'the client may not claim this role of operators');
  }
  return own === undefined ? {} : { operatorRole: own };
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
