/** An app of patients and a person who is signed in: what an app sends, right unless told otherwise, and what a person answers. */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { registerClient } from '../../../src/access/client/client.ts';
import { openSessions } from '../../../src/access/login/session.ts';
import { readApp, type AppRequest } from '../../../src/access/oauth/app.ts';
import { openRegistry } from '../../../src/access/client/registry.ts';
import { sql } from '../../../src/db/sql.ts';
import type { GivenHub } from '../../given-hub.ts';
import { assertionType, postForm, type OAuthResponse } from './given.ts';

export const redirectUri = 'http://127.0.0.1:9/callback';
export const allScopes = 'launch/patient openid fhirUser offline_access online_access patient/*.rs';

export interface GivenPerson {
  readonly account: string;
  readonly session: string;
  readonly cookie: string;
}

/** Somebody who is signed in. */
export async function givenPerson(hub: GivenHub, fhirUser: string | undefined): Promise<GivenPerson> {
  const [account] = (await hub.database.query(sql`
    insert into account (id, fhir_user, login) values (${randomUUID()}, ${fhirUser ?? null}, ${`who-${randomUUID()}`})
    on conflict (fhir_user) where fhir_user is not null do update set is_active = true
    returning id, login`)) as [{ id: string; login: string }];
  const registry = openRegistry(hub.database);
  const sessions = openSessions({ db: hub.database, issuer: hub.url, registry, now: Date.now });
  const { session, secret } = await sessions.open(
    hub.database,
    { ...account, fhirUser },
    { methods: ['pwd', 'otp'], agent: 'a test' },
  );
  return { account: account.id, session: session.id, cookie: `hub-session=${secret}` };
}

export interface GivenApp {
  readonly id: string;
  readonly verifier: string;
  /** Of a confidential app. */
  readonly key: CryptoKey | undefined;
  /** The parameters of an authorization request; undefined takes one away. */
  request(changes?: Changes): Record<string, string>;
  authorize(person: GivenPerson | undefined, changes?: Changes, method?: 'GET' | 'POST'): Promise<Response>;
  /** The page is shown, and answered. */
  launch(person: GivenPerson, changes?: Changes, answer?: Changes): Promise<URLSearchParams>;
  code(person: GivenPerson, changes?: Changes, answer?: Changes): Promise<string>;
  post(path: string, parameters: Record<string, string>, headers?: Record<string, string>): Promise<OAuthResponse>;
  redeem(code: string, changes?: Changes, headers?: Record<string, string>): Promise<OAuthResponse>;
  refresh(token: unknown, changes?: Changes, headers?: Record<string, string>): Promise<OAuthResponse>;
}

export type Changes = Readonly<Record<string, string | undefined>>;

