/**
 * The hub's own authorization server, without HTTP: SMART Backend Services (client_credentials), introspection, revocation.
 * It keeps nothing in memory that another process would have to know. Tokens are JWTs that the facade verifies like those
 * of any trusted issuer; why this is not a library is docs/decisions/0021.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
 */
import { decodeJwt, type JWTPayload } from 'jose';
import type { Tx } from '../db.ts';
import { Problem } from '../fhir/problem.ts';
import { authenticateClient, sweepExpired } from './assertion.ts';
import type { Audit } from './audit.ts';
import type { Client } from './client.ts';
import { issueToken } from './issue.ts';
import type { IssuerKeys } from './keys.ts';
import { oauthPaths, OAuthProblem } from './oauth.ts';
import { purposeBit, purposeCodesOf } from './purpose.ts';
import type { Registry } from './registry.ts';
import { grantScopes } from './scope-grant.ts';
import type { Authenticator } from './token.ts';

/** SMART: "The recommended value is 300, for a five-minute token lifetime." */
export const tokenSeconds = 300;

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const sweepEveryMs = 60_000;

export interface AuthorizationOptions {
  readonly db: Tx;
  readonly audit: Audit;
  readonly issuer: string;
  readonly audience: string;
  /** What `resource` (RFC 8707) may name, beside the audience. */
  readonly fhirBase: string;
  readonly keys: IssuerKeys;
  readonly registry: Registry;
  readonly authenticator: Authenticator;
  readonly now?: () => number;
}

/** Parameters of a request, each sent once. */
export type Parameters = ReadonlyMap<string, string>;

/** A request of an endpoint -> the JSON of its answer. @throws OAuthProblem; Problem transient */
export type Answering = (parameters: Parameters) => Promise<object>;

export interface Authorization {
  readonly token: Answering;
  readonly introspect: Answering;
  readonly revoke: Answering;
}

export function openAuthorization(options: AuthorizationOptions): Authorization {
  const { db, audit, issuer, audience, fhirBase, keys, registry, authenticator, now = Date.now } = options;
  let sweptAt = now();

  const clientOf = async (parameters: Parameters): Promise<Required<Client>> => {
    const assertion = parameters.get('client_assertion');
    if (assertion === undefined || parameters.get('client_assertion_type') !== assertionType) {
      throw new OAuthProblem('invalid_client', `send client_assertion and client_assertion_type ${assertionType}`);
    }
    if (parameters.has('client_secret')) throw new OAuthProblem('invalid_request', 'one way to authenticate at a time');
    const context = { db, issuer, tokenEndpoint: `${issuer}${oauthPaths.token}`, now: now() };
    const client = await authenticateClient(assertion, context);
    if (parameters.has('client_id') && parameters.get('client_id') !== client.id) {
      throw new OAuthProblem('invalid_client', 'client_id is another than that of the assertion');
    }
    if (now() - sweptAt > sweepEveryMs) {
      sweptAt = now();
      await sweepExpired(db);
    }
    return client;
  };

  /** What strangers try is counted (metrics), not recorded: they could fill the trail. */
  const record = async (interaction: string, client: Required<Client>, token: Issued): Promise<void> => {
    const { id: clientId, organization } = client;
    const principal = { issuer, subject: clientId, clientId, organization, scopes: [], isOperator: false, ...token };
    await audit.record([{ context: { principal, interaction, at: now() }, rows: 0, outcome: 'success' }]);
  };

  return {
    token: async (parameters) => {
      const client = await clientOf(parameters);
      const grant = required(parameters, 'grant_type');
      if (grant !== 'client_credentials') {
        throw new OAuthProblem('unsupported_grant_type', 'the grant type is client_credentials');
      }
      const resource = parameters.get('resource');
      if (resource !== undefined && resource !== fhirBase && resource !== audience) {
        throw new OAuthProblem('invalid_target', 'the resource is the FHIR base URL');
      }
      const scope = grantScopes(parameters.get('scope'), client.scopes);
      const purposes = choosePurposes(parameters.get('purpose_of_use'), client.purposes);
      const issued = { jti: crypto.randomUUID(), expiresAt: now() + tokenSeconds * 1000, purposes: bitsOf(purposes) };
      const token = await issueToken(
        keys,
        {
          client_id: client.id,
          scope,
          organization: client.organization,
          purpose_of_use: purposes.length === 1 ? purposes[0] : purposes,
        },
        { issuer, audience, jti: issued.jti, now: Math.trunc(now() / 1000), expiresInSeconds: tokenSeconds },
      );
      // As with a read: what cannot be recorded is not answered.
      await record('token', client, issued);
      return { access_token: token, token_type: 'bearer', expires_in: tokenSeconds, scope };
    },

    introspect: async (parameters) => {
      const client = await clientOf(parameters);
      const token = required(parameters, 'token');
      const inactive = { active: false };
      try {
        // Active is what the facade accepts, by the same code.
        const principal = await authenticator.authenticate(`Bearer ${token}`);
        // RFC 7662 section 4: nobody finds out about tokens that are not theirs.
        if (principal.issuer !== issuer || principal.clientId !== client.id) return inactive;
      } catch (error) {
        if (isRefusal(error)) return inactive;
        throw error;
      }
      const claims: JWTPayload = decodeJwt(token);
      return { active: true, token_type: 'bearer', ...claims };
    },

    revoke: async (parameters) => {
      const client = await clientOf(parameters);
      const token = required(parameters, 'token');
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

/** What the trail says of a token. */
interface Issued {
  readonly jti: string;
  readonly expiresAt: number;
  /** Bits of purpose.ts. */
  readonly purposes: number;
}

function bitsOf(codes: readonly string[]): number {
  return codes.reduce((bits, code) => bits | (purposeBit(code) ?? 0), 0);
}

function isRefusal(error: unknown): boolean {
  return error instanceof Problem && (error.code === 'login' || error.code === 'forbidden');
}

function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value !== undefined) return value;
  throw new OAuthProblem('invalid_request', `the parameter ${name} is missing`);
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
