/** The words of the authorization server that several files share: where it is, and how it refuses. HTTP is api/oauth.ts. */
import { Problem, type ProblemCode } from '../fhir/problem.ts';

/** Below the issuer. */
export const oauthPaths = {
  token: '/oauth/token',
  introspection: '/oauth/introspect',
  revocation: '/oauth/revoke',
  jwks: '/oauth/jwks',
} as const;

/** RFC 6749 section 5.2, RFC 8707 section 2 (invalid_target). */
const issueTypes = {
  invalid_request: 'structure',
  invalid_client: 'login',
  invalid_grant: 'forbidden',
  unsupported_grant_type: 'not-supported',
  invalid_scope: 'value',
  invalid_target: 'value',
  /** No code of RFC 6749 fits: too many requests, or the database is away. With Retry-After. */
  temporarily_unavailable: 'throttled',
} as const satisfies Record<string, ProblemCode>;

export type OAuthError = keyof typeof issueTypes;

export class OAuthProblem extends Problem {
  readonly error: OAuthError;
  /** @param description for the developer of the client: ASCII without quotes and backslashes, nothing of a patient */
  constructor(error: OAuthError, description: string, cause?: unknown) {
    super(issueTypes[error], description, { cause });
    this.error = error;
  }
}
