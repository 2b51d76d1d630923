/**
 * From a code, or from a refresh token, to the tokens of an app: what was granted is looked at again each time, so that a person
 * who may act for a patient no more, an account that is closed or an app that may less get no further token.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { SignJWT } from 'jose';
import type { Audit } from '../audit/audit.ts';
import type { ActiveClient } from '../client/client.ts';
import type { Database } from '../../db.ts';
import { issueToken } from '../token/issue.ts';
import type { IssuerKeys } from '../token/keys.ts';
import { OAuthProblem, required, type Parameters } from './oauth.ts';
import { purpose } from '../principal/purpose.ts';
import type { Registry } from '../client/registry.ts';
import {
  endGrants,
  findByCode,
  findByRefreshToken,
  isCurrent,
  rememberToken,
  rotateRefreshToken,
  takeCode,
  type Grant,
} from './app-grant.ts';
import { unproven, useProof, type Proof } from './dpop.ts';
import { grantLaunchScopes, lastingOf } from './launch-scope.ts';
import type { People } from './people.ts';

/** As long as a person reads in an app; it ends before that when they say so, with the next statement. */
export const appTokenSeconds = 900;

/** RFC 7636 section 4.1. */
const verifierPattern = /^[\w.~-]{43,128}$/;

export interface AppTokens {
  readonly db: Database;
  readonly audit: Audit;
  readonly issuer: string;
  readonly audience: string;
  readonly fhirBase: string;
  readonly keys: IssuerKeys;
  readonly registry: Registry;
  readonly people: People;
  readonly now: () => number;
}

/** Who asks, and with which key in hand. */
export interface AppRequest {
  readonly client: ActiveClient;
  readonly parameters: Parameters;
  /** That came with the request; used up with what the request uses up. */
  readonly proof: Proof | undefined;
}

interface Issued {
  readonly jti: string;
  readonly refreshToken: string | undefined;
}

/** @throws OAuthProblem invalid_request, invalid_grant */
export async function redeemCode(server: AppTokens, request: AppRequest): Promise<object> {
  const { client, parameters, proof } = request;
  const jkt = proof?.jkt;
  const [code, redirectUri] = [required(parameters, 'code'), required(parameters, 'redirect_uri')];
  const verifier = required(parameters, 'code_verifier');
  const outcome = await server.db.inTransaction(async (tx) => {
    const grant = await takeCode(tx, { issuer: server.issuer, client: client.id, code, jkt });
    if (grant === undefined) return undefined;
    const fault = faultOf(grant, { redirectUri, verifier, jkt, now: server.now() });
    if (fault !== undefined) return { grant, fault };
    // Thrown: the code stays good.
    if (proof !== undefined && !(await useProof(tx, proof))) throw unproven();
    const lasts = lastingOf(grant.scopes) !== 'token';
    const refreshToken = lasts ? await rotateRefreshToken(tx, grant) : undefined;
    const jti = crypto.randomUUID();
    await rememberToken(tx, grant.id, jti, server.now() + appTokenSeconds * 1000);
    return { grant, issued: { jti, refreshToken } };
  });
  if (outcome === undefined) {
    // Sent a second time, by the app or by whoever took it: what the first one got ends as well.
    const used = await findByCode(server.db, server.issuer, client.id, code);
    if (used !== undefined) await end(server, used);
    throw new OAuthProblem('invalid_grant', 'the code is unknown, was used, or belongs to another client');
  }
  if (outcome.issued === undefined) {
    await end(server, outcome.grant);
    throw new OAuthProblem('invalid_grant', outcome.fault);
  }
  return answer(server, client, { grant: outcome.grant, scopes: outcome.grant.scopes, issued: outcome.issued });
}

/** Why a code that is this client's opens nothing. */
function faultOf(
  grant: Grant,
  { redirectUri, verifier, jkt, now }: { redirectUri: string; verifier: string; jkt: string | undefined; now: number },
): string | undefined {
  if (grant.expiresAt <= now) return 'the code has expired';
  if (grant.redirectUri !== redirectUri) return 'redirect_uri is another than that of the authorization request';
  const digest = hash('sha256', verifier, 'base64url');
  const fits = timingSafeEqual(Buffer.from(digest), Buffer.from(grant.codeChallenge));
  if (!verifierPattern.test(verifier) || !fits) return 'code_verifier does not fit the code_challenge';
  // RFC 9449 section 10: the request named the key.
  if (grant.jkt !== null && grant.jkt !== jkt) return 'the code is bound to another key';
  return undefined;
}

/** @throws OAuthProblem invalid_request, invalid_grant, invalid_scope */
export async function refresh(server: AppTokens, { client, parameters, proof }: AppRequest): Promise<object> {
  const jkt = proof?.jkt;
  const token = required(parameters, 'refresh_token');
  const grant = await findByRefreshToken(server.db, token);
  const refuse = (): OAuthProblem =>
    new OAuthProblem(
      'invalid_grant',
      'the refresh token is unknown, was used, has ended, or belongs to another client',
    );
  if (grant === undefined || grant.client !== client.id || grant.issuer !== server.issuer) throw refuse();
  // Before anything ends: a wrong key, or a scope that is too much, is no sign of theft.
  if (grant.jkt !== null && (jkt === undefined || (client.keys.length === 0 && jkt !== grant.jkt))) {
    throw new OAuthProblem(
      'invalid_dpop_proof',
      'the refresh token is bound to a key, which the request does not prove',
    );
  }
  const registered = grantLaunchScopes(grant.scopes.join(' '), client.scopes);
  const scopes = parameters.has('scope') ? grantLaunchScopes(parameters.get('scope'), registered) : registered;
  const issued = isCurrent(grant, token, server.now()) ? await goOn(server, grant, proof) : undefined;
  if (issued === undefined) {
    await end(server, grant);
    throw refuse();
  }
  // A public client is known by its key alone; a confidential one may change it (RFC 9449 section 5).
  return answer(server, client, { grant: { ...grant, jkt: jkt ?? null }, scopes, issued });
}

