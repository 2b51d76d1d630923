/**
 * Sessions: rows, so that every process knows them and ending one ends it everywhere with the next request. The cookie holds
 * a secret of 256 bits; the row its hash, so that a copy of the database signs nobody in.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html
 */
import { hash, randomBytes, randomUUID } from 'node:crypto';
import type { Tx } from '../../db.ts';
import { sql, textArray } from '../../db/sql.ts';
import type { OperatorRole } from '../principal/operator.ts';
import type { Registry } from '../client/registry.ts';
import type { Account } from './account.ts';

export interface Session {
  /** Public; names it in the trail. */
  readonly id: string;
  readonly accountId: string;
  readonly login: string | undefined;
  /** `Patient/x`, `RelatedPerson/x`, `Practitioner/y`; undefined: an operator. */
  readonly fhirUser: string | undefined;
  /** Of an operator who has one in particular. */
  readonly operatorRole?: OperatorRole;
  /** Epoch milliseconds. */
  readonly authenticatedAt: number;
  /** RFC 8176: `pwd`, `otp`; `recovery` for a recovery code; `external` and what the issuer said. */
  readonly methods: readonly string[];
}

/** A session as its owner reads it. */
export interface ListedSession {
  readonly id: string;
  readonly authenticatedAt: Date;
  readonly lastSeenAt: Date;
  readonly agent: string;
}

export interface Opening {
  readonly methods: readonly string[];
  /** User-Agent. */
  readonly agent: string;
  /** Epoch milliseconds; undefined: now. */
  readonly authenticatedAt?: number | undefined;
}

export interface Sessions {
  /** @returns the secret for the cookie */
  open(tx: Tx, account: Account, opening: Opening): Promise<{ session: Session; secret: string }>;
  find(secret: string): Promise<Session | undefined>;
  list(account: string): Promise<ListedSession[]>;
  /** One of this account; the tokens it has end with it. @returns whether there was one */
  end(account: string, id: string): Promise<boolean>;
  /** @param except a session that stays */
  endAll(account: string, except?: string): Promise<void>;
  /** A token that ends with the session. @returns false: it has too many, or has ended */
  addToken(session: string, token: { jti: string; expiresAt: number }): Promise<boolean>;
}

/** A morning at the portal; nobody stays signed in at the hospital's kiosk overnight. */
const sessionHoursMax = 12;
const idleMinutesMax = 30;
/** One write a minute says well enough when a session was seen last. */
const seenEverySeconds = 60;
const agentCharsMax = 200;
/** Live ones: each tab has one, and a page that is reloaded gets another. */
const tokensMax = 100;

export interface SessionsOptions {
  readonly db: Tx;
  readonly issuer: string;
  readonly registry: Pick<Registry, 'revoke'>;
  readonly now: () => number;
}

export function openSessions({ db, issuer, registry, now }: SessionsOptions): Sessions {
  const isLive = (at: number) => sql`
    one.authenticated_at > to_timestamp(${at / 1000}::float8) - make_interval(hours => ${sessionHoursMax})
    and one.last_seen_at > to_timestamp(${at / 1000}::float8) - make_interval(mins => ${idleMinutesMax})`;

  const endThese = async (sessions: readonly { id: string }[]): Promise<void> => {
    const ids = textArray(sessions.map(({ id }) => id));
    const tokens = await db.query<{ jti: string; expiresAt: number }>(sql`
      select jti, extract(epoch from expires_at)::float8 * 1000 as "expiresAt" from account_token
      where session = any(${ids}::text[]) and expires_at > to_timestamp(${now() / 1000}::float8)`);
    // The tokens first: a process that dies in between leaves a session that can be ended again.
    for (const token of tokens) await registry.revoke({ issuer, ...token });
    await db.query(sql`delete from account_session where id = any(${ids}::text[])`);
  };

  return {
    open: async (tx, { id: accountId, login, fhirUser }, { methods, agent, authenticatedAt: provedAt }) => {
      const at = now();
      const authenticatedAt = Math.min(provedAt ?? at, at);
      const secret = randomBytes(32).toString('base64url');
      const session = { id: randomUUID(), accountId, login, fhirUser, authenticatedAt, methods };
      await tx.query(sql`
        insert into account_session (id, secret, account, methods, authenticated_at, last_seen_at, agent)
        values (${session.id}, ${hashSecret(secret)}, ${accountId}, ${textArray(methods)}::text[],
          to_timestamp(${authenticatedAt / 1000}::float8), to_timestamp(${at / 1000}::float8), ${agent.slice(0, agentCharsMax)})`);
      return { session, secret };
    },

    find: async (secret) => {
      const at = now();
      const [row] = await db.query<SessionRow>(sql`
        select one.id, one.account as "accountId", account.login, account.fhir_user as "fhirUser",
          account.ops_role as "operatorRole", one.methods,
          extract(epoch from one.authenticated_at)::float8 * 1000 as "authenticatedAt",
          extract(epoch from one.last_seen_at)::float8 * 1000 as "lastSeenAt"
        from account_session one join account on account.id = one.account
        where one.secret = ${hashSecret(secret)} and account.is_active and ${isLive(at)}`);
      if (row === undefined) return undefined;
      const { lastSeenAt, login, fhirUser, operatorRole, ...rest } = row;
      if (at - lastSeenAt > seenEverySeconds * 1000) {
        await db.query(
          sql`update account_session set last_seen_at = to_timestamp(${at / 1000}::float8) where id = ${row.id}`,
        );
      }
      return {
        ...rest,
        login: login ?? undefined,
        fhirUser: fhirUser ?? undefined,
        ...(operatorRole === null ? {} : { operatorRole }),
      };
    },

    list: (account) =>
      db.query<ListedSession>(sql`
        select id, authenticated_at as "authenticatedAt", last_seen_at as "lastSeenAt", agent from account_session one
        where account = ${account} and ${isLive(now())} order by last_seen_at desc, id`),

    end: async (account, id) => {
      const found = await db.query<{ id: string }>(sql`
        select id from account_session where account = ${account} and id = ${id}`);
      await endThese(found);
      return found.length > 0;
    },

    endAll: async (account, except = '') => {
      await endThese(
        await db.query<{ id: string }>(sql`
          select id from account_session where account = ${account} and id <> ${except}`),
      );
    },

    addToken: async (session, { jti, expiresAt }) => {
      const rows = await db.query(sql`
        insert into account_token (jti, session, expires_at)
        select ${jti}, id, to_timestamp(${expiresAt / 1000}::float8) from account_session where id = ${session} and (
          select count(*) from account_token
          where session = ${session} and expires_at > to_timestamp(${now() / 1000}::float8)) < ${tokensMax}
        returning jti`);
      return rows.length === 1;
    },
  };
}

interface SessionRow {
  id: string;
  accountId: string;
  login: string | null;
  fhirUser: string | null;
  operatorRole: OperatorRole | null;
  methods: string[];
  authenticatedAt: number;
  lastSeenAt: number;
}

function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url');
}

/** Removes sessions and tokens that are over. */
export async function sweepSessions(db: Tx): Promise<void> {
  await db.query(sql`
    delete from account_session where authenticated_at < now() - make_interval(hours => ${sessionHoursMax})
      or last_seen_at < now() - make_interval(mins => ${idleMinutesMax})`);
  await db.query(sql`delete from account_token where expires_at < now()`);
}
