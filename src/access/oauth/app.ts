/**
 * Apps of patients, as they are registered: by the operator's command, or by the developer with a ticket (RFC 7591). An app acts
 * for the person who allowed it, so it has no organization, and its one purpose is the patient's own request.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
 */
import { normalize } from '../../fhir/fold.ts';
import { idPattern } from '../../fhir/ids.ts';
import { Problem } from '../../fhir/problem.ts';
import { parseClientKeys } from '../client/keys.ts';
import type { Client } from '../client/client.ts';
import { purpose } from '../principal/purpose.ts';
import { isLaunchScope } from './launch-scope.ts';
import { readRedirectUris } from './redirect-uri.ts';
import { scopeParts, scopesMax } from '../client/scope-grant.ts';

export interface AppRequest {
  readonly issuer: string;
  readonly id: string;
  readonly name: string;
  readonly redirectUris: readonly string[];
  /** Separated by spaces. */
  readonly scope: string;
  /** JSON. Absent: a public app, which no secret tells from a copy of it. */
  readonly jwks?: string | undefined;
  readonly isDpopBound?: boolean;
}

/** What fits on a line of the page. */
const nameCharsMax = 64;

/** @throws Problem value, structure, duplicate with the option or the member that is wrong */
export function readApp({ issuer, id, name, redirectUris, scope, jwks, isDpopBound = false }: AppRequest): Client {
  if (!idPattern.test(id)) {
    throw new Problem('value', 'a client id has 1 to 64 letters, digits, dots and dashes', { expression: 'client_id' });
  }
  const trimmed = normalize(name, 'NFC').trim();
  // Letters of any script; none that turns the line round, hides, or breaks it.
  if (trimmed === '' || trimmed.length > nameCharsMax || /[\p{C}\p{Zl}\p{Zp}<>]/u.test(trimmed)) {
    throw new Problem('value', `the name of an app has 1 to ${nameCharsMax} characters that can be read`, {
      expression: 'client_name',
    });
  }
  return {
    issuer,
    id,
    kind: 'app',
    name: trimmed,
    purposes: purpose.patientRequest,
    redirectUris: readRedirectUris(redirectUris, 'redirect_uris'),
    scopes: readAppScopes(scope, 'scope'),
    ...(jwks === undefined ? {} : { keys: parseClientKeys(jwks) }),
    isDpopBound,
  };
}

/** @throws Problem value */
export function readAppScopes(text: string, expression: string): string[] {
  const scopes = [...new Set(text.split(/\s+/).filter((scope) => scope !== ''))];
  const isKnown = (scope: string): boolean => isLaunchScope(scope) || scopeParts(scope, 'patient') !== undefined;
  if (scopes.length > 0 && scopes.length <= scopesMax && scopes.every(isKnown)) return scopes;
  throw new Problem('value', `an app has 1 to ${scopesMax} scopes that the hub serves to apps of patients`, {
    expression,
    hint: 'For example "launch/patient openid fhirUser offline_access patient/*.rs".',
  });
}
