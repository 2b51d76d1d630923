/** The words of the authorization server that several files share: where it is, and how it refuses. HTTP is api/oauth/. */
import { Problem, type ProblemCode } from '../../fhir/problem.ts';

/** Below the issuer. */
export const oauthPaths = {
  authorization: '/oauth/authorize',
  /** Where the page of the endpoint above sends what the person decided. */
  decision: '/oauth/decision',
  /** Where people see what they allowed, and end it. */
  apps: '/oauth/apps',
  registration: '/oauth/register',
  token: '/oauth/token',
  introspection: '/oauth/introspect',
  revocation: '/oauth/revoke',
  jwks: '/oauth/jwks',
} as const;

/**
 * RFC 6749 sections 4.1.2.1 and 5.2, RFC 8707 section 2 (invalid_target), OpenID Connect Core section 3.1.2.6, RFC 9449 section 5
 * (invalid_dpop_proof), RFC 7591 section 3.2.2 (redirect URI, metadata), RFC 6750 section 3.1 (invalid_token).
 */
const issueTypes = {
  invalid_request: 'structure',
  invalid_client: 'login',
  invalid_grant: 'forbidden',
  unauthorized_client: 'forbidden',
  access_denied: 'forbidden',
  unsupported_grant_type: 'not-supported',
  unsupported_response_type: 'not-supported',
  request_not_supported: 'not-supported',
  request_uri_not_supported: 'not-supported',
  registration_not_supported: 'not-supported',
  login_required: 'login',
  interaction_required: 'login',
  invalid_dpop_proof: 'login',
  invalid_token: 'login',
  invalid_redirect_uri: 'value',
  invalid_client_metadata: 'value',
  invalid_scope: 'value',
  invalid_target: 'value',
  /** No code of RFC 6749 fits: too many requests, or the database is away. With Retry-After. */
  temporarily_unavailable: 'throttled',
} as const satisfies Record<string, ProblemCode>;

export type OAuthError = keyof typeof issueTypes;

/** Parameters of a request, each sent once. */
export type Parameters = ReadonlyMap<string, string>;

/** @throws OAuthProblem invalid_request */
export function required(parameters: Parameters, name: string): string {
  const value = parameters.get(name);
  if (value !== undefined) return value;
  throw new OAuthProblem('invalid_request', `the parameter ${name} is missing`);
}

export class OAuthProblem extends Problem {
  readonly error: OAuthError;
  /** @param description for the developer of the client: ASCII without quotes and backslashes, nothing of a patient */
  constructor(error: OAuthError, description: string, cause?: unknown) {
    super(issueTypes[error], description, { cause });
    this.error = error;
  }
}
