/** What clients discover. @see https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html */
export interface SmartOptions {
  readonly issuer: string;
}

/**
 * True to what runs: the keys are published, tokens are made by `hub token` or by a trusted issuer. Endpoints of the
 * authorization server are named once it answers under them.
 */
export function smartConfiguration({ issuer }: SmartOptions): string {
  return JSON.stringify({
    issuer,
    jwks_uri: `${issuer}/oauth/jwks`,
    grant_types_supported: [],
    scopes_supported: ['system/*.cruds', 'user/*.rs', 'patient/*.rs', 'patient/Consent.cruds', 'hub/ops'],
    capabilities: ['permission-patient', 'permission-user', 'permission-v2'],
  });
}