function changed(of: Changes, changes: Changes = {}): Record<string, string> {
  const all = Object.entries({ ...of, ...changes });
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** @param isConfidential it has a key, and shows it */
export async function givenApp(
  hub: GivenHub,
  id: string,
  { isConfidential = false, ...changes }: Partial<AppRequest> & { isConfidential?: boolean } = {},
): Promise<GivenApp> {
  const pair = isConfidential ? await generateKeyPair('ES384', { extractable: true }) : undefined;
  const keys = pair && [{ ...(await exportJWK(pair.publicKey)), kid: id, alg: 'ES384' }];
  await registerClient(
    hub.database,
    readApp({
      issuer: hub.url,
      id,
      name: 'Blood sugar diary',
      redirectUris: [redirectUri],
      scope: allScopes,
      ...(keys === undefined ? {} : { jwks: JSON.stringify({ keys }) }),
      ...changes,
    }),
  );
  const verifier = randomBytes(32).toString('base64url');
  const authentication = async (): Promise<Record<string, string>> =>
    pair === undefined
      ? { client_id: id }
      : { client_assertion_type: assertionType, client_assertion: await assertionOf(hub, id, pair.privateKey) };
  const app: GivenApp = {
    id,
    verifier,
    key: pair?.privateKey,
    request: (wanted) =>
      changed(
        {
          response_type: 'code',
          client_id: id,
          redirect_uri: redirectUri,
          scope: 'launch/patient openid fhirUser patient/*.rs',
          state: 'state-1',
          aud: hub.fhir,
          code_challenge: createHash('sha256').update(verifier).digest('base64url'),
          code_challenge_method: 'S256',
        },
        wanted,
      ),
    authorize: (person, wanted, method = 'GET') => {
      const form = new URLSearchParams(app.request(wanted));
      const headers = new Headers(person === undefined ? [] : [['cookie', person.cookie]]);
      return method === 'GET'
        ? fetch(`${hub.url}/oauth/authorize?${form.toString()}`, { headers, redirect: 'manual' })
        : fetch(`${hub.url}/oauth/authorize`, { method, headers, body: form, redirect: 'manual' });
    },
    launch: async (person, wanted, answer) => {
      const page = await app.authorize(person, wanted);
      const html = await page.text();
      if (page.status !== 200) throw new Error(`${page.status} ${page.headers.get('location')} ${html}`);
      const decided = await decide(hub, person, { ...fieldsOf(html), decision: 'allow', ...answer });
      const location = decided.headers.get('location');
      if (decided.status !== 303 || location === null) throw new Error(`${decided.status} ${await decided.text()}`);
      return new URL(location).searchParams;
    },
    code: async (person, wanted, answer) => {
      const answered = await app.launch(person, wanted, answer);
      const code = answered.get('code');
      if (code === null) throw new Error(answered.toString());
      return code;
    },
    post: async (path, parameters, headers) =>
      postForm(`${hub.url}${path}`, { ...(await authentication()), ...parameters }, headers),
    redeem: (code, wanted, headers) => {
      const right = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier };
      return app.post('/oauth/token', changed(right, wanted), headers);
    },
    refresh: (token, wanted, headers) =>
      app.post('/oauth/token', changed({ grant_type: 'refresh_token', refresh_token: String(token) }, wanted), headers),
  };
  return app;
}

function assertionOf(hub: GivenHub, id: string, key: CryptoKey): Promise<string> {
  return new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES384', kid: id, typ: 'JWT' })
    .setIssuer(id)
    .setSubject(id)
    .setAudience(`${hub.url}/oauth/token`)
    .setExpirationTime('1 minute')
    .sign(key);
}

/** What a browser would send of the page: hidden fields, boxes that are ticked, the one patient. */
export function fieldsOf(html: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [tag] of html.matchAll(/<input[^>]*>/g)) {
    const of = (name: string): string | undefined => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
    const isSent = of('type') === 'hidden' || /\bchecked\b/.test(tag);
    if (isSent) fields[of('name') ?? ''] = (of('value') ?? '').replaceAll('&amp;', '&');
  }
  return fields;
}

export function decide(
  hub: GivenHub,
  person: GivenPerson | undefined,
  fields: Changes,
  headers = {},
): Promise<Response> {
  return fetch(`${hub.url}/oauth/decision`, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...(person === undefined ? {} : { cookie: person.cookie }), ...headers },
    body: new URLSearchParams(changed(fields)),
  });
}

export interface GivenKey {
  readonly jkt: string;
  readonly jwk: JWK;
  /** A proof, right unless told otherwise; undefined takes a member away. */
  proof(url: string, changes?: ProofChanges): Promise<string>;
}

export interface ProofChanges {
  readonly method?: string;
  readonly accessToken?: string;
  readonly claims?: object;
  readonly header?: object;
  readonly key?: CryptoKey | Uint8Array;
}

/** A key that an app holds (RFC 9449). */
export async function givenKey(alg = 'ES256'): Promise<GivenKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const jwk = await exportJWK(publicKey);
  return {
    jkt: await calculateJwkThumbprint(jwk),
    jwk,
    proof: (url, { method = 'POST', accessToken, claims, header, key = privateKey } = {}) => {
      const ath = accessToken && createHash('sha256').update(accessToken).digest('base64url');
      const all = { jti: randomUUID(), htm: method, htu: url, iat: Math.trunc(Date.now() / 1000), ath, ...claims };
      const plain = (value: object): Record<string, unknown> =>
        JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
      return new SignJWT(plain(all))
        .setProtectedHeader({ alg, ...plain({ typ: 'dpop+jwt', jwk, ...header }) })
        .sign(key);
    },
  };
}
