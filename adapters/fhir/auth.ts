/**
 * Who the hub is to a source. Tokens are kept in memory until shortly before they expire, by endpoint; when a source refuses one,
 * one new one is asked for.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.4 Client Credentials Grant
 */
import { createPrivateKey, hash, randomUUID, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { Problem } from '../../src/fhir/problem.ts';
import type { Answer, HttpClient } from './http.ts';
import { requireSecret, type Connection } from './settings.ts';

export interface AuthOptions {
  readonly settings: Connection;
  readonly secrets: Readonly<Record<string, string>>;
  readonly http: HttpClient;
  readonly now: () => Date;
}

export interface Auth {
  /** The `Authorization` of the next request; undefined where none is needed. @throws Problem login when it is refused */
  header(): Promise<string | undefined>;
  /** The source did not take it: the next one is asked for anew. @returns false when that cannot help */
  forget(): boolean;
}

interface Token {
  readonly header: string;
  /** Epoch milliseconds after which a new one is asked for. */
  readonly renewAt: number;
}

/** Of all endpoints of this process: the oldest go. */
const tokensMax = 10_000;
const tokens = new Map<string, Token>();
/** RFC 6749 section 5.1: `expires_in` is recommended only. SMART recommends five minutes at most. */
const expiresInDefault = 300;
/** What is asked for at the end of a page's wait must still be believed then. */
const renewBeforeSeconds = 60;
/** SMART: "no more than five minutes in the future"; a minute less for the way and rounding. */
const assertionSeconds = 240;
/** Clocks that differ by less do not make a server refuse an assertion. */
const skewMsMin = 30_000;

export function openAuth(options: AuthOptions): Auth {
  const { settings, secrets, now } = options;
  const { auth, user = '' } = settings;
  if (auth === 'none') return fixed(undefined);
  if (auth === 'bearer') return fixed(`Bearer ${requireSecret(secrets, 'token')}`);
  if (auth === 'basic') {
    // RFC 7617 section 2.1: UTF-8.
    const pair = Buffer.from(`${user}:${requireSecret(secrets, 'password')}`, 'utf8').toString('base64');
    return fixed(`Basic ${pair}`);
  }
  const key = keyOf(options);
  return {
    header: async () => {
      const held = tokens.get(key);
      if (held !== undefined && held.renewAt > now().getTime()) return held.header;
      const token = await askToken(options);
      tokens.delete(key);
      if (tokens.size >= tokensMax) tokens.delete(tokens.keys().next().value as string);
      tokens.set(key, token);
      return token.header;
    },
    forget: () => tokens.delete(key),
  };
}

function fixed(header: string | undefined): Auth {
  return { header: () => Promise.resolve(header), forget: () => false };
}

/** A changed setting or secret makes another key: no token outlives what it was obtained by. */
function keyOf({ settings, secrets }: AuthOptions): string {
  const { base, client, tokenUrl, scope, auth, kid, algorithm } = settings;
  const own = [base, client, tokenUrl, scope, auth, kid, algorithm, secrets['client-secret'], secrets['private-key']];
  return hash('sha256', JSON.stringify(own), 'hex');
}

async function askToken(options: AuthOptions): Promise<Token> {
  const { http, now, settings } = options;
  const tokenUrl = settings.tokenUrl ?? (await discover(options));
  let answer = await sendRequest(options, tokenUrl);
  // An assertion has a time by our clock. A server whose own differs refuses it, and tells its time with the refusal.
  const mayBeClock = (answer.status === 400 || answer.status === 401) && Math.abs(http.aheadMs) > skewMsMin;
  if (mayBeClock && settings.auth === 'private-key-jwt') answer = await sendRequest(options, tokenUrl);
  if (answer.status !== 200) throw refused(answer);
  const { access_token: token, token_type: type = 'bearer', expires_in: expires } = readJson(answer);
  if (typeof token !== 'string' || token === '' || String(type).toLowerCase() !== 'bearer') {
    throw new Problem('transient', 'the token server answers without a bearer token');
  }
  const seconds = Number(expires ?? expiresInDefault);
  const lasting = Math.max(seconds - Math.min(renewBeforeSeconds, seconds / 2), 0);
  return { header: `Bearer ${token}`, renewAt: now().getTime() + (Number.isNaN(lasting) ? 0 : lasting * 1_000) };
}

/** @see https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html */
async function discover({ http, settings }: AuthOptions): Promise<string> {
  const answer = await http.send({
    url: `${settings.base}/.well-known/smart-configuration`,
    headers: { accept: 'application/json' },
  });
  const found = answer.status === 200 ? readJson(answer)['token_endpoint'] : undefined;
  if (typeof found === 'string') return found;
  throw new Problem('login', 'the source does not say where tokens are issued', {
    expression: 'tokenUrl',
    hint: 'Set `tokenUrl`.',
  });
}

async function sendRequest(options: AuthOptions, tokenUrl: string): Promise<Answer> {
  const { http, settings, secrets } = options;
  const { client = '', scope, auth } = settings;
  const form = new URLSearchParams({ grant_type: 'client_credentials', scope });
  const headers: Record<string, string> = {
    'content-type': 'application/x-www-form-urlencoded',
    accept: 'application/json',
  };
  if (auth === 'private-key-jwt') {
    form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    form.set('client_assertion', await signAssertion(options, tokenUrl));
  } else {
    // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
    const [id, secret] = [client, requireSecret(secrets, 'client-secret')].map(encodeForm);
    headers['authorization'] = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  }
  return http.send({ method: 'POST', url: tokenUrl, headers, body: form.toString() });
}

function encodeForm(text: string): string {
  return new URLSearchParams({ text }).toString().slice('text='.length);
}

async function signAssertion({ settings, secrets, http, now }: AuthOptions, audience: string): Promise<string> {
  const { client = '', kid, algorithm } = settings;
  const key = readKey(requireSecret(secrets, 'private-key'));
  const seconds = Math.trunc((now().getTime() + http.aheadMs) / 1_000);
  const name = kid ?? key.kid;
  return new SignJWT()
    .setProtectedHeader({
      alg: algorithm ?? key.alg ?? algorithmOf(key.key),
      typ: 'JWT',
      ...(name === undefined ? {} : { kid: name }),
    })
    .setIssuer(client)
    .setSubject(client)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + assertionSeconds)
    .sign(key.key);
}

