/**
 * What an app of a patient asks for: data scopes (`patient/Type.cruds?query`), which the access predicate understands, and the
 * five words of SMART beside them.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
 */
import { OAuthProblem } from './oauth.ts';
import { grantScopes, scopesMax } from '../client/scope-grant.ts';

export const launchScopes = ['openid', 'fhirUser', 'launch/patient', 'offline_access', 'online_access'] as const;
export type LaunchScope = (typeof launchScopes)[number];

export function isLaunchScope(text: string): text is LaunchScope {
  return (launchScopes as readonly string[]).includes(text);
}

/** How long an app may go on: until its token ends, while the person is signed in, or without them. */
export type Lasting = 'token' | 'session' | 'offline';

/**
 * The scopes that an app is granted of those it asks for: the intersection with what it is registered for, or with what it was
 * granted before. Words first, in their order, then data.
 * @throws OAuthProblem invalid_scope
 */
export function grantLaunchScopes(requested: string | undefined, allowed: readonly string[]): string[] {
  const texts = [...new Set((requested ?? '').split(' ').filter((text) => text !== ''))];
  if (texts.length === 0) throw new OAuthProblem('invalid_scope', 'the parameter scope is missing');
  if (texts.length > scopesMax) {
    throw new OAuthProblem('invalid_scope', `at most ${scopesMax} scopes may be asked for at once`);
  }
  // RFC 6749 section 3.3: scope-token.
  if (texts.some((text) => !/^[\x21\x23-\x5B\x5D-\x7E]+$/.test(text))) {
    throw new OAuthProblem('invalid_scope', 'a scope has characters that no scope has');
  }
  const words = launchScopes.filter((word) => texts.includes(word) && allowed.includes(word));
  const data = texts.filter((text) => !isLaunchScope(text));
  const granted = [...words, ...(data.length === 0 ? [] : grantScopes(data.join(' '), allowed, 'patient').split(' '))];
  if (granted.length > 0) return granted;
  throw new OAuthProblem('invalid_scope', 'the client is not registered for any of these scopes');
}

/** SMART: `patient/` scopes without `launch/patient` make the hub choose a patient as well. */
export function needsPatient(scopes: readonly string[]): boolean {
  return scopes.some((scope) => scope === 'launch/patient' || scope.startsWith('patient/'));
}

/** `offline_access` contains the other. */
export function lastingOf(scopes: readonly string[]): Lasting {
  if (scopes.includes('offline_access')) return 'offline';
  return scopes.includes('online_access') ? 'session' : 'token';
}
