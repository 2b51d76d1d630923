/**
 * The authorization request of an app, read in the order that keeps people safe: who asks and where they are sent back to first
 * (a fault there is told to the person, never to an address), then everything else, whose faults are told to the app.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1
 * @see https://www.rfc-editor.org/rfc/rfc7636 PKCE
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
 */
import type { ActiveClient } from '../client/client.ts';
import { OAuthProblem, required, type OAuthError, type Parameters } from './oauth.ts';
import { grantLaunchScopes } from './launch-scope.ts';

/** Base64url of SHA-256. */
const digestPattern = /^[\w-]{43}$/;
/** Texts that travel unread. */
const opaqueCharsMax = 1_024;
/** What `max_age` and `prompt=login` come to at least: as long as it takes from signing in to this page. */
const freshSecondsMin = 60;

export interface AuthorizationRequest {
  readonly client: string;
  readonly redirectUri: string;
  readonly state: string | undefined;
  readonly scopes: readonly string[];
  readonly nonce: string | undefined;
  readonly codeChallenge: string;
  readonly jkt: string | undefined;
}

/** How the person must have signed in. */
export interface Presence {
  /** Seconds; undefined: whenever that was. */
  readonly maxAge: number | undefined;
  /** `prompt=none`: nobody is there to be asked. */
  readonly isSilent: boolean;
}

/** A refusal that the app is told, by sending the person back to it. */
export class RefusalToApp extends OAuthProblem {
  readonly location: string;
  constructor(problem: OAuthProblem, back: Back) {
    super(problem.error, problem.message, problem);
    this.location = backTo(back, { error: problem.error, error_description: problem.message });
  }
}

export interface Back {
  readonly issuer: string;
  readonly redirectUri: string;
  readonly state: string | undefined;
}

/** The address of the app with an answer. RFC 9207: it says whose answer it is, so that an app that knows two servers is not misled. */
export function backTo({ issuer, redirectUri, state }: Back, answer: Readonly<Record<string, string>>): string {
  const query = new URLSearchParams({ ...answer, ...(state === undefined ? {} : { state }), iss: issuer });
  return `${redirectUri}${redirectUri.includes('?') ? '&' : '?'}${query.toString()}`;
}

/**
 * The address that the person came from, once it is sure.
 * @throws OAuthProblem invalid_request, for the person alone
 */
export function readBack(parameters: Parameters, client: ActiveClient | undefined, issuer: string): Back {
  if (client?.kind !== 'app') throw new OAuthProblem('invalid_request', 'client_id names no app of this hub');
  const redirectUri = required(parameters, 'redirect_uri');
  // RFC 9700 section 2.1: as a whole, byte for byte.
  if (!client.redirectUris.includes(redirectUri)) {
    throw new OAuthProblem('invalid_request', 'redirect_uri is not one that the app is registered with');
  }
  return { issuer, redirectUri, state: parameters.get('state') };
}

/** @throws OAuthProblem, to be told to the app */
export function readAuthorizationRequest(
  parameters: Parameters,
  client: ActiveClient,
  { redirectUri, state }: Back,
  audiences: readonly string[],
): AuthorizationRequest & Presence {
  const refuse = (error: OAuthError, description: string): OAuthProblem => new OAuthProblem(error, description);
  const opaque = (name: string): string | undefined => {
    const value = parameters.get(name);
    if (value === undefined || (value.length <= opaqueCharsMax && /^[\x20-\x7E]+$/.test(value))) return value;
    throw refuse('invalid_request', `${name} has at most ${opaqueCharsMax} characters of ASCII`);
  };
  for (const name of ['request', 'request_uri', 'registration'] as const) {
    if (parameters.has(name)) throw refuse(`${name}_not_supported`, `the parameter ${name} is not supported`);
  }
  if (required(parameters, 'response_type') !== 'code') {
    throw refuse('unsupported_response_type', 'the response_type is code');
  }
  if ((parameters.get('response_mode') ?? 'query') !== 'query') {
    throw refuse('invalid_request', 'the response_mode is query');
  }
  if (parameters.has('launch')) {
    throw refuse(
      'invalid_request',
      'a launch from within an EHR is not served: launch standalone, with launch/patient',
    );
  }
  const codeChallenge = required(parameters, 'code_challenge');
  // RFC 7636 section 4.3: absent means plain, which protects from nobody who sees the request.
  if (parameters.get('code_challenge_method') !== 'S256') {
    throw refuse('invalid_request', 'the code_challenge_method is S256');
  }
  if (!digestPattern.test(codeChallenge)) {
    throw refuse('invalid_request', 'code_challenge is the SHA-256 of the code_verifier in base64url');
  }
  const jkt = parameters.get('dpop_jkt');
  if (jkt !== undefined && !digestPattern.test(jkt)) {
    throw refuse('invalid_request', 'dpop_jkt is the SHA-256 thumbprint of a key');
  }
  // SMART: `aud` keeps an app from handing the token it gets here to a server that pretends to be this one.
  const audience = parameters.get('aud') ?? parameters.get('resource');
  if (audience === undefined) throw refuse('invalid_request', 'the parameter aud is missing: the FHIR base URL');
  if (!audiences.includes(audience.replace(/\/$/, ''))) throw refuse('invalid_target', 'aud is the FHIR base URL');
  return {
    client: client.id,
    redirectUri,
    state: state === undefined ? undefined : opaque('state'),
    scopes: grantLaunchScopes(parameters.get('scope'), client.scopes),
    nonce: opaque('nonce'),
    codeChallenge,
    jkt,
    ...readPresence(parameters),
  };
}

/** @see https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest prompt, max_age */
function readPresence(parameters: Parameters): Presence {
  const prompts = (parameters.get('prompt') ?? '').split(' ').filter((prompt) => prompt !== '');
  const isSilent = prompts.includes('none');
  if (isSilent && prompts.length > 1) throw new OAuthProblem('invalid_request', 'the prompt none stands alone');
  const text = parameters.get('max_age');
  if (text !== undefined && !/^\d{1,9}$/.test(text)) throw new OAuthProblem('invalid_request', 'max_age is in seconds');
  const ages = [
    ...(text === undefined ? [] : [Number(text)]),
    ...(prompts.includes('login') || prompts.includes('select_account') ? [0] : []),
  ];
  return { isSilent, maxAge: ages.length === 0 ? undefined : Math.max(freshSecondsMin, Math.min(...ages)) };
}
