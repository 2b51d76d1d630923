/** What clients discover. @see https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html */
import { assertionAlgorithms } from '../access/client-keys.ts';
import { oauthPaths } from '../access/oauth.ts';

export interface SmartOptions {
  readonly issuer: string;
}

/**
 * True to what runs: Backend Services. There is no authorization endpoint yet, so none of its members (PKCE methods, response
 * types, launch capabilities) is claimed; tokens of users come from a trusted issuer or from `hub token`.
 */
export function smartConfiguration({ issuer }: SmartOptions): string {
  const authentication = { methods: ['private_key_jwt'], algorithms: assertionAlgorithms };
  return JSON.stringify({
    issuer,
    jwks_uri: `${issuer}${oauthPaths.jwks}`,
    token_endpoint: `${issuer}${oauthPaths.token}`,
    token_endpoint_auth_methods_supported: authentication.methods,
    token_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    grant_types_supported: ['client_credentials'],
    introspection_endpoint: `${issuer}${oauthPaths.introspection}`,
    introspection_endpoint_auth_methods_supported: authentication.methods,
    introspection_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    revocation_endpoint: `${issuer}${oauthPaths.revocation}`,
    revocation_endpoint_auth_methods_supported: authentication.methods,
    revocation_endpoint_auth_signing_alg_values_supported: authentication.algorithms,
    scopes_supported: ['system/*.cruds', 'user/*.rs', 'patient/*.rs', 'patient/Consent.cruds', 'hub/ops'],
    capabilities: ['client-confidential-asymmetric', 'permission-patient', 'permission-user', 'permission-v2'],
  });
}
