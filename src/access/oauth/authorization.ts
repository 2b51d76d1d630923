/**
 * The hub's own authorization server, without HTTP: tokens for services (SMART Backend Services) and for apps of patients (SMART
 * App Launch), introspection, revocation; one token endpoint for all grants. It keeps nothing in memory that another process
 * would have to know. Tokens are JWTs that the facade verifies like those of any trusted issuer; why this is not a library is
 * docs/decisions/0021 and 0022.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html
 */
import { decodeJwt, type JWTPayload } from 'jose';
import { Problem } from '../../fhir/problem.ts';
import { authenticateClient, notProven, sweepExpired } from '../client/assertion.ts';
import { findClient, type ActiveClient } from '../client/client.ts';
import { issueToken } from '../token/issue.ts';
import { oauthPaths, OAuthProblem, required, type Parameters } from './oauth.ts';
import { findByRefreshToken, isCurrent, sweepGrants, type Grant } from './app-grant.ts';
import { end, recordOf, redeemCode, refresh, type AppRequest, type AppTokens } from './app-tokens.ts';
import { readProof, unproven, useProof, type Proof } from './dpop.ts';
import { purposeBit, purposeCodesOf } from '../principal/purpose.ts';
import { grantScopes } from '../client/scope-grant.ts';
import type { Authenticator } from '../token/token.ts';

/** SMART: "The recommended value is 300, for a five-minute token lifetime." */
export const tokenSeconds = 300;

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const sweepEveryMs = 60_000;

export interface AuthorizationOptions extends AppTokens {
  readonly authenticator: Authenticator;
}

/** A request of an endpoint -> the JSON of its answer. @throws OAuthProblem; Problem transient */
export type Answering = (parameters: Parameters, sent: Sent) => Promise<object>;

/** What comes with the parameters of a request. */
export interface Sent {
  /** The header DPoP. */
  readonly proof?: string | undefined;
  /** Where it comes from. */
  readonly address?: string | undefined;
}

export interface Authorization {
  readonly token: Answering;
  readonly introspect: Answering;
  readonly revoke: Answering;
}

