/**
 * What clients discover: one description of the authorization server, told in the three places where they look for it, and true
 * to what runs.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
 * @see https://www.rfc-editor.org/rfc/rfc8414
 * @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata
 */
import { assertionAlgorithms } from '../../access/client/keys.ts';
import { proofAlgorithms } from '../../access/oauth/dpop.ts';
import { launchScopes } from '../../access/oauth/launch-scope.ts';
import { oauthPaths } from '../../access/oauth/oauth.ts';

/** Below the issuer. */
export const discoveryPaths = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'] as const;

/** RFC 8414, with what OpenID Connect Discovery adds. */
export function serverMetadata(issuer: string): object {
  const at = (path: string): string => `${issuer}${path}`;
  const signed = { algorithms: assertionAlgorithms };
  return {
    issuer,
    jwks_uri: at(oauthPaths.jwks),
    authorization_endpoint: at(oauthPaths.authorization),
    token_endpoint: at(oauthPaths.token),
    registration_endpoint: at(oauthPaths.registration),
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
    // `none` is a public app, known by its PKCE.
    token_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: signed.algorithms,
    introspection_endpoint: at(oauthPaths.introspection),
    introspection_endpoint_auth_methods_supported: ['private_key_jwt'],
    introspection_endpoint_auth_signing_alg_values_supported: signed.algorithms,
    revocation_endpoint: at(oauthPaths.revocation),
    revocation_endpoint_auth_methods_supported: ['private_key_jwt', 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: signed.algorithms,
    dpop_signing_alg_values_supported: proofAlgorithms,
    scopes_supported: [...launchScopes, 'patient/*.cruds', 'system/*.cruds'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    claims_supported: ['iss', 'sub', 'aud', 'exp', 'iat', 'auth_time', 'nonce', 'amr', 'fhirUser'],
    prompt_values_supported: ['none', 'login', 'consent', 'select_account'],
    ui_locales_supported: ['zh', 'en', 'de'],
    claims_parameter_supported: false,
    request_parameter_supported: false,
    request_uri_parameter_supported: false,
  };
}

/**
 * SMART's own document. Launch from within an EHR, for clinicians, is not served: there is no EHR here that would show a patient
 * first, so `launch-ehr` and its context are not claimed.
 */
export function smartConfiguration(issuer: string): object {
  return {
    ...serverMetadata(issuer),
    capabilities: [
      'launch-standalone',
      'authorize-post',
      'client-public',
      'client-confidential-asymmetric',
      'sso-openid-connect',
      'context-standalone-patient',
      'permission-offline',
      'permission-online',
      'permission-patient',
      'permission-user',
      'permission-v2',
    ],
  };
}