/** PEM (PKCS #8, PKCS #1 or SEC 1), or a JWK. @throws Problem value */
function readKey(text: string): { key: KeyObject; kid?: string; alg?: string } {
  try {
    if (!text.trimStart().startsWith('{')) return { key: createPrivateKey(text) };
    const jwk = JSON.parse(text) as { kid?: string; alg?: string };
    return { key: createPrivateKey({ key: jwk, format: 'jwk' }), kid: jwk.kid, alg: jwk.alg };
  } catch {
    // Its error may quote the key.
    throw new Problem('value', 'the secret private-key is no private key', {
      expression: 'private-key',
      hint: 'Give a PEM file or a JWK.',
    });
  }
}

/** SMART: "servers SHALL support RS384 or ES384". */
function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (asymmetricKeyType !== 'ec') return 'RS384';
  return asymmetricKeyDetails?.namedCurve === 'prime256v1' ? 'ES256' : 'ES384';
}

/** The error's code alone: a description may say anything. */
function refused({ status, body }: Answer): Problem {
  if (status >= 500 || status === 429) return new Problem('transient', `the token server answers ${status}`);
  let code = '';
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: unknown };
    if (typeof error === 'string' && /^[a-z_]{1,40}$/.test(error)) code = `: ${error}`;
  } catch {
    // No JSON: the status says enough.
  }
  return new Problem('login', `the token server refuses the hub (${status}${code})`, {
    hint: 'Compare `client`, `scope`, `kid` and the secret with what the source has registered.',
  });
}

function readJson({ body }: Answer): Record<string, unknown> {
  try {
    const value = JSON.parse(body.toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, without what it quotes.
  }
  throw new Problem('transient', 'the token server answers with something that is no JSON');
}
