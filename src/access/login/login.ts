/**
 * access/login/: people sign in to the hub itself, without any other system. An operator invites (account.ts), the person sets
 * up a password (password.ts) and a second factor (totp.ts), signs in, and has a session (session.ts) until it ends. Whoever
 * guesses is slowed down (throttle.ts). It knows no HTTP: pages and cookies are api/login/.
 *
 * A refusal has one text and one price, whatever is wrong: a name that nobody has costs an argon2 like any other.
 */
import type { Database, Tx } from '../../db.ts';
import type { Audit } from '../audit/audit.ts';
import type { Registry } from '../client/registry.ts';
import { findByLogin, foldLogin, type Account } from './account.ts';
import { beginAttempt, deviceCookie } from './attempt.ts';
import { prove, refused } from './proof.ts';
import type { Sealer } from '../secrets/seal.ts';
import { openSessions, sweepSessions, type Session, type Sessions } from './session.ts';
import { sweepAttempts } from './throttle.ts';
import { openTrail, type Trail } from './trail.ts';

export interface LoginOptions {
  readonly db: Database;
  readonly audit: Audit;
  readonly registry: Pick<Registry, 'revoke'>;
  readonly sealer: Sealer;
  /** Name of the hub's own issuer. */
  readonly issuer: string;
  readonly now?: () => number;
  /** A failure that could not be recorded. */
  readonly failed: (error: unknown) => void;
}

/** Where a request comes from. */
export interface Origin {
  readonly address: string;
  /** User-Agent. */
  readonly agent: string;
  /** The cookie of a browser in which somebody signed in before. */
  readonly device?: string | undefined;
}

export interface SignInRequest extends Origin {
  readonly login: string;
  readonly password: string;
  /** Of the app, or a recovery code. */
  readonly code: string;
}

export interface SignedIn {
  readonly session: Session;
  /** For the session's cookie. */
  readonly secret: string;
  /** For the cookie by which this browser is known to be the person's. */
  readonly device: string;
}

/** What the files of this folder share. */
export interface LoginContext extends Required<LoginOptions> {
  readonly sessions: Sessions;
  readonly trail: Trail;
}

export interface Login {
  readonly context: LoginContext;
  /** @throws Problem login, throttled, transient; TooManyAttempts */
  signIn(request: SignInRequest): Promise<SignedIn>;
  signOut(session: Session): Promise<void>;
}

const sweepEveryMs = 600_000;

export function openLogin(options: LoginOptions): Login {
  const { now = Date.now } = options;
  const context: LoginContext = {
    ...options,
    now,
    sessions: openSessions({ ...options, now }),
    trail: openTrail({ ...options, now }),
  };
  let sweptAt = 0;
  return {
    context,
    signIn: async (request) => {
      if (now() - sweptAt > sweepEveryMs) {
        sweptAt = now();
        await sweepSessions(options.db);
        await sweepAttempts(options.db);
      }
      return signIn(context, request);
    },
    signOut: async (session) => {
      const { accountId, login, fhirUser, id } = session;
      await context.trail.record('logout', { account: { id: accountId, login, fhirUser }, jti: id });
      await context.sessions.end(accountId, id);
    },
  };
}

async function signIn(context: LoginContext, request: SignInRequest): Promise<SignedIn> {
  const { db, trail } = context;
  // A name that nobody can have is looked up all the same.
  const login = foldLogin(request.login) ?? '';
  const attempt = await beginAttempt(context, login, request);
  const found = await findByLogin(db, login);
  const methods = await prove(context, found, request);
  if (found === undefined || methods === undefined) {
    trail.recordFailure(found, request.address);
    throw refused();
  }
  await attempt.succeeded();
  return openSession(context, async () => found, { methods }, request);
}

export interface Entrance {
  readonly methods: readonly string[];
  /** The name under which it is recorded. */
  readonly interaction?: string;
  /** When they proved it, if not now: epoch milliseconds. */
  readonly authenticatedAt?: number | undefined;
}

/**
 * After whatever proved who it is: the session and its record are one commit, with what gives the account.
 * @param accountIn throws to leave everything as it was
 */
export async function openSession(
  { sessions, trail, sealer }: LoginContext,
  accountIn: (tx: Tx) => Promise<Account>,
  { methods, interaction = 'login', authenticatedAt }: Entrance,
  { agent, address, device }: Origin,
): Promise<SignedIn> {
  return trail.change(interaction, async (tx) => {
    const account = await accountIn(tx);
    const { session, secret } = await sessions.open(tx, account, { methods, agent, authenticatedAt });
    const value = { session, secret, device: deviceCookie(sealer, account.login ?? account.id, device) };
    return { value, about: { account, jti: session.id, address } };
  });
}