export function openAuthorization(options: AuthorizationOptions): Authorization {
  const { db, audit, issuer, audience, fhirBase, keys, registry, authenticator, now } = options;
  const tokenEndpoint = `${issuer}${oauthPaths.token}`;
  let sweptAt = now();

  const clientOf = async (parameters: Parameters, sent: Sent): Promise<ActiveClient> => {
    const client = await authenticated(parameters, sent);
    if (now() - sweptAt > sweepEveryMs) {
      sweptAt = now();
      await sweepExpired(db);
      await sweepGrants(db);
    }
    return client;
  };

  const authenticated = async (parameters: Parameters, { address }: Sent): Promise<ActiveClient> => {
    if (parameters.has('client_secret')) throw new OAuthProblem('invalid_request', 'one way to authenticate at a time');
    const [assertion, claimed] = [parameters.get('client_assertion'), parameters.get('client_id')];
    // SMART asks no client_id of a public app that refreshes: the token names it (RFC 6749 section 3.2.1 asks it for codes).
    const named = claimed ?? (assertion === undefined ? await refreshing(parameters) : undefined);
    if (assertion === undefined && named !== undefined) {
      const client = await findClient(db, issuer, named);
      // RFC 6749 section 2.1: an app that runs where its user can look inside keeps no secret; who has keys shows them.
      if (client?.kind === 'app' && client.keys.length === 0) return client;
    }
    if (assertion === undefined || parameters.get('client_assertion_type') !== assertionType) {
      throw new OAuthProblem('invalid_client', `send client_assertion and client_assertion_type ${assertionType}`);
    }
    const client = await authenticateClient(assertion, { db, issuer, tokenEndpoint, address, now: now() });
    if (claimed !== undefined && claimed !== client.id) {
      throw new OAuthProblem('invalid_client', 'client_id is another than that of the assertion');
    }
    return client;
  };

  const refreshing = async (parameters: Parameters): Promise<string | undefined> => {
    const token = parameters.get('grant_type') === 'refresh_token' ? parameters.get('refresh_token') : undefined;
    return token === undefined ? undefined : (await findByRefreshToken(db, token))?.client;
  };

  /** @throws OAuthProblem invalid_dpop_proof */
  const proofOf = async (text: string | undefined, { isDpopBound }: ActiveClient): Promise<Proof | undefined> => {
    if (text === undefined && !isDpopBound) return undefined;
    const proof = text && (await readProof(text, { method: 'POST', url: tokenEndpoint, now: now() }));
    if (typeof proof === 'object') return proof;
    throw unproven();
  };

  /** What strangers try is counted (metrics), not recorded: they could fill the trail. */
  const record = async (interaction: string, client: ActiveClient, token: Issued): Promise<void> => {
    const { id: clientId, organization } = client;
    const principal = { issuer, subject: clientId, clientId, organization, scopes: [], isOperator: false, ...token };
    await audit.record([{ context: { principal, interaction, at: now() }, rows: 0, outcome: 'success' }]);
  };

  const grantToService = async ({ client, parameters, proof }: AppRequest): Promise<object> => {
    const scope = grantScopes(parameters.get('scope'), client.scopes);
    const purposes = choosePurposes(parameters.get('purpose_of_use'), client.purposes);
    if (proof !== undefined && !(await useProof(db, proof))) throw unproven();
    const issued = { jti: crypto.randomUUID(), expiresAt: now() + tokenSeconds * 1000, purposes: bitsOf(purposes) };
    const token = await issueToken(
      keys,
      {
        client_id: client.id,
        scope,
        organization: client.organization,
        purpose_of_use: purposes.length === 1 ? purposes[0] : purposes,
        ...(proof === undefined ? {} : { cnf: { jkt: proof.jkt } }),
        ...(client.provenBy === undefined ? {} : { client_kid: client.provenBy }),
      },
      { issuer, audience, jti: issued.jti, now: Math.trunc(now() / 1000), expiresInSeconds: tokenSeconds },
    );
    // As with a read: what cannot be recorded is not answered.
    await record('token', client, issued);
    return {
      access_token: token,
      token_type: proof === undefined ? 'bearer' : 'DPoP',
      expires_in: tokenSeconds,
      scope,
    };
  };

  const grants: ReadonlyMap<string, Granting> = new Map<string, Granting>([
    ['client_credentials', { isOfApps: false, answer: grantToService }],
    ['authorization_code', { isOfApps: true, answer: (request) => redeemCode(options, request) }],
    ['refresh_token', { isOfApps: true, answer: (request) => refresh(options, request) }],
  ]);

  /** The grant of a refresh token of this client. */
  const refreshable = async (token: string, client: ActiveClient): Promise<Grant | undefined> => {
    const grant = await findByRefreshToken(db, token);
    return grant?.issuer === issuer && grant.client === client.id ? grant : undefined;
  };

  return {
    token: async (parameters, sent) => {
      const client = await clientOf(parameters, sent);
      const grant = grants.get(required(parameters, 'grant_type'));
      if (grant === undefined) {
        throw new OAuthProblem('unsupported_grant_type', `the grant type is ${[...grants.keys()].join(' or ')}`);
      }
      if (grant.isOfApps !== (client.kind === 'app')) {
        throw new OAuthProblem('unauthorized_client', 'the client is not registered for this grant type');
      }
      const resource = parameters.get('resource');
      if (resource !== undefined && resource !== fhirBase && resource !== audience) {
        throw new OAuthProblem('invalid_target', 'the resource is the FHIR base URL');
      }
      return grant.answer({ client, parameters, proof: await proofOf(sent.proof, client) });
    },

    introspect: async (parameters, sent) => {
      const client = await clientOf(parameters, sent);
      // RFC 7662 section 2.1: whoever only names a client has shown nothing.
      if (client.keys.length === 0) throw notProven();
      const token = required(parameters, 'token');
      const inactive = { active: false };
      const grant = await refreshable(token, client);
      if (grant !== undefined) return isCurrent(grant, token, now()) ? claimsOf(grant) : inactive;
      try {
        // Active is what the facade accepts, by the same code.
        const principal = await authenticator.inspect(token);
        // RFC 7662 section 4: nobody finds out about tokens that are not theirs.
        if (principal.issuer !== issuer || principal.clientId !== client.id) return inactive;
        const claims: JWTPayload = decodeJwt(token);
        return { active: true, token_type: principal.jkt === undefined ? 'bearer' : 'DPoP', ...claims };
      } catch (error) {
        if (isRefusal(error)) return inactive;
        throw error;
      }
    },

    revoke: async (parameters, sent) => {
      const client = await clientOf(parameters, sent);
      const token = required(parameters, 'token');
      const grant = await refreshable(token, client);
      if (grant !== undefined) {
        // RFC 7009 section 2.1: with a refresh token end the access tokens of the same grant.
        await end(options, grant);
        await recordOf(options, 'token-revoke', grant);
        return {};
      }
      let claims;
      try {
        claims = await authenticator.verify(token);
      } catch (error) {
        // RFC 7009 section 2.2: what is not valid needs no revoking.
        if (isRefusal(error)) return {};
        throw error;
      }
      if (claims.iss !== issuer || claims['client_id'] !== client.id) {
        throw new OAuthProblem('invalid_grant', 'the token was issued to another client');
      }
      const revoked = { jti: claims.jti as string, expiresAt: (claims.exp as number) * 1000, purposes: 0 };
      await registry.revoke({ issuer, ...revoked });
      await record('token-revoke', client, revoked);
      return {};
    },
  };
}

interface Granting {
  readonly isOfApps: boolean;
  readonly answer: (request: AppRequest) => Promise<object>;
}

/** What the trail says of a token. */
interface Issued {
  readonly jti: string;
  readonly expiresAt: number;
  /** Bits of principal/purpose.ts. */
  readonly purposes: number;
}

/** Of a refresh token. */
function claimsOf({ issuer, client, person, patient, fhirUser, scopes, expiresAt }: Grant): object {
  return {
    active: true,
    iss: issuer,
    client_id: client,
    sub: person,
    scope: scopes.join(' '),
    fhirUser,
    ...(patient === null ? {} : { patient }),
    exp: Math.trunc(expiresAt / 1000),
  };
}

function bitsOf(codes: readonly string[]): number {
  return codes.reduce((bits, code) => bits | (purposeBit(code) ?? 0), 0);
}

function isRefusal(error: unknown): boolean {
  return error instanceof Problem && (error.code === 'login' || error.code === 'forbidden');
}

/**
 * A consent must cover every purpose of a token, so a client with several says for which it asks; with one it need not.
 * @throws OAuthProblem invalid_request
 */
function choosePurposes(requested: string | undefined, registered: number): string[] {
  const all = purposeCodesOf(registered);
  if (requested === undefined && all.length === 1) return all;
  const codes = [...new Set(requested?.split(' '))];
  if (codes.length > 0 && codes.every((code) => ((purposeBit(code) ?? 0) & registered) !== 0)) return codes;
  throw new OAuthProblem('invalid_request', `purpose_of_use is one or more of ${all.join(' ')}`);
}
