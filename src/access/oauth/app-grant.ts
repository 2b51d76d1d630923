/**
 * What a person allowed an app, in the database: made with a code, gone on with by refresh tokens, ended as a whole. A code and
 * a refresh token are used up by one update of one row, so of any number sent at once, to any number of processes, one succeeds;
 * and whoever sends one that is used up ends everything that came of it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2 "MUST NOT use the authorization code more than once"
 * @see https://www.rfc-editor.org/rfc/rfc9700#section-4.14.2 refresh token rotation
 */
import { hash, randomBytes } from 'node:crypto';
import type { Database, Tx } from '../../db.ts';
import { raw, sql, textArray, type Sql } from '../../db/sql.ts';
import type { Registry } from '../client/registry.ts';
import type { Lasting } from './launch-scope.ts';

/** An app redeems its code at once; RFC 6749 recommends ten minutes at most. */
export const codeSeconds = 60;
/** A refresh token that nobody used for so long belongs to an app that nobody uses. */
const unusedDaysMax = 30;
/** Then the person is asked again. */
const offlineDaysMax = 365;
/** Longer than any session. */
const onlineHoursMax = 24;

const secretBytes = 32;
const uuidBytes = 16;

export interface NewGrant {
  readonly issuer: string;
  readonly client: string;
  readonly account: string;
  readonly session: string;
  readonly person: string;
  /** Epoch milliseconds. */
  readonly authenticatedAt: number;
  readonly methods: readonly string[];
  readonly patient: string | undefined;
  readonly fhirUser: string;
  readonly scopes: readonly string[];
  readonly nonce: string | undefined;
  readonly codeChallenge: string;
  readonly redirectUri: string;
  readonly jkt: string | undefined;
  readonly lasting: Lasting;
}

export interface Grant {
  readonly id: string;
  readonly issuer: string;
  readonly client: string;
  readonly account: string;
  readonly session: string;
  readonly person: string;
  readonly authenticatedAt: number;
  readonly methods: readonly string[];
  readonly patient: string | null;
  readonly fhirUser: string;
  readonly scopes: readonly string[];
  readonly nonce: string | null;
  readonly codeChallenge: string;
  readonly redirectUri: string;
  readonly jkt: string | null;
  readonly refreshHash: string | null;
  /** Of the code, later of the refresh token. */
  readonly expiresAt: number;
  readonly isEnded: boolean;
}

const milliseconds = (column: string): Sql => raw(`round(extract(epoch from ${column}) * 1000)::int8`);

const columns = sql`id, issuer, client, account, session, person, methods, patient, scopes, nonce, jkt,
  ${milliseconds('authenticated_at')} as "authenticatedAt", fhir_user as "fhirUser", code_challenge as "codeChallenge",
  redirect_uri as "redirectUri", refresh_hash as "refreshHash", ${milliseconds('expires_at')} as "expiresAt",
  ended_at is not null as "isEnded"`;

