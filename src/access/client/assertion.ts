/**
 * A client proves who it is: private_key_jwt. Everything that is plain from the assertion itself is refused by name, before
 * anybody is looked up; who is registered, with which keys, is not told: those refusals have one text.
 *
 * @see https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
 * @see https://www.rfc-editor.org/rfc/rfc7523 JWT Profile for OAuth 2.0 Client Authentication
 * @see https://www.rfc-editor.org/rfc/rfc8725 JSON Web Token Best Current Practices
 */
import { hash } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JWTPayload } from 'jose';
import type { Tx } from '../../db.ts';
import { sql } from '../../db/sql.ts';
import { idPattern } from '../../fhir/ids.ts';
import { assertionAlgorithms } from './keys.ts';
import { findClient, type ActiveClient } from './client.ts';
import { isInside, networksOf } from './network.ts';
import { OAuthProblem } from '../oauth/oauth.ts';

/** SMART: "no more than five minutes in the future". */
const assertionSecondsMax = 300;
/** Clocks of clients and ours. */
const clockSkewSeconds = 60;
/** A header, seven claims and the signature of an RSA key of 8192 bits have 2 kB. */
const assertionCharsMax = 8_192;
const jtiCharsMax = 255;
/**
 * What one client may use in a minute, over all processes; a token lives five. Only assertions with a good signature count,
 * so nobody uses up what is another's. There is no lock on failures: it would lock out the client, and a key is not guessed.
 */
const assertionsPerMinuteMax = 600;
/** They name keys (or where to get some) that the registration does not. jose refuses an unknown `crit` by itself. */
const keyHeaders = ['jku', 'jwk', 'x5u', 'x5c', 'crit'];

