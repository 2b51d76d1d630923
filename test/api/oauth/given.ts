/** A backend service with keys of its own: it signs assertions and sends forms, right ones unless told otherwise. */
import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { readClient, registerClient, type ClientRequest } from '../../../src/access/client/client.ts';
import type { GivenHub } from '../../given-hub.ts';

export interface GivenClient {
  readonly id: string;
  readonly kid: string;
  readonly key: CryptoKey;
  readonly publicJwk: JWK;
  /** An assertion; `undefined` takes a member away. */
  assertion(changes?: Changes): Promise<string>;
  /** POST with an assertion (a fresh one unless given) and these parameters. */
  post(path: string, parameters?: Record<string, string>): Promise<OAuthResponse>;
  token(parameters?: Record<string, string>): Promise<OAuthResponse>;
}

export interface Changes {
  readonly header?: object;
  readonly claims?: object;
  readonly key?: CryptoKey | Uint8Array;
}

export interface OAuthResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, unknown>;
}

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export async function postForm(
  url: string,
  body: string | Record<string, string>,
  headers: Record<string, string> = {},
): Promise<OAuthResponse> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof body === 'string' ? body : new URLSearchParams(body).toString(),
  });
  const json = (await response.json()) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, json };
}

export async function givenClient(
  hub: GivenHub,
  id: string,
  { alg = 'ES384', ...changes }: Partial<ClientRequest> & { alg?: string } = {},
): Promise<GivenClient> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  const publicJwk = { ...jwk, kid, alg };
  await registerClient(
    hub.database,
    readClient({
      issuer: hub.url,
      id,
      kind: 'ai',
      organization: 'Organization/ai-health-manager',
      purposes: ['TREAT'],
      scope: 'system/*.rs',
      jwks: JSON.stringify({ keys: [publicJwk] }),
      ...changes,
    }),
  );
  const client: GivenClient = {
    id,
    kid,
    key: privateKey,
    publicJwk,
    assertion: async ({ header, claims, key = privateKey } = {}) => {
      const now = Math.trunc(Date.now() / 1000);
      const all = {
        iss: id,
        sub: id,
        aud: `${hub.url}/oauth/token`,
        iat: now,
        exp: now + 60,
        jti: randomUUID(),
        ...claims,
      };
      // undefined goes, as a member that is not there.
      const plain = (value: object): Record<string, unknown> =>
        JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
      return new SignJWT(plain(all)).setProtectedHeader({ alg, ...plain({ typ: 'JWT', kid, ...header }) }).sign(key);
    },
    post: async (path, parameters) =>
      postForm(`${hub.url}${path}`, {
        client_assertion_type: assertionType,
        ...(parameters !== undefined && 'client_assertion' in parameters
          ? {}
          : { client_assertion: await client.assertion() }),
        ...parameters,
      }),
    token: (parameters) =>
      client.post('/oauth/token', { grant_type: 'client_credentials', scope: 'system/Patient.rs', ...parameters }),
  };
  return client;
}