export function hashOf(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** @returns the code */
export async function createGrant(db: Tx, grant: NewGrant): Promise<string> {
  const code = randomBytes(secretBytes).toString('base64url');
  const lastsSeconds = {
    token: codeSeconds,
    session: onlineHoursMax * 3600,
    offline: offlineDaysMax * 86_400,
  }[grant.lasting];
  await db.query(sql`
    insert into app_grant (id, issuer, client, account, session, person, authenticated_at, methods, patient, fhir_user, scopes,
      nonce, code_hash, code_challenge, redirect_uri, jkt, expires_at, ends_at)
    values (gen_random_uuid(), ${grant.issuer}, ${grant.client}, ${grant.account}, ${grant.session}, ${grant.person},
      to_timestamp(${grant.authenticatedAt / 1000}::float8), ${textArray(grant.methods)}::text[], ${grant.patient ?? null},
      ${grant.fhirUser}, ${textArray(grant.scopes)}::text[], ${grant.nonce ?? null}, ${hashOf(code)}, ${grant.codeChallenge},
      ${grant.redirectUri}, ${grant.jkt ?? null}, now() + make_interval(secs => ${codeSeconds}),
      now() + make_interval(secs => ${lastsSeconds}))`);
  return code;
}

export interface Redemption {
  readonly issuer: string;
  readonly client: string;
  readonly code: string;
  /** The key in hand, which tokens are bound to from now on unless the request to authorize named one. */
  readonly jkt: string | undefined;
}

/** Uses the code up, whatever comes of it. Undefined: it was used before, or is none of this client's. */
export async function takeCode(tx: Tx, { issuer, client, code, jkt }: Redemption): Promise<Grant | undefined> {
  const [grant] = await tx.query<Grant>(sql`
    update app_grant set code_used_at = now(), jkt = coalesce(jkt, ${jkt ?? null}::text)
    where code_hash = ${hashOf(code)} and issuer = ${issuer} and client = ${client} and code_used_at is null
      and ended_at is null
    returning ${columns}`);
  return grant;
}

/** The grant of a code, used or not. */
export async function findByCode(db: Tx, issuer: string, client: string, code: string): Promise<Grant | undefined> {
  const [grant] = await db.query<Grant>(sql`
    select ${columns} from app_grant where code_hash = ${hashOf(code)} and issuer = ${issuer} and client = ${client}`);
  return grant;
}

/** The grant that a refresh token names, whether the token is the one that is good now or not; undefined for other texts. */
export async function findByRefreshToken(db: Tx, token: string): Promise<Grant | undefined> {
  const bytes = /^[\w-]{64}$/.test(token) ? Buffer.from(token, 'base64url') : Buffer.alloc(0);
  if (bytes.length !== uuidBytes + secretBytes) return undefined;
  const grant = await findGrant(db, bytes.toString('hex', 0, uuidBytes));
  return grant?.refreshHash === null ? undefined : grant;
}

export async function findGrant(db: Tx, id: string): Promise<Grant | undefined> {
  const [grant] = await db.query<Grant>(sql`select ${columns} from app_grant where id = ${id}::uuid`);
  return grant;
}

/** True for the refresh token that is good now. */
export function isCurrent(grant: Grant, token: string, now: number): boolean {
  const { isEnded, refreshHash, expiresAt } = grant;
  return !isEnded && refreshHash === hashOf(token) && expiresAt > now;
}

/**
 * Puts a new refresh token in the place of the one before (null: of none).
 * @returns undefined when another request was faster, or the grant has ended
 */
export async function rotateRefreshToken(
  tx: Tx,
  { id, refreshHash }: Pick<Grant, 'id' | 'refreshHash'>,
): Promise<string | undefined> {
  const token = Buffer.concat([Buffer.from(id.replaceAll('-', ''), 'hex'), randomBytes(secretBytes)]).toString(
    'base64url',
  );
  const rotated = await tx.query(sql`
    update app_grant set refresh_hash = ${hashOf(token)},
      expires_at = least(ends_at, now() + make_interval(days => ${unusedDaysMax}))
    where id = ${id} and refresh_hash is not distinct from ${refreshHash}::text and ended_at is null and ends_at > now()
    returning id`);
  return rotated.length === 1 ? token : undefined;
}

/** The access token ends when the grant does. The row of the grant is locked by the caller's update. */
export async function rememberToken(tx: Tx, grant: string, jti: string, expiresAtMs: number): Promise<void> {
  await tx.query(sql`
    insert into app_token (jti, grant_id, expires_at) values (${jti}, ${grant}, to_timestamp(${expiresAtMs / 1000}::float8))`);
}

/** Which grants end. */
export interface Ending {
  readonly id?: string;
  readonly account?: string;
}

/**
 * Ends grants with all that came of them: no code, no refresh token, and the access tokens are refused from the next statement.
 * Again is as good as once.
 */
export async function endGrants(db: Database, registry: Registry, issuer: string, ending: Ending): Promise<void> {
  const tokens = await db.inTransaction(async (tx) => {
    const chosen = ending.id === undefined ? sql`account = ${ending.account ?? ''}` : sql`id = ${ending.id}::uuid`;
    // First the rows, which waits for whoever is issuing a token just now; then, in a new snapshot, the tokens.
    const grants = await tx.query<{ id: string }>(sql`
      update app_grant set ended_at = coalesce(ended_at, now()), expires_at = least(expires_at, now())
      where ${chosen} and issuer = ${issuer} returning id`);
    const ids = grants.map(({ id }) => id);
    return tx.query<{ jti: string; expiresAt: number }>(sql`
      select jti, ${milliseconds('expires_at')} as "expiresAt" from app_token
      where grant_id = any(${textArray(ids)}::uuid[]) and expires_at > now() - interval '1 minute'`);
  });
  // A process that dies in between has answered nobody; whoever asks again finds the same tokens.
  for (const token of tokens) await registry.revoke({ issuer, ...token });
}

/** Removes what is of no use to anybody: tokens, proofs and tickets that are refused anyway, and grants of which nothing is left. */
export async function sweepGrants(db: Tx): Promise<void> {
  const past = sql`now() - interval '1 hour'`;
  await db.query(sql`delete from app_token where expires_at < ${past}`);
  await db.query(sql`delete from dpop_proof where expires_at < now()`);
  await db.query(sql`delete from client_ticket where expires_at < ${past} and client is null`);
  // While one of its access tokens lives a grant can still be ended.
  await db.query(sql`
    delete from app_grant where expires_at < ${past}
      and not exists (select from app_token where app_token.grant_id = app_grant.id)`);
}