export interface AssertionContext {
  readonly db: Tx;
  readonly issuer: string;
  readonly tokenEndpoint: string;
  /** Where the request comes from (network.ts). */
  readonly address?: string | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** @throws OAuthProblem invalid_client, temporarily_unavailable */
export async function authenticateClient(assertion: string, context: AssertionContext): Promise<ActiveClient> {
  const { db, issuer, now, address } = context;
  const claimed = readAssertion(assertion, context);
  const client = await findClient(db, issuer, claimed.sub);
  let kid: string | undefined;
  try {
    // A client that is not there has no key of this kid, like one that is: nobody measures who is registered (LEAKS 54).
    const { protectedHeader } = await jwtVerify(assertion, createLocalJWKSet({ keys: [...(client?.keys ?? [])] }), {
      algorithms: assertionAlgorithms,
      issuer: claimed.sub,
      subject: claimed.sub,
      clockTolerance: clockSkewSeconds,
      currentDate: new Date(now),
    });
    ({ kid } = protectedHeader);
  } catch (cause) {
    throw notProven(cause);
  }
  if (client === undefined || !mayComeFrom(client.networks, address)) throw notProven();
  await useOnce(db, { issuer, client: client.id, jti: claimed.jti, expiresAt: claimed.exp + clockSkewSeconds });
  return { ...client, ...(kid === undefined ? {} : { provenBy: kid }) };
}

function mayComeFrom(networks: readonly string[], address: string | undefined): boolean {
  return networks.length === 0 || isInside(networksOf(networks), address);
}

/** The same text whether the client is unknown, disabled, or did not sign this. */
export function notProven(cause?: unknown): OAuthProblem {
  return new OAuthProblem('invalid_client', 'the assertion is not signed by a registered key of a client', cause);
}

type Claimed = Required<Pick<JWTPayload, 'sub' | 'jti' | 'exp'>>;

/** What anybody can read from it, not yet believed. @throws OAuthProblem invalid_client */
function readAssertion(assertion: string, { issuer, tokenEndpoint, now }: AssertionContext): Claimed {
  const refuse = (description: string): OAuthProblem => new OAuthProblem('invalid_client', description);
  if (assertion.length > assertionCharsMax || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(assertion)) {
    throw refuse('the assertion is no signed JWT in compact form');
  }
  const [header, claims] = decode(assertion);
  if (!assertionAlgorithms.includes(String(header.alg))) {
    throw refuse(`the alg of an assertion is one of ${assertionAlgorithms.join(' ')}`);
  }
  // RFC 8725 section 3.11: an access token is no assertion.
  if (typeof header.typ !== 'string' || !/^(jwt|client-authentication\+jwt)$/i.test(header.typ)) {
    throw refuse('the typ of an assertion is JWT');
  }
  if (typeof header.kid !== 'string') throw refuse('the header of an assertion names its kid');
  const foreign = keyHeaders.find((name) => name in header);
  if (foreign !== undefined) throw refuse(`the header of an assertion has no ${foreign}: keys are registered`);

  const { iss, sub, aud, jti, exp, iat } = claims;
  if (typeof sub !== 'string' || iss !== sub || !idPattern.test(sub)) {
    throw refuse('iss and sub of an assertion are both the client id');
  }
  // One audience alone: an assertion made for two servers could be sent by one of them to the other.
  const [audience, ...others] = Array.isArray(aud) ? aud : [aud];
  if (others.length > 0 || (audience !== tokenEndpoint && audience !== issuer)) {
    throw refuse('the aud of an assertion is the URL of the token endpoint and nothing else');
  }
  if (typeof jti !== 'string' || jti === '' || jti.length > jtiCharsMax) {
    throw refuse(`an assertion has a jti of at most ${jtiCharsMax} characters`);
  }
  const seconds = now / 1000;
  if (typeof exp !== 'number' || exp <= seconds - clockSkewSeconds) throw refuse('the assertion has expired');
  if (exp > seconds + assertionSecondsMax + clockSkewSeconds) {
    throw refuse(`an assertion expires within ${assertionSecondsMax} seconds`);
  }
  if (iat !== undefined && !(iat <= seconds + clockSkewSeconds)) throw refuse('the assertion is issued in the future');
  return { sub, jti, exp };
}

function decode(assertion: string): [ReturnType<typeof decodeProtectedHeader>, JWTPayload] {
  try {
    return [decodeProtectedHeader(assertion), decodeJwt(assertion)];
  } catch (cause) {
    throw new OAuthProblem('invalid_client', 'the assertion is no signed JWT in compact form', cause);
  }
}

/**
 * One insert under the primary key: of any number of the same, in any number of processes, one has a row to show for it.
 * @throws OAuthProblem invalid_client when it was used before, temporarily_unavailable beyond the rate
 */
async function useOnce(
  db: Tx,
  { issuer, client, jti, expiresAt }: { issuer: string; client: string; jti: string; expiresAt: number },
): Promise<void> {
  // Its hash: any text has one, and all are equally long.
  const key = hash('sha256', jti, 'base64url');
  const [{ recent, used } = { recent: 0, used: 0 }] = await db.query<{ recent: number; used: number }>(sql`
    with recent as (
      select count(*) as number from client_assertion
      where issuer = ${issuer} and client = ${client} and used_at > now() - interval '1 minute'),
    used as (
      insert into client_assertion (issuer, client, jti, expires_at)
      select ${issuer}, ${client}, ${key}, to_timestamp(${expiresAt}) from recent
      where number < ${assertionsPerMinuteMax}
      on conflict do nothing returning jti)
    select (select number from recent)::int as recent, (select count(*) from used)::int as used`);
  if (used === 1) return;
  if (recent >= assertionsPerMinuteMax) {
    throw new OAuthProblem('temporarily_unavailable', `more than ${assertionsPerMinuteMax} requests in a minute`);
  }
  throw new OAuthProblem('invalid_client', 'the assertion was used before');
}

/** Later than any clock that still believes the assertion or the token. */
const keptAfterExpiry = sql`interval '1 hour'`;

/** Removes what is refused anyway: used assertions, and revocations of tokens that have expired since. */
export async function sweepExpired(db: Tx): Promise<void> {
  await db.query(sql`delete from client_assertion where expires_at < now() - ${keptAfterExpiry}`);
  await db.query(sql`delete from revoked_token where expires_at < now() - ${keptAfterExpiry}`);
}