/** Undefined: what the grant stands on is gone, or the token was used by another request meanwhile. */
async function goOn(server: AppTokens, grant: Grant, proof: Proof | undefined): Promise<Issued | undefined> {
  if (!(await stillHolds(server, grant))) return undefined;
  return server.db.inTransaction(async (tx) => {
    const refreshToken = await rotateRefreshToken(tx, grant);
    if (refreshToken === undefined) return undefined;
    if (proof !== undefined && !(await useProof(tx, proof))) throw unproven();
    const jti = crypto.randomUUID();
    await rememberToken(tx, grant.id, jti, server.now() + appTokenSeconds * 1000);
    return { jti, refreshToken };
  });
}

async function stillHolds({ people, now }: AppTokens, grant: Grant): Promise<boolean> {
  const isThere =
    lastingOf(grant.scopes) === 'offline'
      ? await people.isAccountActive(grant.account)
      : await people.isSessionLive(grant.account, grant.session);
  if (!isThere || grant.patient === null) return isThere;
  const { patient, fhirUser } = grant;
  const acting = await people.actsFor(grant.person, now());
  return acting.some((one) => one.patient === patient && one.fhirUser === fhirUser);
}

/** Everything that came of the grant, before the caller hears of it. */
export function end({ db, registry, issuer }: AppTokens, { id }: Grant): Promise<void> {
  return endGrants(db, registry, issuer, { id });
}

async function answer(
  server: AppTokens,
  client: ActiveClient,
  { grant, scopes, issued }: { grant: Grant; scopes: readonly string[]; issued: Issued },
): Promise<object> {
  const { issuer, audience, keys } = server;
  const now = Math.trunc(server.now() / 1000);
  const scope = scopes.join(' ');
  const { patient, jkt, fhirUser } = grant;
  const accessToken = await issueToken(
    keys,
    {
      client_id: client.id,
      sub: fhirUser,
      scope,
      purpose_of_use: 'PATRQT',
      fhirUser,
      ...(patient === null ? {} : { patient }),
      ...(jkt === null ? {} : { cnf: { jkt } }),
      ...(client.provenBy === undefined ? {} : { client_kid: client.provenBy }),
    },
    { issuer, audience, jti: issued.jti, now, expiresInSeconds: appTokenSeconds },
  );
  await recordOf(server, 'token', { ...grant, jti: issued.jti, expiresAt: (now + appTokenSeconds) * 1000 });
  return {
    access_token: accessToken,
    token_type: jkt === null ? 'Bearer' : 'DPoP',
    expires_in: appTokenSeconds,
    scope,
    ...(scopes.includes('openid') ? { id_token: await idToken(server, { grant, scopes, now }) } : {}),
    ...(patient === null ? {} : { patient }),
    ...(issued.refreshToken === undefined ? {} : { refresh_token: issued.refreshToken }),
  };
}

/** @see https://openid.net/specs/openid-connect-core-1_0.html#IDToken */
function idToken(
  { issuer, fhirBase, keys }: AppTokens,
  { grant, scopes, now }: { grant: Grant; scopes: readonly string[]; now: number },
): Promise<string> {
  return new SignJWT({
    // SMART: the URL of the resource that says who the user is.
    ...(scopes.includes('fhirUser') ? { fhirUser: `${fhirBase}/${grant.fhirUser}` } : {}),
    ...(grant.nonce === null ? {} : { nonce: grant.nonce }),
    auth_time: Math.trunc(grant.authenticatedAt / 1000),
    amr: grant.methods,
  })
    .setProtectedHeader({ alg: keys.alg, kid: keys.kid, typ: 'JWT' })
    .setIssuer(issuer)
    .setSubject(grant.person)
    .setAudience(grant.client)
    .setIssuedAt(now)
    .setExpirationTime(now + appTokenSeconds)
    .sign(keys.signingKey);
}

/** The patient sees in their own log which app got what, and when that ended. */
export async function recordOf(
  { audit, issuer, now }: Pick<AppTokens, 'audit' | 'issuer' | 'now'>,
  interaction: string,
  {
    client,
    fhirUser,
    patient,
    jti = '',
    expiresAt = 0,
    outcome = 'success',
  }: Pick<Grant, 'client' | 'fhirUser'> & {
    patient: string | null | undefined;
    jti?: string;
    expiresAt?: number;
    outcome?: 'success' | 'refused';
  },
): Promise<void> {
  const principal = {
    issuer,
    subject: fhirUser,
    clientId: client,
    jti,
    expiresAt,
    scopes: [],
    isOperator: false,
    purposes: purpose.patientRequest,
  };
  const context = { principal, interaction, at: now() };
  await audit.record([{ context, patient: patient ?? undefined, rows: 0, outcome }]);
}
