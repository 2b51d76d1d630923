/**
 * Signing in with an OpenID provider that the installation has already: authorization code with PKCE, state and nonce. The
 * provider says who it is; whose account that is was settled when an invitation was redeemed there. How strictly the provider
 * looks (a second factor) is its own affair.
 *
 * @see https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth
 * @see https://www.rfc-editor.org/rfc/rfc9700 OAuth 2.0 Security Best Current Practice
 */
import type { Configuration } from 'openid-client';
import type { Sealer } from '../secrets/seal.ts';

export interface ExternalOptions {
  readonly issuer: string;
  readonly clientId: string;
  /** Undefined: a public client; PKCE alone. */
  readonly clientSecret?: string | undefined;
}

/** Who signed in there. */
export interface Vouched {
  readonly issuer: string;
  /** `sub`: never given to anybody else by this issuer. */
  readonly subject: string;
  /** `external`, and what the provider says of how (`amr`). */
  readonly methods: readonly string[];
  /** Epoch milliseconds, when the provider says so. */
  readonly authenticatedAt: number | undefined;
}

/** What is kept in the browser on the way there and back. */
export interface Journey {
  readonly returnTo: string;
  /** An invitation that is to be redeemed by this. */
  readonly invitation?: string | undefined;
}

export interface External {
  readonly issuer: string;
  /** @returns where the browser goes, and what it keeps, sealed */
  begin(journey: Journey): Promise<{ url: string; kept: string }>;
  /** What the browser kept; undefined: it is not ours, or of long ago. */
  journeyOf(kept: string): (Journey & Checks) | undefined;
  /** @param url with which the browser came back @throws whatever the provider, or the way to it, did wrong */
  finish(url: URL, checks: Checks): Promise<Vouched>;
}

interface Checks {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

/** To sign in there, with a lost phone looked for. */
export const journeySeconds = 600;
/** What was proved there longer ago is proved again: a session here lasts half a day from then. */
const authenticationAgeSecondsMax = 3600;
const timeoutSeconds = 10;
const methodsMax = 8;
const sealedFor = 'external';

export function openExternal(
  { issuer, clientId, clientSecret }: ExternalOptions,
  { sealer, redirectUri, now }: { sealer: Sealer; redirectUri: string; now: () => number },
): External {
  // 90 kB of code that a hub without such a provider never needs.
  const load = () => import('openid-client');
  let configured: Promise<Configuration> | undefined;

  /** Asked for once it is needed: a provider that is away keeps no hub from starting. */
  const configuration = (): Promise<Configuration> => {
    configured ??= load()
      .then(async ({ discovery, allowInsecureRequests, ClientSecretPost, None }) =>
        discovery(
          new URL(issuer),
          clientId,
          undefined,
          clientSecret === undefined ? None() : ClientSecretPost(clientSecret),
          // config.ts takes http on this machine alone.
          { timeout: timeoutSeconds, execute: issuer.startsWith('http:') ? [allowInsecureRequests] : [] },
        ),
      )
      .catch((error: unknown) => {
        configured = undefined;
        throw error;
      });
    return configured;
  };

  return {
    issuer,

    begin: async (journey) => {
      const [client, config] = await Promise.all([load(), configuration()]);
      const checks = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
      };
      const url = client.buildAuthorizationUrl(config, {
        redirect_uri: redirectUri,
        scope: 'openid',
        state: checks.state,
        nonce: checks.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(checks.verifier),
        code_challenge_method: 'S256',
        max_age: String(authenticationAgeSecondsMax),
      });
      const kept = sealer.seal(JSON.stringify({ ...journey, ...checks, at: now() }), sealedFor);
      return { url: url.href, kept };
    },

    journeyOf: (kept) => {
      const text = sealer.open(kept, sealedFor);
      if (text === undefined) return undefined;
      const journey = JSON.parse(text) as Journey & Checks & { at: number };
      return now() - journey.at < journeySeconds * 1000 ? journey : undefined;
    },

    finish: async (url, { state, nonce, verifier }) => {
      const [client, config] = await Promise.all([load(), configuration()]);
      const tokens = await client.authorizationCodeGrant(config, url, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        maxAge: authenticationAgeSecondsMax,
        idTokenExpected: true,
      });
      const claims = tokens.claims();
      if (claims === undefined) throw new Error('no id_token');
      const amr = Array.isArray(claims['amr']) ? claims['amr'].filter((one) => typeof one === 'string') : [];
      return {
        issuer,
        subject: claims.sub,
        methods: ['external', ...amr.slice(0, methodsMax)],
        authenticatedAt: claims.auth_time === undefined ? undefined : claims.auth_time * 1000,
      };
    },
  };
}
